// Package reindex helps a configuration that comes from a machine with Berkeley DB:
// the table types hash and btree are redirected to others, and nbdb_reindexd(8)
// makes files that are missing.
package reindex

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/mail/param"
	"postrider/lib/service/ipc"
)

// Params say how far a migration has come.
type Params struct {
	// How far the way from Berkeley DB to other types of tables was gone;
	// "postfix non-bdb" sets it. With disable, hash and btree tables are read
	// as they are, and written as cdb. With enable-redirect they mean
	// $default_database_type and $default_cache_db_type. With enable-reindex
	// nbdb_reindexd(8) makes files that are missing, too.
	Level string `param:"non_bdb_migration_level" default:"disable"`

	// Tables that say for a hash: or btree: table which type it means; asked
	// with type:name, then with the type.
	CustomMapping string `param:"non_bdb_custom_mapping" default:""`

	// Whether each table that is redirected is logged.
	LogRedirect bool `param:"non_bdb_migration_log_redirect" default:"yes"`

	// The directories in which nbdb_reindexd(8) makes files that root owns.
	AllowRootPrefixes string `param:"non_bdb_migration_allow_root_prefixes" default:"/etc /usr/local/etc"`

	// The directories in which nbdb_reindexd(8) makes files of other users.
	AllowUserPrefixes string `param:"non_bdb_migration_allow_user_prefixes" default:"$data_directory /var/lib/mailman /var/lib/mailman3"`

	// The name of the service in master.cf.
	ServiceName string `param:"non_bdb_migration_service_name" default:"nbdb_reindex"`
}

// Levels are the values of the level, in order.
var Levels = []string{"disable", "enable-redirect", "enable-reindex"}

// Surround redirects tables as main.cf says. A daemon asks for files that are
// missing.
func Surround(s *param.Settings, e *table.Environment, daemon bool) {
	level := s.Value("non_bdb_migration_level")
	switch {
	case !slices.Contains(Levels, level):
		msg.Fatal("bad value %q of non_bdb_migration_level: need disable, enable-redirect or enable-reindex", level)
	case level == "disable":
		return
	}
	e.Redirect = Redirector(s)
	if daemon && level == "enable-reindex" {
		service := "private/" + s.Value("non_bdb_migration_service_name")
		e.Reindex = func(kind, name string) error { return Ask(service, kind, name) }
	}
}

// Redirector returns what says which type a table means.
func Redirector(s *param.Settings) func(kind, name string) string {
	defaults := map[string]string{"hash": s.Value("default_database_type"), "btree": s.Value("default_cache_db_type")}
	custom, verbose := mapping{text: s.Value("non_bdb_custom_mapping")}, s.Value("non_bdb_migration_log_redirect") != "no"
	return func(kind, name string) string {
		other, old := defaults[kind]
		if !old {
			return ""
		}
		if found := custom.find(kind, name); found != "" {
			other = found
		}
		if _, loop := defaults[other]; loop {
			msg.Warn("not redirecting %s:%s to type %s", kind, name, other)
			return ""
		}
		if verbose {
			msg.Info("redirecting %s:%s to %s:%s", kind, name, other, name)
		}
		return other
	}
}

// A mapping is the tables of non_bdb_custom_mapping, which are opened when they
// are needed.
type mapping struct {
	text string
	once sync.Once
	list *table.List
}

func (m *mapping) find(kind, name string) string {
	if m.text == "" {
		return ""
	}
	m.once.Do(func() {
		var err error
		if m.list, err = table.OpenList(m.text, table.NoProxy); err != nil {
			msg.Fatal("parameter non_bdb_custom_mapping: %v", err)
		}
	})
	for _, key := range []string{kind + ":" + name, kind} {
		value, found, err := m.list.Lookup(key)
		if err != nil {
			msg.Fatal("parameter non_bdb_custom_mapping: %v", err)
		}
		if found {
			return value
		}
	}
	return ""
}

// Protocol is what the server announces.
const Protocol = "nbdb_reindex_protocol"

// A Request asks for the file that takes the place of a Berkeley DB file.
type Request struct {
	Kind string `attr:"type"` // hash or btree
	Name string `attr:"name"`
}

// A Reply says whether there is one now.
type Reply struct {
	Status int    `attr:"status"` // 0: there is
	Reason string `attr:"reason"`
}

// patience is how long making a file may take.
const patience = 10 * time.Minute

// Ask asks the service.
func Ask(service, kind, name string) error {
	s, err := ipc.Dial(service, patience)
	if err != nil {
		return fmt.Errorf("service %s: %w", service, err)
	}
	defer s.Close()
	var reply Reply
	if err = ipc.Expect(s, Protocol); err == nil {
		if err = attr.Write(s, Request{kind, name}); err == nil {
			err = attr.Read(s, &reply)
		}
	}
	switch {
	case err != nil:
		return fmt.Errorf("service %s: %w", service, err)
	case reply.Status != 0:
		return errors.New(reply.Reason)
	}
	return nil
}
