// Table-pgsql looks things up in PostgreSQL databases, for the table type pgsql: see
// pgsql_table(5). It is started by a program of the mail system that opens such a
// table, one for each process, and ends with it.
//
// # SECURITY
//
// A key comes from strangers: it is put into the query as a text that has lost its
// power, in the way that the server's mode wants. Character sets in which this
// cannot be done are refused. The program runs as the mail system's account; it
// gets the parameters, and so the password, from the process that started it.
//
// # DIAGNOSTICS
//
// Trouble is told to the process that asked, which logs it. The mail waits.
package main

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"postrider/lib/base/table"
	"postrider/lib/base/table/database"
	program "postrider/lib/base/table/driver"
	"postrider/lib/base/table/settings"
)

func main() { program.Serve(open) }

// limit is how long connecting and a query may take.
const limit = 60 * time.Second

// A databaseTable is an open table.
type databaseTable struct {
	*database.Query
	servers                          *database.Servers[*connection]
	user, password, name, characters string
}

func open(s *settings.Settings) (table.Table, error) {
	t := &databaseTable{Query: database.NewQuery(s)}
	t.servers = database.NewServers(s, t.dial)
	t.user, t.password, t.name = s.Text("user", ""), s.Text("password", ""), s.Text("dbname", "")
	t.characters = s.Text("encoding", "UTF8")
	if unsafeEncodings[strings.ToUpper(t.characters)] {
		s.Bad("encoding %q is not supported: a key could break out of the query; use UTF8", t.characters)
	}
	if t.name == "" && !strings.Contains(s.Values["hosts"], "://") {
		s.Bad("need a value of dbname")
	}
	unknown, err := s.Finish()
	for _, name := range unknown {
		program.Warn("%s: unknown parameter: %s", s.Table, name)
	}
	return t, err
}

// unsafeEncodings are those of clients in which a character may end with a byte that
// is a quote or a backslash.
var unsafeEncodings = map[string]bool{"BIG5": true, "GB18030": true, "GBK": true, "JOHAB": true, "SJIS": true, "SHIFT_JIS_2004": true, "UHC": true}

// A connection is one to a server.
type connection struct {
	*pgconn.PgConn
}

func (c *connection) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return c.PgConn.Close(ctx)
}

// config returns how to reach a server.
func (t *databaseTable) config(h database.Host) (*pgconn.Config, error) {
	if strings.HasPrefix(h.Address, "postgresql://") || strings.HasPrefix(h.Address, "postgres://") {
		c, err := pgconn.ParseConfig(h.Address)
		if err != nil {
			return nil, err
		}
		if c.User == "" || t.user != "" && !strings.Contains(h.Address, "@") {
			c.User, c.Password = t.user, t.password
		}
		if c.Database == "" {
			c.Database = t.name
		}
		return c, nil
	}
	host, port := h.Address, "5432"
	if h.Unix {
		// The socket itself, or the directory that it is in.
		if base := filepath.Base(host); strings.HasPrefix(base, ".s.PGSQL.") {
			host, port = filepath.Dir(host), strings.TrimPrefix(base, ".s.PGSQL.")
		}
	} else if name, number, err := net.SplitHostPort(h.Address); err == nil {
		host, port = name, number
	}
	return pgconn.ParseConfig(fmt.Sprintf("host=%s port=%s user=%s password=%s dbname=%s",
		value(strings.Trim(host, "[]")), value(port), value(t.user), value(t.password), value(t.name)))
}

// value is a value of a connection string.
func value(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

func (t *databaseTable) dial(h database.Host) (*connection, error) {
	c, err := t.config(h)
	if err != nil {
		return nil, err
	}
	c.RuntimeParams["client_encoding"] = t.characters
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "postfix"
	}
	c.ConnectTimeout = 10 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	conn, err := pgconn.ConnectConfig(ctx, c)
	if err != nil {
		return nil, err
	}
	return &connection{conn}, nil
}

// quote returns what makes a text harmless between single quotes, in the mode of
// the server.
func (c *connection) quote() func(string) string {
	double := strings.NewReplacer(`'`, `''`)
	if c.ParameterStatus("standard_conforming_strings") != "on" {
		double = strings.NewReplacer(`'`, `''`, `\`, `\\`)
	}
	return func(s string) string { return double.Replace(s) }
}

// Lookup asks a server.
func (t *databaseTable) Lookup(key string) (value string, found bool, err error) {
	if _, ok, err := t.For(key, strings.ToLower); !ok {
		return "", false, err
	}
	err = t.servers.Do(func(c *connection) error {
		query, _, err := t.For(key, c.quote())
		if err != nil {
			return err
		}
		answer := t.Answer(key)
		if err := c.ask(query, answer.Add); err != nil {
			return err
		}
		value, found = answer.Result()
		return nil
	})
	return value, found, err
}

// ask sends a query, and calls each with all values of the answer, row by row.
func (c *connection) ask(query string, each func(string) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	results, err := c.Exec(ctx, query).ReadAll()
	if err != nil {
		return err
	}
	if len(results) == 0 {
		return nil
	}
	for _, row := range results[len(results)-1].Rows {
		for _, v := range row {
			if err := each(string(v)); err != nil {
				return database.Refused{Err: err}
			}
		}
	}
	return nil
}
