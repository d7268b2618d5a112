package server

import (
	"path/filepath"
	"strings"
	"syscall"

	"postrider/lib/base/asuser"
	"postrider/lib/base/msg"
	"postrider/lib/base/table"
)

// OpenCache opens a table of which the daemon is the one writer, as type:name from the
// parameter named, or ends the process. It is called before the process gives up its
// rights; a file that is made belongs to the owner of the mail system all the same.
func (p *Params) OpenCache(parameter, spec string) table.Updater {
	t, err := p.openOwned(p.owned(parameter, spec))
	if err != nil {
		msg.Fatal("parameter %s: %v", parameter, err)
	}
	updater, ok := t.(table.Updater)
	if !ok {
		msg.Fatal("parameter %s: a table of the type of %s cannot be changed", parameter, spec)
	}
	return updater
}

func (p *Params) openOwned(spec string) (t table.Table, err error) {
	open := func() error {
		t, err = table.Open(spec, table.Writable)
		return err
	}
	uid, gid, unknown := p.Owner()
	if unknown != nil || !asuser.Possible() {
		err = open()
		return t, err
	}
	err = asuser.Do(asuser.User{UID: uid, GID: gid}, open)
	return t, err
}

// owned keeps the file of a cache in a directory of the mail system's owner: who owns
// the directory may put a link in the place of the file. A file that would be elsewhere
// is made in $data_directory.
func (p *Params) owned(parameter, spec string) string {
	kind, name, err := table.Split(spec)
	if err != nil || !filepath.IsAbs(name) || strings.HasPrefix(name, p.DataDirectory+"/") {
		return spec
	}
	uid, _, err := p.Owner()
	var dir syscall.Stat_t
	if err != nil || syscall.Stat(filepath.Dir(name), &dir) == nil && int(dir.Uid) == uid {
		return spec
	}
	moved := kind + ":" + filepath.Join(p.DataDirectory, filepath.Base(name))
	msg.Warn("parameter %s: the directory of %s does not belong to %s: using %s", parameter, name, p.MailOwner, moved)
	return moved
}
