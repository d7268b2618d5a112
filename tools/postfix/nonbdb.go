package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/mail/param"
)

const nonBdbUsage = "usage: postfix non-bdb status (or disable, enable-redirect, enable-reindex)"

// migrationLevels are the values of non_bdb_migration_level, which are sub-commands
// of "postfix non-bdb" too.
var migrationLevels = []string{"disable", "enable-redirect", "enable-reindex"}

// nonBdb shows or sets how far a configuration with tables of Berkeley DB has come on
// its way to other types. Here such tables need no help: hash: and btree: mean
// NAME.db as long as there is nothing younger, and are written as NAME.cdb.
func nonBdb(args []string) int {
	if len(args) != 1 {
		msg.Error("%s", nonBdbUsage)
		return 1
	}
	switch level := args[0]; {
	case level == "status":
		fmt.Printf("non_bdb_migration_level = %s\n", conf.NonBdbMigrationLevel)
		return 0
	case !slices.Contains(migrationLevels, level):
		msg.Error("unknown non-bdb command: '%s'. %s", level, nonBdbUsage)
		return 1
	default:
		return setMigration(level)
	}
}

// setMigration changes the parameter, unless new tables would be of Berkeley DB again.
func setMigration(level string) int {
	if level != "disable" {
		if name := stillBerkeley(settings.Value); name != "" {
			msg.Error("%s = %s: set another type first, such as cdb or lmdb; nothing was changed", name, settings.Value(name))
			return 1
		}
	}
	if conf.NonBdbMigrationLevel == level {
		msg.Info("non_bdb_migration_level is %s already", level)
		return 0
	}
	return runCommand(filepath.Join(conf.CommandDirectory, "postconf"), "-c", param.Dir(), "-e", "non_bdb_migration_level="+level)
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
