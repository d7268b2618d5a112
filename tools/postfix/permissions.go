package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"postrider/lib/base/file"
	"postrider/lib/base/msg"
	"postrider/lib/mail/mastercf"
	"postrider/lib/mail/param"
)

// setPermissions gives everything its owner and mode.
func setPermissions(args []string) int {
	if !changeParameters(args) {
		return 1
	}
	list, err := readList(listFile(), settings.Expand)
	if err != nil {
		msg.Fatal("the list of installed files: %v", err)
	}
	if err := createMissing(list); err != nil {
		msg.Fatal("%v", err)
	}
	status := 0
	for _, i := range list {
		if err := i.repair(); err != nil {
			msg.Error("%v", err)
			status = 1
		}
	}
	return status
}

// changeParameters puts name=value words into main.cf, and reads it again.
func changeParameters(args []string) bool {
	if len(args) == 0 {
		return true
	}
	for _, word := range args {
		if !strings.Contains(word, "=") {
			msg.Fatal("%q is not name=value", word)
		}
	}
	postconf := filepath.Join(conf.CommandDirectory, "postconf")
	if runCommand(postconf, append([]string{"-c", param.Dir(), "-e"}, args...)...) != 0 {
		return false
	}
	conf = parameters{}
	load("set-permissions")
	return true
}

// repair sets owner and mode where they differ.
func (i *item) repair() error {
	if i.kind == "l" {
		return nil
	}
	for _, name := range i.places() {
		info, err := os.Lstat(name)
		if os.IsNotExist(err) || err == nil && info.Mode()&fs.ModeSymlink != 0 {
			continue
		}
		if err != nil {
			return err
		}
		if err := i.adjust(name); err != nil {
			return err
		}
		if i.has("r") {
			if err := i.adjustTree(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// adjust gives a file owner, group and mode of the list. Changing the owner
// clears the setgid bit, so the mode comes last. Configuration files of the
// administrator keep their modes.
func (i *item) adjust(path string) error {
	uid, gid, err := i.ids()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := os.Lchown(path, uid, gid); err != nil {
		return err
	}
	if i.has("k") {
		return nil
	}
	return os.Chmod(path, i.mode)
}

// adjustTree gives all that is below a queue directory its owner.
func (i *item) adjustTree(top string) (err error) {
	uid, _, err := i.ids()
	if err != nil {
		return err
	}
	walk(top, func(path string, info fs.FileInfo) {
		if path == top || file.Owner(info) == uid {
			return
		}
		if e := os.Lchown(path, uid, -1); e != nil && !os.IsNotExist(e) && err == nil {
			err = e
		}
	})
	return err
}

// upgradeConfiguration adds to master.cf what this release needs.
func upgradeConfiguration(args []string) int {
	if !changeParameters(args) {
		return 1
	}
	list, err := readList(listFile(), settings.Expand)
	if err == nil {
		err = createMissing(list)
	}
	if err == nil {
		err = addServices(filepath.Join(param.Dir(), "master.cf"), filepath.Join(conf.DaemonDirectory, "master.cf"))
	}
	if err != nil {
		msg.Error("%v", err)
		return 1
	}
	return 0
}

// addServices copies the local services that are missing in path from the
// file that the release brings. What listens on the network is the business of
// the administrator.
func addServices(path, release string) error {
	present, err := mastercf.Read(path)
	if err != nil {
		return err
	}
	wanted, err := mastercf.Read(release)
	if err != nil {
		return err
	}
	has := map[string]bool{}
	for i := range present {
		has[present[i].ID()] = true
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	added := 0
	for i := range wanted {
		e := &wanted[i]
		if e.Type == "inet" || has[e.ID()] {
			continue
		}
		line := strings.Join(append(e.Fields[:], e.RawArgs...), "\t")
		text = append(text, line+"\n"...)
		fmt.Printf("Editing %s, adding missing entry for %s\n", path, entryTitle(e))
		added++
	}
	if added == 0 {
		return nil
	}
	return file.Replace(path, 0o644, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// entryTitle is what people call an entry of master.cf.
func entryTitle(e *mastercf.Entry) string {
	if e.Type == "unix-dgram" {
		return e.Name + " unix-domain datagram service"
	}
	return e.Name + " service"
}
