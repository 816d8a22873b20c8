// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Record is what `lab up` leaves for `lab status` and `lab verify`, in lab.json.
type Record struct {
	Complete bool       `json:"complete"` // every step was done
	URL      string     `json:"url"`
	Steps    []StepTime `json:"steps"`
	Promises []Promise  `json:"promises"`
}

// Promise is what the create response of an instance said, before the instance was there. The proof holds the guests
// against it.
type Promise struct {
	Project   string   `json:"project"`
	Name      string   `json:"name"`
	ID        string   `json:"id"`
	Host      string   `json:"host"` // name
	MAC       string   `json:"mac"`
	Addresses []string `json:"addresses"` // v4 first
	DNSName   string   `json:"dns_name"`
}

const recordFile = "lab.json"

// readRecord returns the zero Record if there is none.
func readRecord(dir string) (r Record, err error) {
	text, err := os.ReadFile(filepath.Join(dir, recordFile))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	return r, err
}

func (r Record) write(dir string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	tmp := filepath.Join(dir, recordFile+".new")
	if err := os.WriteFile(tmp, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(dir, recordFile))
}

// promise returns what was promised of an instance.
func (r Record) promise(project, name string) (Promise, bool) {
	for _, p := range r.Promises {
		if p.Project == project && p.Name == name {
			return p, true
		}
	}
	return Promise{}, false
}
