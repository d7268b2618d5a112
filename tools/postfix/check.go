package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"postrider/lib/base/msg"
	"postrider/lib/base/text"
	"postrider/lib/mail/mastercf"
	"postrider/lib/mail/param"
	"postrider/tools/postfix/audit"
)

func check([]string) int {
	err := checkFatal()
	checkWarn() // also when that failed: this may be why
	checkConfiguration(nil)
	if err != nil {
		msg.Log(msg.LevelFatal, "%v", err)
		return 1
	}
	return 0
}

// checkConfiguration reports what is wrong with main.cf and master.cf, other than
// what the caller is about to say. It stops nothing: services that are right can
// run.
func checkConfiguration(said error) {
	var errs param.Errors
	errors.As(said, &errs)
	for _, problem := range audit.Run(settings) {
		if !slices.ContainsFunc(errs, func(err error) bool { return err.Error() == problem.Text }) {
			msg.Warn("%s", problem)
		}
	}
}

// checkFatal does what must be right before the mail system can run.
func checkFatal() error {
	list, err := readList(listFile(), settings.Expand)
	if err != nil {
		return fmt.Errorf("the list of installed files: %w", err)
	}
	if err := createMissing(list); err != nil {
		return fmt.Errorf("unable to create missing directories: %w", err)
	}
	path := filepath.Join(param.Dir(), "master.cf")
	entries, err := mastercf.Read(path)
	if os.IsNotExist(err) {
		return fmt.Errorf("no %s file found", path)
	}
	if err != nil {
		return err
	}
	if conf.MaillogFile != "" {
		if err := checkLogService(entries); err != nil {
			return err
		}
	}
	if runCommand(postsuper()) != 0 {
		return fmt.Errorf("%s has failed", postsuper())
	}
	return nil
}

// checkLogService makes sure that a log file has somebody to write it.
func checkLogService(entries []mastercf.Entry) error {
	if err := conf.logParams.Check(conf.MaillogFile); err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name == conf.PostlogServiceName && e.Type == "unix-dgram" {
			return nil
		}
	}
	return fmt.Errorf("missing '%s' service in master.cf - run 'postfix upgrade-configuration'", conf.PostlogServiceName)
}

// createMissing makes the directories that are not there, and names each.
func createMissing(list []item) error {
	for _, i := range list {
		if i.kind != "d" || !i.has("c") {
			continue
		}
		info, err := os.Stat(i.path)
		if err == nil && !info.IsDir() {
			return fmt.Errorf("%s is not a directory", i.path)
		}
		if err == nil || !os.IsNotExist(err) {
			continue
		}
		if err := os.MkdirAll(i.path, 0o755); err != nil {
			return err
		}
		if err := i.adjust(i.path); err != nil {
			return err
		}
		msg.Info("created missing directory %s (owner %s, group %s, mode %s)", i.path, i.owner, i.group, octal(i.mode))
	}
	return nil
}

// checkWarn reports what is not as it should be, but stops nothing.
func checkWarn() {
	owner, _, err := conf.Owner()
	if err != nil {
		msg.Warn("%v", err)
		return
	}
	if list, err := readList(listFile(), settings.Expand); err == nil {
		for _, i := range list {
			i.check()
		}
	}
	for _, dir := range places() {
		checkTree(dir+"/.", 0, "root", true)
	}
	checkTree(conf.DataDirectory+"/.", owner, conf.MailOwner, true)
	for _, queue := range []string{"saved", "incoming", "active", "defer", "deferred", "bounce", "hold", "trace", "corrupt", "public", "private", "flush"} {
		checkTree(filepath.Join(conf.QueueDirectory, queue), owner, conf.MailOwner, false)
	}
	checkJail()
	filepath.WalkDir("corrupt", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			msg.Warn("damaged message: %s", path)
		}
		return nil
	})
	checkSendmail()
}

// places are the directories that all users may read and only root may write.
// Several instances share the programs; only the first one checks them.
func places() []string {
	dirs := []string{param.Dir()}
	if !isSecondary() {
		dirs = append(dirs, conf.DaemonDirectory)
	}
	return dirs
}

func isSecondary() bool {
	s, err := param.Read(param.DefaultDir)
	if err != nil || param.Dir() == param.DefaultDir {
		return false
	}
	for _, dir := range text.Split(s.Value("multi_instance_directories")) {
		if dir == param.Dir() {
			return true
		}
	}
	return false
}

// check compares one file with the list.
func (i *item) check() {
	for _, name := range i.places() {
		i.checkFile(name)
	}
}

func (i *item) checkFile(path string) {
	info, err := os.Lstat(path)
	switch {
	case os.IsNotExist(err) && (i.has("o") || i.dangles()):
		return
	case os.IsNotExist(err):
		msg.Warn("missing: %s", path)
		return
	case err != nil:
		msg.Warn("%v", err)
		return
	case i.kind == "l" || i.has("k") || info.Mode()&fs.ModeSymlink != 0:
		return
	}
	st := info.Sys().(*syscall.Stat_t)
	uid, gid, err := i.ids()
	if err != nil {
		msg.Warn("%s: %v", path, err)
		return
	}
	if uid >= 0 && int(st.Uid) != uid {
		msg.Warn("not owned by %s: %s", i.owner, path)
	}
	if gid >= 0 && int(st.Gid) != gid {
		msg.Warn("not owned by group %s: %s", i.group, path)
	}
	mode := info.Mode() & modeBits
	switch {
	case mode == i.mode:
	case i.mode&fs.ModeSetgid != 0 && i.kind == "p":
		msg.Warn("not set-gid or not owner+group+world executable: %s", path)
	case mode&^i.mode&0o022 != 0:
		msg.Warn("group or other writable: %s", path)
	default:
		msg.Warn("mode %s, should be %s: %s", octal(mode), octal(i.mode), path)
	}
}

// dangles reports whether a link would lead nowhere, so that nobody misses it.
func (i *item) dangles() bool {
	goal := i.goal
	if !filepath.IsAbs(goal) {
		goal = filepath.Join(filepath.Dir(i.path), goal)
	}
	_, err := os.Stat(goal)
	return i.kind == "l" && os.IsNotExist(err)
}

// checkTree reports files that belong to somebody else, and with modes those
// that others may change.
func checkTree(root string, uid int, name string, modes bool) {
	top := strings.TrimSuffix(root, "/.")
	walk(top, func(path string, info fs.FileInfo) {
		if path == top && !modes {
			return // the list has told it
		}
		shown := root + strings.TrimPrefix(path, top)
		if info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) != 0 && !modes {
			return
		}
		if int(info.Sys().(*syscall.Stat_t).Uid) != uid {
			msg.Warn("not owned by %s: %s", name, shown)
		}
		if !modes {
			return
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			target, _ := os.Readlink(path)
			if strings.Contains(target, "/") && shown != "/etc/postfix/./makedefs.out" { // Debian's

				msg.Warn("symlink leaves directory: %s", shown)
			}
			if info, _ = os.Stat(path); info == nil {
				return
			}
		}
		if info.Mode().Perm()&0o022 != 0 {
			msg.Warn("group or other writable: %s", shown)
		}
	})
}

// walk calls f for a directory and all that is in it.
func walk(root string, f func(path string, info fs.FileInfo)) {
	filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // somebody else has removed it, or it is missing: said elsewhere
		}
		if info, err := d.Info(); err == nil {
			f(path, info)
		}
		return nil
	})
}

// checkJail compares the copies of system files in the queue directory, which
// daemons in a chroot jail use, with the originals.
func checkJail() {
	for _, dir := range []string{"bin", "etc", "lib", "sbin", "usr"} {
		walk(dir, func(path string, info fs.FileInfo) {
			if info.Sys().(*syscall.Stat_t).Uid != 0 {
				msg.Warn("not owned by root: %s/%s", conf.QueueDirectory, path)
			}
			if info.Mode().IsRegular() && differ(path, "/"+path) {
				msg.Warn("%s/%s and /%s differ", conf.QueueDirectory, path, path)
			}
		})
	}
}

// differ reports whether both files exist and are not the same.
func differ(a, b string) bool {
	x, err := os.ReadFile(a)
	if err != nil {
		return false
	}
	y, err := os.ReadFile(b)
	return err == nil && !bytes.Equal(x, y)
}

// checkSendmail looks for the sendmail command of another mail system.
func checkSendmail() {
	const old = "/usr/lib/sendmail"
	if isSecondary() || conf.SendmailPath != "/usr/sbin/sendmail" {
		return
	}
	if differ(conf.SendmailPath, old) {
		msg.Warn("%s and %s differ", old, conf.SendmailPath)
		msg.Warn("Replace one by a symbolic link to the other")
	}
}
