// SPDX-License-Identifier: Apache-2.0

package realtest

import (
	"net/http"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/sdk/provider"
)

func TestUnikernel(t *testing.T) {
	p := newProvider(t)
	spec := smallSpec(pushUnikernel(t, p), 15)
	spec.Kind, spec.MemoryBytes, spec.CloudInit = provider.InstanceUnikernel, 128<<20, nil
	router := newNetwork(t, 15, map[string]string{spec.NICs[0].MAC: "10.15.0.5"})
	spec.CommandLine = "dhcp && chain http://10.15.0.1:8000/hello?a=1&b=<2>"
	removeAtEnd(t, spec.ID)

	requests := make(chan *http.Request, 1)
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case requests <- r:
		default:
		}
	})}
	listener := router.listen(t, 8000)
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })

	began := time.Now()
	apply(t, p, spec)
	expectTraces(t, spec.ID, whole)
	select {
	case r := <-requests:
		if r.RequestURI != "/hello?a=1&b=<2>" && r.RequestURI != "/hello?a=1&b=%3C2%3E" {
			t.Errorf("it asked for %s", r.RequestURI)
		}
		t.Logf("its request came after %v", time.Since(began))
	case <-within(t, patience).Done():
		t.Fatal("no request came")
	}
	began = time.Now()
	apply(t, p, next(spec, provider.PowerStopped))
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("a unikernel that does not listen was given %v", took)
	}
}
