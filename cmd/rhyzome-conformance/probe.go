// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/conformance/probe/agent"
)

func probeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "probe",
		Short: "Measure a network from inside, for a run of the profile dataplane",
		Long: `Probe is what the profile dataplane runs at each of its places: on guests and on the outside. It is asked over its standard
input and answers on its standard output. It needs Linux and root, asks for leases, sets the addresses of the interface
that it is told of, and takes everything back when its input ends.`,
		Example: `  # in the parameters of run:
  dataplane:
    guest_a1: {command: [ssh, root@192.0.2.11, ./rhyzome-conformance, probe], interface: eth1}
    outside: {command: [ip, netns, exec, world, rhyzome-conformance, probe], interface: eth0, address: 203.0.113.9}`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return agent.Serve(os.Stdin, os.Stdout) },
	}
}
