package table

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"

	"postrider/lib/base/msg"
)

// An Opener opens the table with a name that is given without its type.
type Opener func(name string, flags Flags) (Table, error)

var registry struct {
	sync.Mutex
	openers map[string]Opener
	makers  map[string]Maker
	open    []*handle
}

// Register makes a type of table known. The packages below this one call it when
// the program starts.
func Register(kind string, open Opener) {
	registry.Lock()
	defer registry.Unlock()
	if registry.openers == nil {
		registry.openers = make(map[string]Opener)
	}
	registry.openers[kind] = open
}

// Types returns the names of the types that are known, in order.
func Types() []string {
	registry.Lock()
	defer registry.Unlock()
	return slices.Sorted(maps.Keys(registry.openers))
}

// Split divides "type:name".
func Split(spec string) (kind, name string, err error) {
	kind, name, ok := strings.Cut(spec, ":")
	if !ok || kind == "" {
		return "", "", noName(spec)
	}
	return kind, name, nil
}

func noName(spec string) error {
	return fmt.Errorf(`open dictionary: expecting "type:name" form instead of %q`, spec)
}

// Open opens the table spec, "type:name". Opening a table a second time with the
// same flags gives the same one, unless its file has changed.
func Open(spec string, flags Flags) (Table, error) {
	kind, name, err := Split(spec)
	if err == nil && name == "" {
		err = noName(spec)
	}
	if err != nil {
		return nil, err
	}
	if other := redirected(kind, name); other != kind {
		return openRedirected(kind, other+":"+name, name, flags)
	}
	if t := opened(spec, flags); t != nil {
		return t, nil
	}
	registry.Lock()
	opener := registry.openers[kind]
	registry.Unlock()
	if opener == nil {
		return nil, unsupported(kind)
	}
	t, err := opener(name, flags)
	if err != nil {
		return nil, err
	}
	return remember(spec, flags, t), nil
}

// openRedirected opens a table as another type, when its file can be made.
func openRedirected(kind, spec, name string, flags Flags) (Table, error) {
	t, err := Open(spec, flags)
	if environment.Reindex == nil || flags&Writable != 0 || !errors.Is(err, fs.ErrNotExist) {
		return t, err
	}
	if failed := environment.Reindex(kind, name); failed != nil {
		msg.Warn("%s:%s: %v", kind, name, failed)
		return nil, err
	}
	return Open(spec, flags)
}

// opened returns the table that was opened before, when it is still good.
func opened(spec string, flags Flags) Table {
	registry.Lock()
	defer registry.Unlock()
	for _, h := range registry.open {
		if h.name == spec && h.flags == flags && !h.changed() {
			h.users++
			return h.public()
		}
	}
	return nil
}

// remember wraps a table and notes that it is open.
func remember(spec string, flags Flags, t Table) Table {
	h := &handle{name: spec, flags: flags, t: t, users: 1, pattern: IsPattern(t)}
	if s, ok := t.(Sourced); ok {
		h.source = s.Source()
	}
	registry.Lock()
	defer registry.Unlock()
	registry.open = append(registry.open, h)
	return h.public()
}

// forget closes a table when its last user has done so.
func (h *handle) forget() error {
	registry.Lock()
	h.users--
	last := h.users == 0
	if last {
		registry.open = slices.DeleteFunc(registry.open, func(other *handle) bool { return other == h })
	}
	registry.Unlock()
	if c, ok := h.t.(io.Closer); ok && last {
		return c.Close()
	}
	return nil
}
