package proxymap

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/mail/param"
	"postrider/lib/service/ipc"
)

func init() { table.Register("proxy", open) }

// A service is the connection to a server. All tables of the process share it.
type service struct {
	mu     sync.Mutex
	client ipc.Client
}

var services struct {
	mu  sync.Mutex
	all map[string]*service
}

// connect returns the service for reading or writing. It reads main.cf by itself:
// a table is opened in places that know only its name.
func connect(write bool) (*service, error) {
	conf, err := param.Read(param.Dir())
	if err != nil {
		return nil, err
	}
	name := conf.Value("proxymap_service_name")
	if write {
		name = conf.Value("proxywrite_service_name")
	}
	path := filepath.Join("private", name)
	if queue := conf.Value("queue_directory"); !sameDirectory(".", queue) {
		path = filepath.Join(queue, path)
	}
	services.mu.Lock()
	defer services.mu.Unlock()
	if services.all == nil {
		services.all = make(map[string]*service)
	}
	if services.all[path] == nil {
		services.all[path] = &service{client: ipc.Client{
			Path: path, Protocol: Protocol,
			Timeout: limit(conf, "ipc_timeout"), Idle: limit(conf, "ipc_idle"), Life: limit(conf, "ipc_ttl"),
		}}
	}
	return services.all[path], nil
}

// sameDirectory says whether two names mean one directory. A daemon is in the
// queue directory, and in its jail no other name of it works.
func sameDirectory(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

// limit returns a time limit. Bad values are reported by the programs that
// declare the parameter.
func limit(conf *param.Settings, name string) time.Duration {
	d, err := param.ParseTime(conf.Value(name), "1s")
	if err != nil {
		return 0
	}
	return d
}

// How often a request is tried, and how long to wait between. A server that
// restarts is away for a moment.
const (
	attempts = 10
	pause    = time.Second
)

// call sends a request. Several goroutines take turns.
func (s *service) call(request, reply any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := 1; ; n++ {
		err := s.client.Call(request, reply)
		if err == nil {
			return nil
		}
		if n == attempts {
			return err
		}
		if n > 1 {
			msg.Warn("%v", err)
		}
		time.Sleep(pause)
	}
}

// A proxied is a table that the server has.
type proxied struct {
	name    string
	flags   Flags
	service *service
	pattern bool
	err     error
}

// open asks whether the server lets us use a table. A server that does not answer
// may do so when mail comes, and is not asked for long now.
func open(name string, flags table.Flags) (table.Table, error) {
	if flags&table.NoProxy != 0 {
		return nil, table.Mistake("proxy:%s map is not allowed for security-sensitive data", name)
	}
	if kind, _, err := table.Split(name); err != nil || strings.ContainsAny(name, "\x00\n") {
		return nil, table.Mistake("bad name of a table: proxy:%s", name)
	} else if kind == "proxy" {
		return nil, table.Mistake("a proxy table of a proxy table: proxy:%s", name)
	}
	s, err := connect(flags&table.Writable != 0)
	if err != nil {
		return nil, err
	}
	p := &proxied{name: name, flags: fromTable(flags), service: s}
	var reply OpenReply
	if err := s.call(OpenRequest{OpenCommand, name, p.flags}, &reply); err != nil {
		return nil, err
	}
	switch reply.Status {
	case OK:
		p.pattern = reply.Flags&Pattern != 0
		return p.public(flags), nil
	case Deny:
		return nil, table.Mistake("service %s is not configured for table %q", s.client.Path, name)
	case Bad:
		return nil, fmt.Errorf("service %s does not understand the request open of table %q", s.client.Path, name)
	}
	return nil, fmt.Errorf("service %s cannot open table %q", s.client.Path, name)
}

// public returns the table with the abilities that flags ask for.
func (p *proxied) public(flags table.Flags) table.Table {
	if flags&table.Writable != 0 {
		return writable{p}
	}
	return p
}

func (p *proxied) Pattern() bool { return p.pattern }

// failure is the error for a status that is no answer.
func (p *proxied) failure(s Status, what string) error {
	switch s {
	case Deny:
		return table.Mistake("service %s is not configured for table %q", p.service.client.Path, p.name)
	case Bad:
		return fmt.Errorf("service %s does not understand the request %s", p.service.client.Path, what)
	case Config:
		return table.Mistake("configuration error of table %q", p.name)
	}
	return errors.New("the table does not answer; try again later")
}

func (p *proxied) Lookup(key string) (string, bool, error) {
	var reply LookupReply
	if err := p.service.call(LookupRequest{LookupCommand, p.name, p.flags, key}, &reply); err != nil {
		return "", false, err
	}
	switch reply.Status {
	case OK:
		return reply.Value, true, nil
	case NoKey:
		return "", false, nil
	}
	return "", false, p.failure(reply.Status, LookupCommand)
}

// All lists the entries. The server keeps the place in the list with the
// connection.
func (p *proxied) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		p.err = nil
		for function := First; ; function = Next {
			var reply SequenceReply
			if p.err = p.service.call(SequenceRequest{SequenceCommand, p.name, p.flags, function}, &reply); p.err != nil {
				return
			}
			switch reply.Status {
			case OK:
			case NoKey:
				return
			default:
				p.err = p.failure(reply.Status, SequenceCommand)
				return
			}
			if !yield(reply.Key, reply.Value) {
				return
			}
		}
	}
}

func (p *proxied) Err() error { return p.err }

// writable is a table of the proxywrite service.
type writable struct{ *proxied }

func (w writable) Update(key, value string) error {
	var reply UpdateReply
	if err := w.service.call(UpdateRequest{UpdateCommand, w.name, w.flags, key, value}, &reply); err != nil {
		return err
	}
	if reply.Status != OK {
		return w.failure(reply.Status, UpdateCommand)
	}
	return nil
}

func (w writable) Delete(key string) (bool, error) {
	var reply UpdateReply
	if err := w.service.call(LookupRequest{DeleteCommand, w.name, w.flags, key}, &reply); err != nil {
		return false, err
	}
	switch reply.Status {
	case OK:
		return true, nil
	case NoKey:
		return false, nil
	}
	return false, w.failure(reply.Status, DeleteCommand)
}
