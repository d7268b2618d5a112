package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/text"
	"postrider/lib/mail/mastercf"
	"postrider/lib/mail/param"
	"postrider/lib/service/reindex"
	"postrider/lib/service/reindex/maker"
)

const nonBdbUsage = "usage: postfix non-bdb status (or disable, enable-redirect, enable-reindex)"

// nonBdb shows or sets how far a configuration with tables of Berkeley DB has come on
// its way to other types.
func nonBdb(args []string) int {
	if len(args) != 1 {
		msg.Error("%s", nonBdbUsage)
		return 1
	}
	switch level := args[0]; {
	case level == "status":
		fmt.Println(conf.Reindex.Level)
		return 0
	case !slices.Contains(reindex.Levels, level):
		msg.Error("unknown non-bdb command: '%s'. %s", level, nonBdbUsage)
		return 1
	default:
		return setMigration(level)
	}
}

// setMigration changes main.cf and master.cf, unless new tables would be of Berkeley
// DB again.
func setMigration(level string) int {
	if level != "disable" {
		if name := stillBerkeley(settings.Value); name != "" {
			msg.Error("%s = %s: set another type first, such as cdb or lmdb; nothing was changed", name, settings.Value(name))
			return 1
		}
	}
	if level != "enable-reindex" {
		if status := removeService(); status != 0 {
			return status
		}
	} else if status := addService(); status != 0 {
		return status
	}
	edit := []string{"-e", "non_bdb_migration_level=" + level}
	if level == "disable" {
		edit = []string{"-X", "non_bdb_migration_level"}
	}
	if _, set := settings.Get("non_bdb_migration_level"); set || level != "disable" {
		if status := postconf(edit...); status != 0 {
			return status
		}
	}
	if level == "enable-reindex" {
		makeForCommands()
	}
	if conf.Reindex.Level != level {
		msg.Info("non_bdb_migration_level is %s now; \"postfix reload\" makes running daemons follow", level)
	}
	return 0
}

func postconf(args ...string) int {
	return runCommand(filepath.Join(conf.CommandDirectory, "postconf"), append([]string{"-c", param.Dir()}, args...)...)
}

// addService adds the service that makes files, or puts it in the place of one with
// its name.
func addService() int {
	name := conf.Reindex.ServiceName
	return postconf("-M", name+"/unix="+name+" unix - n n - 1 nbdb_reindexd")
}

// removeService removes it, when it is there.
func removeService() int {
	name := conf.Reindex.ServiceName
	entries, err := mastercf.Read(filepath.Join(param.Dir(), "master.cf"))
	if err != nil {
		msg.Error("%v", err)
		return 1
	}
	if slices.ContainsFunc(entries, func(e mastercf.Entry) bool { return e.Name == name && e.Type == "unix" }) {
		return postconf("-MX", name+"/unix")
	}
	return 0
}

// stillBerkeley names the parameter that has a type of Berkeley DB; "" when none has.
func stillBerkeley(value func(name string) string) string {
	for _, name := range []string{"default_database_type", "default_cache_db_type"} {
		if kind := strings.TrimSpace(value(name)); kind == "hash" || kind == "btree" {
			return name
		}
	}
	return ""
}

// ofCommands are the parameters whose tables are opened by commands of users, who
// cannot ask the service.
var ofCommands = []string{"authorized_flush_users", "authorized_mailq_users", "authorized_submit_users", "local_login_sender_maps"}

// makeForCommands makes the files of their tables. Trouble is logged.
func makeForCommands() {
	maker := &maker.Maker{Params: conf.Reindex, Commands: conf.CommandDirectory, Redirect: reindex.Redirector(settings)}
	for _, name := range ofCommands {
		for _, item := range text.SplitBraces(settings.Value(name)) {
			kind, path, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(item, "!"), "proxy:"), ":")
			if kind != "hash" && kind != "btree" {
				continue
			}
			if err := maker.Make(kind, path); err != nil {
				msg.Warn("parameter %s: %v", name, err)
			}
		}
	}
}
