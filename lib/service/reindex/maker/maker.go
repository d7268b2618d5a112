// Package maker makes the files that take the place of Berkeley DB files: for
// nbdb_reindexd(8), and for "postfix non-bdb".
package maker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"postrider/lib/base/file"
	"postrider/lib/base/msg"
	"postrider/lib/base/table/hash"
	"postrider/lib/base/text"
	"postrider/lib/service/reindex"
)

// A Maker makes the files that take the place of Berkeley DB files, when nobody can
// use that to become somebody else.
type Maker struct {
	reindex.Params
	Commands string // the directory of postmap(1) and postalias(1)
	Redirect func(kind, name string) string
}

// suffixes are those of the files that can be made.
var suffixes = map[string]string{"cdb": ".cdb", "lmdb": ".lmdb"}

// Make makes the file for hash:name or btree:name, unless it is there.
func (m *Maker) Make(kind, name string) error {
	if kind != "hash" && kind != "btree" {
		return fmt.Errorf("bad type %q: need hash or btree", kind)
	}
	if !filepath.IsAbs(name) || filepath.Clean(name) != name || msg.Printable(name) != name {
		return fmt.Errorf("bad pathname %q", name)
	}
	other := m.Redirect(kind, name)
	suffix, known := suffixes[other]
	if !known {
		return fmt.Errorf("%s:%s: tables of type %q have no file that could be made", kind, name, other)
	}
	if _, err := os.Stat(name + suffix); err == nil {
		return nil
	}
	what := "postmap"
	if hash.IsAliases(name) {
		what = "postalias"
	}
	command := what + " " + other + ":" + name
	uid, gid, err := m.check(name)
	if err == nil {
		err = m.run(what, other+":"+name, uid, gid)
	}
	if err != nil {
		return fmt.Errorf("could not execute command '%s': %w; alternatively, execute the failed command by hand", command, err)
	}
	msg.Info("successfully executed '%s' as uid %d", command, uid)
	return nil
}

// check says as whom the file is made: the owner of the old one. Source and
// directory must be his or root's, and nobody else's to write.
func (m *Maker) check(name string) (uid, gid int, err error) {
	old, err := regular(name + hash.Suffix)
	if err != nil {
		return 0, 0, err
	}
	uid, gid = file.Owner(old), file.Group(old)
	source, err := regular(name)
	if err != nil {
		return 0, 0, err
	}
	place, err := filepath.EvalSymlinks(filepath.Dir(name))
	if err != nil {
		return 0, 0, err
	}
	dir, err := os.Stat(place)
	if err != nil {
		return 0, 0, err
	}
	for what, info := range map[string]fs.FileInfo{"source file '" + name + "'": source, "parent directory '" + place + "'": dir} {
		if owner := file.Owner(info); owner != 0 && owner != uid || info.Mode().Perm()&0o022 != 0 {
			return 0, 0, fmt.Errorf("legacy indexed file '%s' is owned by uid '%d', but %s is owned or writable by other user; "+
				"to allow automatic indexing, correct the ownership or permissions", name+hash.Suffix, uid, what)
		}
	}
	list, param, who := m.AllowUserPrefixes, "non_bdb_migration_allow_user_prefixes", "a user"
	if uid == 0 {
		list, param, who = m.AllowRootPrefixes, "non_bdb_migration_allow_root_prefixes", "root"
	}
	if !below(place, text.Split(list)) {
		return 0, 0, fmt.Errorf("table %s has an unexpected pathname; to allow automatic indexing as %s, append its parent directory "+
			"to the %s setting (current setting is: \"%s\")", name, who, param, list)
	}
	return uid, gid, nil
}

// regular looks at a file that must be none of another kind.
func regular(name string) (fs.FileInfo, error) {
	info, err := os.Lstat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", name)
	}
	return info, err
}

// below says whether a directory is one of others, or in one.
func below(dir string, others []string) bool {
	for _, other := range others {
		other = filepath.Clean(other)
		if resolved, err := filepath.EvalSymlinks(other); err == nil {
			other = resolved
		}
		if dir == other || strings.HasPrefix(dir, strings.TrimSuffix(other, "/")+"/") {
			return true
		}
	}
	return false
}

// patience is how long making a file may take.
const patience = 10 * time.Minute

// run runs a command as a user and group, without others.
func (m *Maker) run(command, spec string, uid, gid int) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(m.Commands, command), spec)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "TZ=" + os.Getenv("TZ")}
	if dir := os.Getenv("MAIL_CONFIG"); dir != "" {
		cmd.Env = append(cmd.Env, "MAIL_CONFIG="+dir)
	}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("%s: %v", strings.ReplaceAll(strings.TrimSpace(string(out)), "\n", "; "), err)
	}
	return err
}
