// SPDX-License-Identifier: Apache-2.0

package compute_test

import (
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/rhyzome/rhyzome/core"
)

const goodKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me@\"laptop\": \\x"

func TestSeed(t *testing.T) {
	w := newWorld(t)
	w.network("second", core.NetworkSpec{IPv4CIDR: "10.2.0.0/29", IPv6CIDR: "fd02::/64"})
	i := w.make("web", core.InstanceSpec{
		Image:     "disk",
		Networks:  []core.Attachment{{Network: "lan"}, {Network: "second"}},
		CloudInit: &core.CloudInit{SSHKeys: []string{goodKey}},
	})
	spec, _ := w.Provider.Instance(i.ID)
	seed := spec.CloudInit

	var meta map[string]any
	parse(t, seed.MetaData, &meta)
	if meta["instance-id"] != i.ID || meta["local-hostname"] != "web" || len(meta) != 2 {
		t.Errorf("meta-data = %v", meta)
	}
	var user map[string][]string
	parse(t, seed.UserData, &user)
	if !strings.HasPrefix(seed.UserData, "#cloud-config\n") || len(user["ssh_authorized_keys"]) != 1 || user["ssh_authorized_keys"][0] != goodKey {
		t.Errorf("user-data = %s", seed.UserData)
	}
	want := `version: 2
ethernets:
  nic0:
    match:
      macaddress: "` + i.Status.Ports[0].MAC + `"
    mtu: 1500
    dhcp4: true
    addresses:
      - "fd01::10/64"
    routes:
      - to: "::/0"
        via: "fd01::1"
    nameservers:
      search:
        - "lan.alice.rhyzome.internal"
      addresses:
        - "10.1.0.1"
        - "fd01::1"
  nic1:
    match:
      macaddress: "` + i.Status.Ports[1].MAC + `"
    mtu: 1500
    dhcp4: true
    addresses:
      - "fd02::10/64"
    nameservers:
      search:
        - "second.alice.rhyzome.internal"
      addresses:
        - "10.2.0.1"
        - "fd02::1"
`
	if seed.NetworkConfig != want {
		t.Errorf("network-config:\n%s\nwant:\n%s", seed.NetworkConfig, want)
	}
	parse(t, seed.NetworkConfig, &map[string]any{})
}

func TestSeedKeepsUserData(t *testing.T) {
	w := newWorld(t)
	i := w.make("web", core.InstanceSpec{Image: "disk", CloudInit: &core.CloudInit{UserData: "#!/bin/sh\n", SSHKeys: []string{goodKey}}})
	if i.Spec.CloudInit.UserData != "" || len(i.Spec.CloudInit.SSHKeys) != 1 {
		t.Errorf("cloud-init as it is shown: %+v", i.Spec.CloudInit)
	}
	spec, _ := w.Provider.Instance(i.ID)
	var meta struct {
		Keys []string `yaml:"public-keys"`
	}
	parse(t, spec.CloudInit.MetaData, &meta)
	if spec.CloudInit.UserData != "#!/bin/sh\n" || len(meta.Keys) != 1 || meta.Keys[0] != goodKey {
		t.Errorf("seed = %+v", spec.CloudInit)
	}
	parse(t, spec.CloudInit.NetworkConfig, &map[string]any{})

	i = w.make("plain", core.InstanceSpec{Image: "disk", CloudInit: &core.CloudInit{}})
	if spec, _ = w.Provider.Instance(i.ID); spec.CloudInit == nil || !strings.HasPrefix(spec.CloudInit.UserData, "#cloud-config\n") {
		t.Errorf("seed = %+v", spec.CloudInit)
	}
	parse(t, spec.CloudInit.UserData, &map[string]any{})
	i = w.make("none", core.InstanceSpec{Image: "disk"})
	if spec, _ = w.Provider.Instance(i.ID); spec.CloudInit != nil {
		t.Errorf("a seed that nobody asked for: %+v", spec.CloudInit)
	}
}

func parse(t *testing.T, text string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text), into); err != nil {
		t.Errorf("not YAML: %v\n%s", err, text)
	}
}
