// Table-mysql looks things up in MySQL and MariaDB databases, for the table type
// mysql: see mysql_table(5). It is started by a program of the mail system that
// opens such a table, one for each process, and ends with it.
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
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"postrider/lib/base/table"
	"postrider/lib/base/table/database"
	program "postrider/lib/base/table/driver"
	"postrider/lib/base/table/settings"
)

func main() { program.Serve(open) }

// limit is how long connecting and a query may take.
const limit = 60 * time.Second

// sockets are where the socket of a server on this machine may be.
var sockets = []string{"/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock"}

// A database is an open table.
type databaseTable struct {
	*database.Query
	servers *database.Servers[*connection]
	config  *mysql.Config
	// needResult makes a query without a result set an error.
	needResult bool
}

func open(s *settings.Settings) (table.Table, error) {
	t := &databaseTable{Query: database.NewQuery(s), config: mysql.NewConfig()}
	t.servers = database.NewServers(s, t.dial)
	t.needResult = s.Bool("require_result_set", true)
	c := t.config
	c.User, c.Passwd, c.DBName = s.Text("user", ""), s.Text("password", ""), s.Text("dbname", "")
	if err := optionFile(c, s.Text("option_file", ""), s.Text("option_group", "")); err != nil {
		s.Bad("%v", err)
	}
	if c.DBName == "" {
		s.Bad("need a value of dbname")
	}
	charset := s.Text("charset", "utf8mb4")
	if !safeCharsets[strings.ToLower(charset)] {
		s.Bad("charset %q is not supported: a key could break out of the query; use utf8mb4", charset)
	} else if err := c.Apply(mysql.Charset(charset, "")); err != nil {
		s.Bad("charset: %v", err)
	}
	c.Timeout, c.ReadTimeout, c.WriteTimeout = 10*time.Second, limit, limit
	c.Logger = &mysql.NopLogger{}
	if err := encrypt(c, s); err != nil {
		s.Bad("%v", err)
	}
	unknown, err := s.Finish()
	for _, name := range unknown {
		program.Warn("%s: unknown parameter: %s", s.Table, name)
	}
	return t, err
}

// safeCharsets are those in which no character ends with a byte that is a quote or
// a backslash.
var safeCharsets = map[string]bool{"utf8mb4": true, "utf8mb3": true, "utf8": true, "latin1": true, "ascii": true, "binary": true}

// A connection is one to a server.
type connection struct {
	driver.Conn
	plainBackslash bool // the server's mode: a backslash in a text is nothing special
}

func (t *databaseTable) dial(h database.Host) (*connection, error) {
	c := t.config.Clone()
	switch {
	case h.Unix:
		c.Net, c.Addr = "unix", h.Address
	case h.Address == "localhost" || strings.HasPrefix(h.Address, "localhost:"):
		c.Net, c.Addr = "unix", sockets[0]
		for _, path := range sockets {
			if _, err := os.Stat(path); err == nil {
				c.Addr = path
				break
			}
		}
	default:
		c.Net, c.Addr = "tcp", h.Address
		if _, _, err := net.SplitHostPort(h.Address); err != nil {
			c.Addr = net.JoinHostPort(strings.Trim(h.Address, "[]"), "3306")
		}
	}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	conn, err := connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	made := &connection{Conn: conn}
	err = made.ask("SELECT @@sql_mode", func(mode string) error {
		made.plainBackslash = strings.Contains(mode, "NO_BACKSLASH_ESCAPES")
		return nil
	})
	if err != nil {
		conn.Close()
		return nil, err
	}
	return made, nil
}

// Lookup asks a server.
func (t *databaseTable) Lookup(key string) (value string, found bool, err error) {
	if _, ok, err := t.For(key, escape); !ok {
		return "", false, err
	}
	err = t.servers.Do(func(c *connection) error {
		quote := escape
		if c.plainBackslash {
			quote = escapePlain
		}
		query, _, err := t.For(key, quote)
		if err != nil {
			return err
		}
		answer := t.Answer(key)
		err = c.ask(query, func(text string) error {
			if err := answer.Add(text); err != nil {
				return database.Refused{Err: err}
			}
			return nil
		})
		if errors.Is(err, errNoResult) {
			if err = nil; t.needResult {
				err = database.Refused{Err: errNoResult}
			}
		}
		value, found = answer.Result()
		return err
	})
	return value, found, err
}

var errNoResult = errors.New("the query has no result set; see the parameter require_result_set")

// ask sends a query, and calls each with all values of the answer, row by row.
func (c *connection) ask(query string, each func(string) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	rows, err := c.Conn.(driver.QueryerContext).QueryContext(ctx, query, nil)
	if err != nil {
		return err
	}
	defer rows.Close()
	if len(rows.Columns()) == 0 {
		return errNoResult
	}
	values := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(values); {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		for _, v := range values {
			if err := each(spoken(v)); err != nil {
				return err
			}
		}
	}
}

// spoken is a value as text. NULL is the empty text.
func spoken(v driver.Value) string {
	switch v := v.(type) {
	case nil:
		return ""
	case []byte:
		return string(v)
	case string:
		return v
	}
	return fmt.Sprint(v)
}

var escaper = strings.NewReplacer("\x00", `\0`, "\n", `\n`, "\r", `\r`, `\`, `\\`, `'`, `\'`, `"`, `\"`, "\x1a", `\Z`)

// escape makes a text harmless between quotes.
func escape(s string) string { return escaper.Replace(s) }

// escapePlain is escape for a server to which backslashes are nothing special.
// Only texts between single quotes are protected so.
func escapePlain(s string) string { return strings.ReplaceAll(s, `'`, `''`) }
