// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// wanted are the modules that the guest loads: NIC, disk, console, seed, the disk's file system, the power button, entropy.
var wanted = []string{
	"virtio_pci", "virtio_net", "virtio_blk", "virtio_rng", "isofs", "vfat", "nls_cp437", "nls_ascii", "button", "evdev",
}

// module is one kernel module: its name, with underscores, and its content.
type module struct {
	name    string
	content []byte
}

// loadOrder returns the wanted modules with all that they depend on, each after what it needs. What the kernel has built
// in is left out.
func loadOrder(tree kernelTree) ([]module, error) {
	files, err := moduleFiles(tree.modules)
	if err != nil {
		return nil, err
	}
	builtin, err := os.ReadFile(filepath.Join(tree.modules, "modules.builtin"))
	if err != nil {
		return nil, fmt.Errorf("guest images: %w", err)
	}
	l := moduleLoader{files: files, builtin: string(builtin), done: map[string]bool{}}
	for _, name := range wanted {
		if err := l.add(name); err != nil {
			return nil, err
		}
	}
	return l.order, nil
}

type moduleLoader struct {
	files   map[string]string // by module name
	builtin string
	done    map[string]bool
	order   []module
}

func (l *moduleLoader) add(name string) error {
	if l.done[name] {
		return nil
	}
	l.done[name] = true
	path, ok := l.files[name]
	if !ok {
		if strings.Contains(l.builtin, "/"+name+".ko") || strings.Contains(l.builtin, "/"+strings.ReplaceAll(name, "_", "-")+".ko") {
			return nil
		}
		return fmt.Errorf("guest images: the kernel has no module %s", name)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("guest images: %w", err)
	}
	needs, err := dependencies(content)
	if err != nil {
		return fmt.Errorf("guest images: %s: %w", path, err)
	}
	for _, need := range needs {
		if err := l.add(need); err != nil {
			return err
		}
	}
	l.order = append(l.order, module{name: name, content: content})
	return nil
}

// moduleFiles finds every module below dir.
func moduleFiles(dir string) (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if name, ok := strings.CutSuffix(filepath.Base(path), ".ko"); ok && err == nil && !entry.IsDir() {
			files[strings.ReplaceAll(name, "-", "_")] = path
		}
		return err
	})
	return files, err
}

// dependencies reads the names that a module's .modinfo section lists, so that no depmod is needed.
func dependencies(content []byte) ([]string, error) {
	object, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	section := object.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("no .modinfo")
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	for _, entry := range strings.Split(string(info), "\x00") {
		if list, ok := strings.CutPrefix(entry, "depends="); ok && list != "" {
			return strings.Split(strings.ReplaceAll(list, "-", "_"), ","), nil
		}
	}
	return nil, nil
}
