// Package driver has the table types whose work is done by programs of their own:
// "ldap", "mysql", "pgsql" and "sqlite". The libraries that such a type needs are
// large; a daemon that has no such table shall not pay for them, and one that has
// shall not pay for the others.
//
// A process starts the program table-TYPE when it opens its first table of the
// type, and talks to it through a pair of sockets. The program ends when the
// process does. It gets the parameters of a table from the process, which may read
// files that are secret, and then goes about as the mail system's account.
package driver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"postrider/lib/base/account"
	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/base/table"
	"postrider/lib/base/table/settings"
)

func init() {
	for _, kind := range []string{"ldap", "mysql", "pgsql", "sqlite"} {
		p := &program{kind: kind}
		table.Register(kind, p.open)
	}
}

// patience is how long the program may take for an answer. It has limits of its own
// for what it does.
const patience = 10 * time.Minute

// A program is the one that does the work of a type.
type program struct {
	kind string

	mu     sync.Mutex
	conn   *stream.Stream // nil when it does not run
	starts int            // how often it was started
	tables int            // that were opened
}

// A client is an open table.
type client struct {
	program  *program
	settings *settings.Settings
	source   *table.Source
	number   int
	start    int // of the program that has the table open
}

func (p *program) open(name string, flags table.Flags) (table.Table, error) {
	spec := p.kind + ":" + name
	if flags&table.Writable != 0 {
		return nil, table.Mistake("%s: tables of this type cannot be changed", spec)
	}
	s, source, err := settings.Read(p.kind, name)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tables++
	c := &client{program: p, settings: s, source: source, number: p.tables}
	if err := c.ready(); err != nil {
		source.Close()
		return nil, err
	}
	return c, nil
}

func (c *client) Source() *table.Source { return c.source }
func (c *client) Close() error          { return c.source.Close() }

// Lookup asks the program.
func (c *client) Lookup(key string) (value string, found bool, err error) {
	if strings.IndexByte(key, 0) >= 0 {
		return "", false, nil
	}
	c.program.mu.Lock()
	defer c.program.mu.Unlock()
	if err := c.ready(); err != nil {
		return "", false, err
	}
	return c.program.ask(attr.List{{Name: "request", Value: lookupRequest}, {Name: "table", Value: fmt.Sprint(c.number)}, {Name: "key", Value: key}})
}

// ready makes sure that the program runs and knows the table. After a crash it is
// started again, which works outside of a jail.
func (c *client) ready() error {
	p := c.program
	if p.conn == nil {
		if err := p.run(); err != nil {
			return err
		}
	}
	if c.start == p.starts {
		return nil
	}
	list := attr.List{{Name: "request", Value: openRequest}, {Name: "table", Value: fmt.Sprint(c.number)}, {Name: "spec", Value: c.settings.Table}, {Name: "main", Value: fmt.Sprint(c.settings.Main)}}
	for name, value := range c.settings.Values {
		list = append(list, attr.Attr{Name: parameterMark + name, Value: value})
	}
	if _, _, err := p.ask(list); err != nil {
		return err
	}
	c.start = p.starts
	return nil
}

// ask sends a request and reads the answer. When that fails, the program is not
// used any more.
func (p *program) ask(request attr.List) (value string, found bool, err error) {
	if err = send(p.conn, request); err == nil {
		var reply attr.List
		if reply, err = attr.ReadList(p.conn, 0); err == nil {
			return p.answer(reply)
		}
	}
	p.conn.Close()
	p.conn = nil
	return "", false, fmt.Errorf("the program table-%s does not answer: %w", p.kind, err)
}

// answer takes a reply apart, and logs what the program has to say.
func (p *program) answer(reply attr.List) (value string, found bool, err error) {
	for _, a := range reply {
		if a.Name == "warning" {
			msg.Warn("%s", a.Value)
		}
	}
	switch value = reply.Get("value"); reply.Get("status") {
	case statusFound:
		return value, true, nil
	case statusNone:
		return "", false, nil
	case statusMistake:
		return "", false, table.Mistake("%s", value)
	}
	msg.Warn("table-%s: %s", p.kind, value) // not all callers log the reason
	return "", false, errors.New(value)
}

// run starts the program.
func (p *program) run() error {
	around := table.Surroundings()
	path := filepath.Join(around.Programs, "table-"+p.kind)
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	theirs := os.NewFile(uintptr(pair[1]), "driver")
	defer theirs.Close()
	cmd := exec.Command(path)
	cmd.Dir, cmd.Stderr, cmd.ExtraFiles = "/", os.Stderr, []*os.File{theirs}
	// It serves one request at a time, and waits most of the time.
	cmd.Env = []string{"PATH=/usr/bin:/bin", "TZ=" + os.Getenv("TZ"), "GOMAXPROCS=1", "GOGC=50"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if around.Owner != "" && os.Geteuid() == 0 {
		user, err := account.Lookup(around.Owner)
		if err != nil {
			syscall.Close(pair[0])
			return err
		}
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(user.UID), Gid: uint32(user.GID)}
	}
	if err := cmd.Start(); err != nil {
		syscall.Close(pair[0])
		if errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("tables of type %s need the program %s, which is not there", p.kind, path)
		}
		return err
	}
	go cmd.Wait() // it ends when the connection does
	p.conn = stream.New(stream.FD(pair[0]))
	p.conn.SetTimeout(patience)
	p.starts++
	return nil
}
