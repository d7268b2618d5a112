package main

import (
	"io"
	"strings"
	"sync"

	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/base/text"
	"postrider/lib/service/proxymap"
)

// approved are the tables that the service answers for, and those of them that
// are open.
type approved struct {
	param  string
	writer bool
	names  map[string]bool

	mu   sync.RWMutex // held for reading while a table is in use
	open map[opening]table.Table
}

// An opening is a table as a client wants to see it.
type opening struct {
	name  string
	flags table.Flags
}

func approve(list, param string, writer bool) *approved {
	a := &approved{param: param, writer: writer, names: make(map[string]bool), open: make(map[opening]table.Table)}
	a.add(list)
	return a
}

// add notes all words proxy:type:name, also between braces.
func (a *approved) add(list string) {
	for _, word := range text.SplitBraces(list) {
		if word[0] == '{' {
			inside, _ := text.Unbrace(word)
			a.add(inside)
			continue
		}
		name := word
		for strings.HasPrefix(name, "proxy:") {
			name = name[len("proxy:"):]
		}
		if name != word && strings.Contains(name, ":") {
			a.names[name] = true
		}
	}
}

// use calls f with a table. The status is for the client when that is not
// possible.
func (a *approved) use(name string, flags proxymap.Flags, f func(table.Table) proxymap.Status) proxymap.Status {
	if !a.names[name] {
		what := "read-only"
		if a.writer {
			what = "read-write"
		}
		msg.Warn("request for unapproved table: %q", name)
		msg.Warn("to approve this table for %s access, list proxy:%s in main.cf:%s", what, name, a.param)
		return proxymap.Deny
	}
	o := opening{name, a.flags(flags.Table())}
	a.refresh()
	t, err := a.opened(o)
	if err != nil {
		msg.Warn("open proxy:%s: %v", name, err)
		return proxymap.Config
	}
	defer a.mu.RUnlock()
	return f(t)
}

// flags returns the flags for opening a table in this service.
func (a *approved) flags(flags table.Flags) table.Flags {
	if a.writer {
		flags |= table.Writable
	}
	return flags
}

// opened returns a table, with a.mu held for reading unless there is an error.
func (a *approved) opened(o opening) (table.Table, error) {
	for {
		a.mu.RLock()
		if t := a.open[o]; t != nil {
			return t, nil
		}
		a.mu.RUnlock()
		t, err := table.Open(o.name, o.flags)
		if err != nil {
			return nil, err
		}
		a.mu.Lock()
		if a.open[o] == nil {
			a.open[o] = t
			t = nil
		}
		a.mu.Unlock()
		if t != nil {
			closeTable(t)
		}
	}
}

// refresh closes all tables when one has changed. Each is opened again when it is
// needed.
func (a *approved) refresh() {
	name := table.Changed()
	if name == "" {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if table.Changed() == "" {
		return
	}
	msg.Info("table %s has changed -- opening tables again", name)
	for o, t := range a.open {
		if o.flags&table.Writable == 0 {
			closeTable(t)
			delete(a.open, o)
		}
	}
}

func closeTable(t table.Table) {
	if c, ok := t.(io.Closer); ok {
		c.Close()
	}
}
