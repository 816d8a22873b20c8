// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rhyzome/rhyzome/lab/guest"
	"github.com/rhyzome/rhyzome/sdk/client"
)

// What the lab creates, all through the public REST API.
const (
	Alice = "alice" // a project with two vms on different hosts, a unikernel, and a laptop
	Bob   = "bob"   // a project with one vm

	fabricName  = "lab"
	networkName = "net"
	laptopPeer  = "laptop"

	vmImage        = "guest"
	unikernelImage = "ipxe"

	vmMemory        = 160 << 20
	unikernelMemory = 128 << 20
)

// VLANs of the lab's fabric.
const (
	segmentMin = 100
	segmentMax = 199
)

// makeFabric makes the fabric that hosts and router name in their configurations.
func (l *Lab) makeFabric(ctx context.Context) error {
	_, err := l.api.Fabrics.Create(ctx, client.NewFabric{
		Name: fabricName,
		Spec: client.FabricSpec{Kind: client.FabricVLAN, SegmentMin: segmentMin, SegmentMax: segmentMax},
	})
	return err
}

// makeProject makes a project with its images and its network.
func (l *Lab) makeProject(ctx context.Context, project string, images guest.Images) error {
	if _, err := l.api.Projects.Create(ctx, client.NewProject{Name: project}); err != nil {
		return err
	}
	if err := l.upload(ctx, project, vmImage, client.FormatQCOW2, images.DiskPath); err != nil {
		return err
	}
	if err := l.upload(ctx, project, unikernelImage, client.FormatKernel, images.KernelPath); err != nil {
		return err
	}
	n, op, err := l.api.Networks.Create(ctx, project, client.NewNetwork{Name: networkName})
	if err != nil {
		return err
	}
	l.Progress.Say("network %s/%s: VLAN %d, %s", project, n.Name, n.Status.SegmentID, n.Status.Subnets[0].CIDR)
	return l.wait(ctx, op)
}

func (l *Lab) upload(ctx context.Context, project, name, format, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if _, err := l.api.Images.Create(ctx, project, client.NewImage{Name: name, Spec: client.ImageSpec{Format: format}}); err != nil {
		return err
	}
	i, err := l.api.Images.Upload(ctx, project, name, f, info.Size())
	if err != nil {
		return err
	}
	l.Progress.Say("image %s/%s: %s, %.1f MB, sha256 %.12s…", project, name, format, float64(i.Status.SizeBytes)/1e6, i.Status.SHA256)
	return nil
}

// createInstance creates an instance and keeps what the response promised; it returns the operation to wait for.
func (l *Lab) createInstance(ctx context.Context, project, name string, spec client.InstanceSpec) (client.Operation, error) {
	i, op, err := l.api.Instances.Create(ctx, project, client.NewInstance{Name: name, Spec: spec})
	if err != nil {
		return op, err
	}
	if len(i.Status.Ports) != 1 {
		return op, fmt.Errorf("instance %s/%s has %d ports in the create response, want 1", project, name, len(i.Status.Ports))
	}
	port := i.Status.Ports[0]
	l.record.Promises = append(l.record.Promises, Promise{
		Project: project, Name: name, ID: i.ID, Host: i.Status.HostName,
		MAC: port.MAC, Addresses: port.Addresses, DNSName: port.DNSName,
	})
	l.Progress.Say("instance %s/%s: on %s, promised %v", project, name, i.Status.HostName, port.Addresses)
	return op, l.record.write(l.Dir)
}

func vmSpec() client.InstanceSpec {
	return client.InstanceSpec{
		Kind: client.KindVM, Image: vmImage, MemoryBytes: vmMemory,
		Networks: []client.Attachment{{Network: networkName}},
		// A seed with nothing of the user's: host name and addresses come from the core.
		CloudInit: &client.CloudInit{},
	}
}

// unikernelSpec boots a kernel that knows no disk: it asks for a lease and fetches a page of a vm, by its name.
func unikernelSpec(page string) client.InstanceSpec {
	return client.InstanceSpec{
		Kind: client.KindUnikernel, Image: unikernelImage, MemoryBytes: unikernelMemory,
		CommandLine: "dhcp && chain " + page,
		Networks:    []client.Attachment{{Network: networkName}},
	}
}

// makeInstances creates alice's vms and bob's, all at once, and waits for them.
func (l *Lab) makeInstances(ctx context.Context) error {
	var ops []client.Operation
	for _, i := range []struct{ project, name string }{{Alice, "web1"}, {Alice, "web2"}, {Bob, "web1"}} {
		op, err := l.createInstance(ctx, i.project, i.name, vmSpec())
		if err != nil {
			return err
		}
		ops = append(ops, op)
	}
	for _, op := range ops {
		if err := l.wait(ctx, op); err != nil {
			return err
		}
	}
	a, _ := l.record.promise(Alice, "web1")
	b, _ := l.record.promise(Alice, "web2")
	if a.Host == b.Host {
		return fmt.Errorf("alice's vms are both on %s; they were to be spread", a.Host)
	}
	return nil
}

// makeUnikernel creates alice's unikernel, when the vm that it asks is up.
func (l *Lab) makeUnikernel(ctx context.Context) error {
	web, ok := l.record.promise(Alice, "web1")
	if !ok {
		return errors.New("alice/web1 is missing")
	}
	if err := l.awaitPage(ctx, web); err != nil {
		return err
	}
	op, err := l.createInstance(ctx, Alice, "uni1", unikernelSpec("http://"+web.DNSName+"/cgi-bin/hello"))
	if err != nil {
		return err
	}
	return l.wait(ctx, op)
}

// awaitPage returns when a vm's web server answers the laptop: a unikernel asks once.
func (l *Lab) awaitPage(ctx context.Context, web Promise) error {
	m, err := l.Machine(ctx, laptopName)
	if err != nil {
		return err
	}
	l.Progress.Say("waiting for the web server of %s/%s", web.Project, web.Name)
	laptop := onMachine(laptopName, m)
	deadline := time.Now().Add(bootLimit)
	for {
		_, up, err := laptop.run(ctx, fetch(web.Addresses[0]))
		if err != nil || up {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s/%s does not answer the laptop at %s", web.Project, web.Name, web.Addresses[0])
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
}

// wait follows an operation to its end, telling each new step.
func (l *Lab) wait(ctx context.Context, op client.Operation) error {
	last := ""
	end, err := l.api.Operations.Wait(ctx, op.ID, func(o client.Operation) {
		if now := describe(o); now != "" && now != last {
			last = now
			l.Progress.Say("%s %s: %s", o.Kind, o.Resource.Name, now)
		}
	})
	if err != nil {
		return err
	}
	return end.Err()
}

func describe(o client.Operation) string {
	if o.State == client.OperationWaiting {
		return "waits: " + o.WaitingFor
	}
	for _, s := range o.Steps {
		if s.State != client.StepRunning && s.State != client.StepUndoing {
			continue
		}
		if s.Detail != "" {
			return s.Name + ": " + s.Detail
		}
		return s.Name
	}
	return ""
}

// connect makes the client from what the core leaves in its state directory, and waits until the core answers.
func (l *Lab) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := l.tryConnect(ctx)
		if err == nil {
			return nil
		}
		if pause(ctx, 100*time.Millisecond) != nil {
			return fmt.Errorf("the core does not answer: %w", err)
		}
	}
}

func (l *Lab) tryConnect(ctx context.Context) error {
	token, err := os.ReadFile(l.TokenFile())
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(l.CAFile())
	if err != nil {
		return err
	}
	l.api, err = client.New(client.Config{URL: l.record.URL, Token: strings.TrimSpace(string(token)), CACert: ca})
	if err != nil {
		return err
	}
	_, _, err = l.api.Projects.List(ctx, client.Page{Limit: 1})
	return err
}

// TokenFile is the operator's token of the lab's core.
func (l *Lab) TokenFile() string { return filepath.Join(l.Dir, "core", "state", "operator.token") }

// CAFile is the certificate of the lab's CA.
func (l *Lab) CAFile() string { return filepath.Join(l.Dir, "core", "state", "pki", "ca.crt") }
