package table

import (
	"encoding/base64"
	"errors"
	"os"
	"strings"

	"postrider/lib/base/text"
)

// A Builder writes the file of a table. Readers see the old table until Commit
// has brought the new one to disk and put it in its place. It begins with nothing,
// or, with the flag Writable, with the entries that the table has.
type Builder interface {
	// Add adds an entry. A key that is there already gives ErrDuplicate, and
	// the entry that was first stays. See also LateBuilder.
	Add(key, value string) error
	// Replace adds an entry in place of one that may be there.
	Replace(key, value string) error
	// Delete removes an entry.
	Delete(key string) (found bool, err error)
	// Commit makes the new table the one that readers open.
	Commit() error
	// Abort throws the unfinished table away. After Commit it does nothing.
	Abort()
	// Path returns the name that the file will have.
	Path() string
	// File returns the unfinished file, for its owner and mode.
	File() *os.File
}

// A LateBuilder is one that with large tables notices only when it commits that a
// key was there already. It calls what OnDuplicate was given, before Commit
// returns, once for each entry that was not added.
type LateBuilder interface {
	Builder
	OnDuplicate(func(key string))
}

// ErrDuplicate says that a table has an entry with that key.
var ErrDuplicate = errors.New("duplicate entry")

// A Maker begins a new table.
type Maker func(name string, flags Flags) (Builder, error)

// RegisterMaker says how tables of a type are written.
func RegisterMaker(kind string, maker Maker) {
	registry.Lock()
	defer registry.Unlock()
	if registry.makers == nil {
		registry.makers = make(map[string]Maker)
	}
	registry.makers[kind] = maker
}

// ErrCannotMake says that tables of a type have no file that could be written.
var ErrCannotMake = errors.New("this type of table cannot be made")

// Build begins to write the table spec anew, or to change it when flags has
// Writable.
func Build(spec string, flags Flags) (Builder, error) {
	kind, name, err := Split(spec)
	if err != nil {
		return nil, err
	}
	kind = redirected(kind, name)
	registry.Lock()
	maker, known := registry.makers[kind], registry.openers[kind] != nil
	registry.Unlock()
	switch {
	case maker != nil:
		return maker(name, flags)
	case known:
		return nil, ErrCannotMake
	}
	return nil, unsupported(kind)
}

// Files returns the value that an entry gets whose source names files: their
// contents, one after the other, in base64.
func Files(names string) (string, error) {
	var all strings.Builder
	list := text.Split(names)
	if len(list) == 0 {
		return "", errors.New("empty pathname list: " + names)
	}
	for i, name := range list {
		data, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		if i > 0 {
			all.WriteByte('\n')
		}
		all.Write(data)
	}
	return base64.StdEncoding.EncodeToString([]byte(all.String())), nil
}
