// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"testing"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// rooted offers instances, and nothing that is optional.
type rooted struct {
	provider.Provider
	provider.Instances
	provider.Images
}

// Another host is refused before the author is asked, and nothing has failed then.
func TestInstancesStayWhereNothingMoves(t *testing.T) {
	b := memory.NewBackend()
	twin := memory.DefaultHost()
	twin.ID = "twin"
	b.SetHosts(memory.DefaultHost(), twin)
	p := memory.New(b)
	_, client, _ := serve(t, rooted{p, p, p}, patient)
	configure(t, client)
	putImage(t, client)
	spec := instanceSpec()
	_, err := client.ApplyInstance(t.Context(), fence(), spec)
	wants(t, "made", err, "")
	spec.Generation, spec.HostID = 2, "twin"
	_, err = client.ApplyInstance(t.Context(), fence(), spec)
	wants(t, "another host", err, fault.InvalidField)
	i, err := client.GetInstance(t.Context(), spec.ID)
	if err != nil || i.Phase != provider.PhaseReady || i.Generation != 1 || i.HostID != "memory-host" {
		t.Errorf("instance = %+v, %v", i, err)
	}
}

// While it moves, an instance is shown on the host that has it.
func TestInstancesMove(t *testing.T) {
	b := memory.NewBackend()
	twin := memory.DefaultHost()
	twin.ID = "twin"
	b.SetHosts(memory.DefaultHost(), twin)
	client := configured(t, b, quick)
	putImage(t, client)
	spec := instanceSpec()
	shows := func(phase provider.Phase, host string) {
		t.Helper()
		await(t, string(phase)+" on "+host, func() bool {
			i, err := client.GetInstance(t.Context(), spec.ID)
			return err == nil && i.Phase == phase && i.HostID == host && i.Power == provider.PowerRunning
		})
	}
	_, err := client.ApplyInstance(t.Context(), fence(), spec)
	wants(t, "made", err, "")
	shows(provider.PhaseReady, "memory-host")
	_, err = client.CheckInstanceMigration(t.Context(), spec.ID, "")
	wants(t, "no host", err, fault.InvalidField)
	can, err := client.CheckInstanceMigration(t.Context(), spec.ID, "twin")
	if err != nil || can.Mode != provider.MigrationLive {
		t.Errorf("to its twin: %+v, %v", can, err)
	}
	release := hang(b, "ApplyInstance", memory.StepMove)
	spec.Generation, spec.HostID = 2, "twin"
	_, err = client.ApplyInstance(t.Context(), fence(), spec)
	wants(t, "the move", err, "")
	shows(provider.PhaseProgressing, "memory-host")
	release()
	shows(provider.PhaseReady, "twin")
}
