package table

import (
	"encoding/base64"
	"errors"
	"iter"
	"unicode/utf8"

	"postrider/lib/base/msg"
	"postrider/lib/base/text"
)

// A handle is an open table as callers see it: it does what all types do alike,
// so that a type need not care for the flags that follow from it.
type handle struct {
	name    string
	flags   Flags
	t       Table
	source  *Source // nil when the table has no file
	pattern bool
	users   int
}

// public returns h with the abilities of its table and no others.
func (h *handle) public() Table {
	_, updater := h.t.(Updater)
	_, sequencer := h.t.(Sequencer)
	switch {
	case updater && sequencer:
		return fullHandle{h, updateHandle{h}, listHandle{h}}
	case updater:
		return updateOnly{h, updateHandle{h}}
	case sequencer:
		return listOnly{h, listHandle{h}}
	}
	return h
}

type fullHandle struct {
	*handle
	updateHandle
	listHandle
}

type updateOnly struct {
	*handle
	updateHandle
}

type listOnly struct {
	*handle
	listHandle
}

// Name returns "type:name".
func (h *handle) Name() string { return h.name }

// Pattern says whether keys may be patterns.
func (h *handle) Pattern() bool { return h.pattern }

// Close ends the use of the table.
func (h *handle) Close() error { return h.forget() }

// Lookup looks for key, in the form that the flags ask for.
func (h *handle) Lookup(key string) (value string, found bool, err error) {
	if h.flags&UTF8 != 0 && !utf8.ValidString(key) {
		return "", false, nil
	}
	value, found, err = h.t.Lookup(h.key(key))
	if err != nil {
		return "", false, failed(h.name, key, err)
	}
	if !found {
		return "", false, nil
	}
	if h.flags&UTF8 != 0 && !utf8.ValidString(value) {
		msg.Warn("%s: key %q: non-UTF-8 value %q", h.name, key, value)
		return "", false, failed(h.name, key, Mistake("the value is not UTF-8"))
	}
	if h.flags&SourceIsFile != 0 {
		if value, err = decodeFile(value); err != nil {
			return "", false, failed(h.name, key, err)
		}
	}
	return value, true, nil
}

// key returns the form of key that the table knows.
func (h *handle) key(key string) string {
	fold := FoldKey
	if h.pattern {
		fold = FoldPattern
	}
	switch {
	case h.flags&fold == 0:
		return key
	case h.flags&ASCII != 0:
		return text.FoldASCII(key)
	}
	return text.Fold(key)
}

func decodeFile(value string) (string, error) {
	data, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return "", Mistake("the value is not base64: use postmap -F to make this table")
	}
	return string(data), nil
}

type updateHandle struct{ h *handle }

func (u updateHandle) Update(key, value string) error {
	if u.h.flags&UTF8 != 0 && !(utf8.ValidString(key) && utf8.ValidString(value)) {
		return failed(u.h.name, key, errors.New("key or value is not UTF-8"))
	}
	if err := u.h.t.(Updater).Update(u.h.key(key), value); err != nil {
		return failed(u.h.name, key, err)
	}
	return nil
}

func (u updateHandle) Delete(key string) (bool, error) {
	found, err := u.h.t.(Updater).Delete(u.h.key(key))
	if err != nil {
		return false, failed(u.h.name, key, err)
	}
	return found, nil
}

type listHandle struct{ h *handle }

func (l listHandle) All() iter.Seq2[string, string] {
	all := l.h.t.(Sequencer).All()
	if l.h.flags&SourceIsFile == 0 {
		return all
	}
	return func(yield func(string, string) bool) {
		for key, value := range all {
			text, err := decodeFile(value)
			if err != nil {
				msg.Warn("%s: key %q: %v", l.h.name, key, err)
			} else if !yield(key, text) {
				return
			}
		}
	}
}

func (l listHandle) Err() error {
	if err := l.h.t.(Sequencer).Err(); err != nil {
		return failed(l.h.name, "", err)
	}
	return nil
}
