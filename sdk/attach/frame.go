// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Hello is a provider's first frame.
type Hello struct {
	Provider      string `json:"provider"`   // the name it joined with
	MachineID     string `json:"machine_id"` // stable; tells a moved certificate from a restarted process
	Plugin        string `json:"plugin"`
	PluginVersion string `json:"plugin_version"`
	Versions      []int  `json:"versions"`         // of the contract
	Digest        string `json:"digest,omitempty"` // SHA-256 of the program, in hexadecimal, as it says itself
	SDK           string `json:"sdk"`
	ProcessID     string `json:"process_id"`               // changes with each start of the process; pairs the two connections
	Core          string `json:"core"`                     // the address that was dialled; tells a core's second address from a lost connection
	DataOnDemand  bool   `json:"data_on_demand,omitempty"` // the data connection is opened when the core asks, if it does
	Debug         bool   `json:"debug,omitempty"`          // asks to suspend deadlines, see Debugged
}

// Welcome is the core's answer: either Error, or the others.
type Welcome struct {
	Version     int       `json:"version,omitempty"`
	CoreTime    time.Time `json:"core_time"`
	HeartbeatMS int64     `json:"heartbeat_ms,omitempty"`
	Debug       bool      `json:"debug,omitempty"` // deadlines are suspended, as the Hello asked
	// DataOnDemand says that the core asks for the data connection, with DataService, of a provider that said so too.
	DataOnDemand bool     `json:"data_on_demand,omitempty"`
	Error        *Refusal `json:"error,omitempty"`
}

// Refusal says why a provider may not attach.
type Refusal struct {
	Reason  fault.Reason `json:"reason"`
	Message string       `json:"message"`
}

// writeFrame sends v as JSON behind its length, four bytes in network order.
func writeFrame(w io.Writer, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(body) > maxFrame {
		return fmt.Errorf("a frame of %d bytes is larger than %d", len(body), maxFrame)
	}
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(len(body)))
	_, err = w.Write(append(frame, body...))
	return err
}

// readFrame receives what writeFrame sent. Unknown members are ignored: minor versions add some.
func readFrame(r io.Reader, v any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxFrame {
		return fmt.Errorf("a frame of %d bytes is larger than %d", n, maxFrame)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return err
	}
	return json.Unmarshal(body, v)
}
