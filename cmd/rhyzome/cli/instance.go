// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"iter"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/sdk/client"
)

var instances = kind[client.Instance]{
	name: "instance", scope: inProject,
	columns: []column[client.Instance]{
		{"NAME", func(i client.Instance) string { return i.Name }},
		{state, func(i client.Instance) string { return string(i.Status.State) }},
		{"KIND", func(i client.Instance) string { return i.Spec.Kind }},
		{"ADDRESSES", func(i client.Instance) string { return strings.Join(addresses(i), ", ") }},
		{"HOST", func(i client.Instance) string { return i.Status.HostName }},
		{"SIZE", func(i client.Instance) string {
			return fmt.Sprintf("%d vCPU, %s", i.Spec.VCPUs, size(i.Spec.MemoryBytes))
		}},
	},
	facts: metaFacts(func(i client.Instance) client.Meta { return i.Meta },
		column[client.Instance]{state, func(i client.Instance) string { return string(i.Status.State) }},
		column[client.Instance]{"MESSAGE", func(i client.Instance) string { return i.Status.Message }},
		column[client.Instance]{"KIND", func(i client.Instance) string { return i.Spec.Kind }},
		column[client.Instance]{"IMAGE", func(i client.Instance) string { return i.Spec.Image }},
		column[client.Instance]{"SIZE", func(i client.Instance) string {
			return fmt.Sprintf("%d vCPU, %s", i.Spec.VCPUs, size(i.Spec.MemoryBytes))
		}},
		column[client.Instance]{"HOST", func(i client.Instance) string { return i.Status.HostName }},
		column[client.Instance]{"PORTS", func(i client.Instance) string { return strings.Join(ports(i), "\n") }},
		column[client.Instance]{"OPERATION", func(i client.Instance) string { return i.Status.Operation }},
	),
	nameOf: func(i client.Instance) string { return i.Name },
	all: func(ctx context.Context, t target) iter.Seq2[client.Instance, error] {
		return t.Instances.All(ctx, t.project)
	},
	get: func(ctx context.Context, t target, name string) (client.Instance, error) {
		return t.Instances.Get(ctx, t.project, name)
	},
}

func addresses(i client.Instance) (all []string) {
	for _, p := range i.Status.Ports {
		all = append(all, p.Addresses...)
	}
	return all
}

func ports(i client.Instance) (all []string) {
	for _, p := range i.Status.Ports {
		all = append(all, fmt.Sprintf("%s: %s (%s, %s)", p.NetworkName, strings.Join(p.Addresses, ", "), p.MAC, p.DNSName))
	}
	return all
}

func (a *app) instanceCommand() *cobra.Command {
	return family("instance", "Virtual machines and unikernels",
		a.instanceCreate(),
		listCommand(a, instances),
		getCommand(a, instances, "web"),
		verbCommand(a, instances, verb{
			name: "start", short: "Start instances", example: "web",
			do: func(ctx context.Context, t target, name string) (client.Operation, error) {
				return t.Instances.Start(ctx, t.project, name)
			},
		}),
		verbCommand(a, instances, verb{
			name: "stop", short: "Stop instances; they stay so", example: "web",
			do: func(ctx context.Context, t target, name string) (client.Operation, error) {
				return t.Instances.Stop(ctx, t.project, name)
			},
		}),
		a.instanceReboot(),
		verbCommand(a, instances, verb{
			name: "delete", short: "Delete instances with their disks", example: "web",
			long: "Delete instances with their disks and ports. Nothing brings them back.",
			do: func(ctx context.Context, t target, name string) (client.Operation, error) {
				return t.Instances.Delete(ctx, t.project, name)
			},
		}),
	)
}

func (a *app) instanceReboot() *cobra.Command {
	var hard bool
	cmd := verbCommand(a, instances, verb{
		name: "reboot", short: "Restart running instances", example: "web",
		do: func(ctx context.Context, t target, name string) (client.Operation, error) {
			return t.Instances.Reboot(ctx, t.project, name, hard)
		},
	})
	cmd.Flags().BoolVar(&hard, "hard", false, "reset it, without asking the guest")
	forField(cmd, "hard", "/hard")
	return cmd
}

// instanceFlags is what instance create asks for.
type instanceFlags struct {
	naming
	waiting
	client.InstanceSpec
	memory, disk sizeFlag
	networks     []string
	userData     string
	sshKeys      []string
	stopped      bool
}

func (a *app) instanceCreate() *cobra.Command {
	var in instanceFlags
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create an instance", Args: exactly("NAME"),
		Long: "Create an instance. Its host and addresses are decided at once and shown; it runs when the operation has succeeded.",
		Example: "  rhyzome instance create web --image debian --network lan --vcpus 2 --memory 1GiB --ssh-key ~/.ssh/id_ed25519.pub --wait\n" +
			"  rhyzome instance create clock --kind unikernel --image clock.kernel --command-line \"tz=UTC\" --network lan",
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.reach(cmd, inProject)
			if err != nil {
				return err
			}
			spec, err := in.spec()
			if err != nil {
				return err
			}
			v, op, err := t.Instances.Create(cmd.Context(), t.project, client.NewInstance{
				Name: args[0], DisplayName: in.display, Labels: in.labels, Spec: spec,
			})
			if err != nil {
				return err
			}
			return made(a, cmd, t, instances, in.waiting, v.ID, v, op)
		},
	}
	in.addFlags(a, cmd)
	return cmd
}

func (in *instanceFlags) addFlags(a *app, cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&in.Image, "image", "", "disk `IMAGE` of a vm, kernel of a unikernel; by id or name")
	f.StringVar(&in.Kind, "kind", "", "`KIND`: vm or unikernel (default vm)")
	f.StringArrayVarP(&in.networks, "network", "n", nil, "`NETWORK` to attach it to, by id or name; may be repeated")
	f.IntVar(&in.VCPUs, "vcpus", 0, "`NUMBER` of virtual CPUs (default 1)")
	f.Var(&in.memory, "memory", "memory (default 512MiB)")
	f.Var(&in.disk, "disk", "size of a vm's root disk (default: the image's own)")
	f.StringVar(&in.CommandLine, "command-line", "", "command `LINE` of a unikernel")
	f.StringVar(&in.Initrd, "initrd", "", "`IMAGE` with the initrd of a unikernel, by id or name")
	f.StringVar(&in.userData, "user-data", "", "`FILE` with cloud-init user data")
	f.StringArrayVar(&in.sshKeys, "ssh-key", nil, "`FILE` with SSH public keys to let in; may be repeated")
	f.StringVar(&in.Host, "host", "", "`HOST` to pin it to, by id or name")
	f.BoolVar(&in.stopped, "stopped", false, "don't start it")
	must(cmd, "image")
	for flag, field := range map[string]string{
		"image": "/spec/image", "kind": "/spec/kind", "network": "/spec/networks", "vcpus": "/spec/vcpus", "memory": "/spec/memory_bytes",
		"disk": "/spec/disk_bytes", "command-line": "/spec/command_line", "initrd": "/spec/initrd", "host": "/spec/host",
		"user-data": "/spec/cloud_init/user_data", "ssh-key": "/spec/cloud_init/ssh_keys", "stopped": "/spec/power",
	} {
		forField(cmd, flag, field)
	}
	complete(cmd, "image", namesOf(a, images))
	complete(cmd, "initrd", namesOf(a, images))
	complete(cmd, "network", namesOf(a, networks))
	complete(cmd, "host", namesOf(a, hosts))
	complete(cmd, "kind", func(*cobra.Command) ([]string, error) { return []string{client.KindVM, client.KindUnikernel}, nil })
	in.naming.addFlags(cmd)
	in.waiting.addFlags(cmd)
}

// spec reads the files that flags name.
func (in *instanceFlags) spec() (client.InstanceSpec, error) {
	spec := in.InstanceSpec
	spec.MemoryBytes, spec.DiskBytes = int64(in.memory), int64(in.disk)
	for _, n := range in.networks {
		spec.Networks = append(spec.Networks, client.Attachment{Network: n})
	}
	if in.stopped {
		spec.Power = client.PowerStopped
	}
	if in.userData == "" && len(in.sshKeys) == 0 {
		return spec, nil
	}
	spec.CloudInit = &client.CloudInit{}
	if in.userData != "" {
		raw, err := os.ReadFile(in.userData)
		if err != nil {
			return spec, usage("--user-data: %s", err.Error())
		}
		spec.CloudInit.UserData = string(raw)
	}
	for _, file := range in.sshKeys {
		raw, err := os.ReadFile(file)
		if err != nil {
			return spec, usage("--ssh-key: %s", err.Error())
		}
		spec.CloudInit.SSHKeys = append(spec.CloudInit.SSHKeys, keysIn(string(raw))...)
	}
	return spec, nil
}

// keysIn returns the lines of an authorized_keys file that hold a key.
func keysIn(text string) (keys []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			keys = append(keys, line)
		}
	}
	return keys
}
