// Table-sqlite looks things up in SQLite databases, for the table type sqlite: see
// sqlite_table(5). It is started by a program of the mail system that opens such a
// table, one for each process, and ends with it.
//
// # SECURITY
//
// A key comes from strangers: it is put into the query as a text with its quotes
// doubled. The database is opened for reading only. The program runs as the mail
// system's account, which must be able to read the file.
//
// # DIAGNOSTICS
//
// Trouble is told to the process that asked, which logs it. The mail waits.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	_ "modernc.org/sqlite"

	"postrider/lib/base/table"
	"postrider/lib/base/table/database"
	program "postrider/lib/base/table/driver"
	"postrider/lib/base/table/settings"
)

func main() { program.Serve(open) }

// limit is how long a query may take.
const limit = 60 * time.Second

// A file is an open table.
type file struct {
	*database.Query
	path string
	db   *sql.DB
	id   [2]uint64 // device and inode of the file that db has open
}

func open(s *settings.Settings) (table.Table, error) {
	f := &file{Query: database.NewQuery(s), path: s.Needed("dbpath")}
	unknown, err := s.Finish()
	for _, name := range unknown {
		program.Warn("%s: unknown parameter: %s", s.Table, name)
	}
	if err != nil {
		return nil, err
	}
	return f, f.ready()
}

// ready opens the file, again when another one has its name.
func (f *file) ready() error {
	info, err := os.Stat(f.path)
	if err != nil {
		return fmt.Errorf("open dbpath: %w", err)
	}
	st := info.Sys().(*syscall.Stat_t)
	id := [2]uint64{uint64(st.Dev), st.Ino}
	if f.db != nil && id == f.id {
		return nil
	}
	if f.db != nil {
		f.db.Close()
	}
	// Whoever writes to the database may hold a lock for a moment.
	name := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: f.path}).EscapedPath(), RawQuery: "mode=ro&_pragma=busy_timeout(5000)&_pragma=query_only(1)"}).String()
	if f.db, err = sql.Open("sqlite", name); err != nil {
		return err
	}
	f.db.SetMaxOpenConns(1)
	f.id = id
	return nil
}

// quote makes a text harmless between single quotes.
func quote(s string) string { return strings.ReplaceAll(s, "'", "''") }

// Lookup asks the database.
func (f *file) Lookup(key string) (value string, found bool, err error) {
	query, ok, err := f.For(key, quote)
	if !ok {
		return "", false, err
	}
	if err := f.ready(); err != nil {
		return "", false, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	rows, err := f.db.QueryContext(ctx, query)
	if err != nil {
		return "", false, err
	}
	defer rows.Close()
	answer := f.Answer(key)
	if err := each(rows, answer.Add); err != nil {
		return "", false, err
	}
	value, found = answer.Result()
	return value, found, nil
}

// each calls add with the first value of each row. NULL is the empty text.
func each(rows *sql.Rows, add func(string) error) error {
	names, err := rows.Columns()
	if err != nil || len(names) == 0 {
		return err
	}
	values, places := make([]sql.NullString, len(names)), make([]any, len(names))
	for i := range values {
		places[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(places...); err != nil {
			return err
		}
		if err := add(values[0].String); err != nil {
			return err
		}
	}
	return rows.Err()
}
