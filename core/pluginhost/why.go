// SPDX-License-Identifier: Apache-2.0

package pluginhost

import (
	"errors"
	"os/exec"
	"strings"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// What go-plugin says of a process that does not serve.
const (
	saysOther   = "Unrecognized remote plugin message: "
	saysNothing = "Failed to read any lines from plugin's stdout"
	saysEnded   = "plugin exited before we could connect"
	saysLate    = "timeout while waiting for plugin to start"
)

// why says in one sentence why a program that has ended did not serve.
func (p *program) why(err error) error {
	var f *fault.Error
	if p == nil || !p.started.Load() || errors.As(err, &f) {
		return err
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	switch wrote, other := strings.CutPrefix(text, saysOther); {
	case strings.HasSuffix(text, saysNothing), text == saysEnded:
		return fault.New(fault.ProviderAway, "it ended%s without a handshake: is it a provider?", p.status())
	case other:
		return fault.New(fault.ProviderAway, "it wrote %q instead of a handshake: is it a provider?", clean(wrote, maxWords))
	case text == saysLate:
		return fault.New(fault.ProviderAway, "no handshake within %s: is it a provider?", childStart)
	}
	return errors.New(text)
}

// status says how a process ended; nothing if it was told to.
func (p *program) status() string {
	<-p.ended
	var exit *exec.ExitError
	switch {
	case p.err == nil:
		return " with exit status 0"
	case errors.As(p.err, &exit) && exit.Exited():
		return " with " + exit.String()
	}
	return ""
}

// lastly puts what a program wrote last before why it ended: it knows better.
func lastly(words string, err error) string {
	why := clean(err.Error(), maxText)
	if words == "" {
		return why
	}
	return "\"" + words + "\"; " + why
}
