// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Each network has a dnsmasq process of its own, an instance in OpenWrt's words. The owner's usual instance listens on
// every address of the router, so that ours could not start; but it reads a directory of further settings, and what we
// put there tells it to leave our devices alone.
const dropIn = "rhyzome.conf"

func instanceName(handle string) string { return partName(handle, "dns") }

// keepOwnersResolverOff writes the drop-in for every instance that is not ours, and starts them again if it was not there:
// a reload leaves a process alone whose own configuration is the same. With the last network the drop-in goes.
func (r *router) keepOwnersResolverOff(ctx context.Context) error {
	changed, err := r.writeDropIns()
	if err != nil || !changed {
		return configFault(err)
	}
	r.log.Info("the owner's resolver starts again, to leave our networks to theirs")
	_, err = r.run.Run(ctx, dnsmasqTimeout, dnsmasqScript, "restart")
	return err
}

// writeDropIns reports whether it changed what an instance reads. The directories of the instances are lost when the
// router restarts: init/rhyzome-resolver then fills them, before dnsmasq starts, from the copy in our own.
func (r *router) writeDropIns() (changed bool, err error) {
	f, err := r.load()
	if err != nil {
		return false, err
	}
	content := ""
	if len(f.networks()) > 0 {
		content = r.exceptions(f)
	}
	if _, err := dropInto(r.state, content); err != nil {
		return false, err
	}
	dirs, err := r.ownersConfDirs()
	if err != nil {
		return false, err
	}
	for _, dir := range dirs {
		wrote, err := dropInto(dir, content)
		if err != nil {
			return changed, err
		}
		changed = changed || wrote
	}
	return changed, nil
}

// dropInto writes the drop-in, or removes it if it is to be empty. It reports whether it wrote.
func dropInto(dir, content string) (wrote bool, err error) {
	path := filepath.Join(dir, dropIn)
	if content == "" {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		return false, nil
	}
	if old, err := os.ReadFile(path); err == nil && string(old) == content {
		return false, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return false, err
	}
	return true, replaceFile(path, content, 0o644)
}

// exceptions names our devices: those that the fabrics' modes name alike by pattern, so that a new network changes
// nothing here, and others one by one.
func (r *router) exceptions(f *files) string {
	patterns := []string{"rzw_*", "rz-*"}
	for _, fabric := range r.Fabrics {
		if fabric.Mode == modeVLANBridge {
			patterns = append(patterns, fabric.Bridge+".*")
		}
	}
	for _, s := range f.network.Sections() {
		device := s.Get("device")
		covered := slices.ContainsFunc(patterns, func(p string) bool {
			start, wild := strings.CutSuffix(p, "*")
			return p == device || wild && strings.HasPrefix(device, start)
		})
		if s.Type == "interface" && device != "" && !covered {
			patterns = append(patterns, device)
		}
	}
	slices.Sort(patterns)
	var b strings.Builder
	b.WriteString("# rhyzome: these networks have resolvers of their own\n")
	for _, p := range slices.Compact(patterns) {
		fmt.Fprintf(&b, "except-interface=%s\n", p)
	}
	return b.String()
}

// ownersConfDirs returns the directories that the instances read which are not ours. Their names stand only in what the
// init script rendered.
func (r *router) ownersConfDirs() ([]string, error) {
	rendered, err := filepath.Glob(filepath.Join(r.varEtc, "dnsmasq.conf.*"))
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, path := range rendered {
		name := strings.TrimPrefix(filepath.Base(path), "dnsmasq.conf.")
		if owned(name) || strings.Contains(name, ".") { // ours, or one that is being written
			continue
		}
		dir, err := confDir(path)
		if err != nil {
			return nil, err
		}
		if dir != "" {
			dirs = append(dirs, filepath.Join(r.root, dir))
		}
	}
	return dirs, nil
}

func confDir(path string) (dir string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "conf-dir="); ok {
			dir, _, _ = strings.Cut(value, ",")
		}
	}
	return dir, lines.Err()
}

// Files of one network's instance. The init script never removes them.
func (r *router) leaseFile(handle string) string {
	return filepath.Join(r.tmp, "dhcp.leases."+lanName(handle))
}

func (r *router) removeResolverFiles(handle string) error {
	instance := instanceName(handle)
	var all error
	for _, path := range []string{
		r.leaseFile(handle),
		filepath.Join(r.varEtc, "dnsmasq.conf."+instance),
		filepath.Join(r.tmp, "hosts", "dhcp."+instance), // or the owner's resolver would go on answering these names
		filepath.Join(r.tmp, "dnsmasq."+instance+".d"),
	} {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTEMPTY) {
			all = errors.Join(all, err)
		}
	}
	return all
}

// forgetLeases takes addresses out of a network's lease file, so that their next holder can have them at once, and
// their old name is gone. The running dnsmasq keeps what it knows, in a file that is replaced; the one that the init
// script starts next reads this.
func (r *router) forgetLeases(l leases) error {
	path := r.leaseFile(l.Handle)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var kept strings.Builder
	for line := range strings.Lines(string(text)) {
		if !leaseOf(line, l.Addresses) {
			kept.WriteString(line)
		}
	}
	if kept.String() == string(text) {
		return nil
	}
	return replaceFile(path, kept.String(), 0o644)
}

// leaseOf tells whether a line is a lease of one of the addresses: EXPIRY MAC-OR-IAID ADDRESS NAME CLIENT.
func leaseOf(line string, addresses []netip.Addr) bool {
	fields := strings.Fields(line)
	if len(fields) < 3 {
		return false
	}
	addr, err := netip.ParseAddr(fields[2])
	return err == nil && slices.Contains(addresses, addr)
}

// replaceFile puts content in a file's place. The new file has the old one's owner and mode, or mode if there was none.
func replaceFile(path, content string, mode fs.FileMode) error {
	temp, err := os.CreateTemp(filepath.Dir(path), ".rhyzome-*")
	if err != nil {
		return err
	}
	_, err = temp.WriteString(content)
	uid, gid := -1, -1
	if info, statErr := os.Stat(path); statErr == nil {
		mode = info.Mode().Perm()
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			uid, gid = int(st.Uid), int(st.Gid)
		}
	}
	err = errors.Join(err, temp.Chmod(mode), temp.Chown(uid, gid), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}
