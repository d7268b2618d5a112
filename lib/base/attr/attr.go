// Package attr turns structs into the attribute lists that the daemons of the
// suite send each other, and back.
//
// A list is name NUL value NUL, repeated, and ends with an empty name. Order
// matters: the fields of a struct are the attributes in wire order, each with
// a tag `attr:"name"`. A tag "name|other" is written as the first name and
// read under either.
//
//	string   the bytes as they are
//	int      decimal of the unsigned 32-bit value: -1 is 4294967295
//	int64    decimal of the unsigned 64-bit value
//	bool     1 or 0
//	[]byte   base64
//	struct   embedded: its attributes in place
package attr

import (
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// An Attr is one attribute. The braces of a nested list have no value.
type Attr struct{ Name, Value string }

// A List holds attributes in the order of the wire. Names may occur twice.
type List []Attr

// ErrShort says that the list is not complete yet.
var ErrShort = errors.New("incomplete attribute list")

type field struct {
	name  string
	other string
	index []int
	kind  reflect.Kind
}

var plans sync.Map // reflect.Type -> []field

func plan(t reflect.Type) []field {
	if p, ok := plans.Load(t); ok {
		return p.([]field)
	}
	p := fields(t, nil)
	plans.Store(t, p)
	return p
}

func fields(t reflect.Type, index []int) []field {
	var list []field
	for i := range t.NumField() {
		f := t.Field(i)
		at := append(append([]int(nil), index...), i)
		tag, tagged := f.Tag.Lookup("attr")
		switch {
		case tagged:
			name, other, _ := strings.Cut(tag, "|")
			list = append(list, field{name, other, at, f.Type.Kind()})
		case f.Type.Kind() == reflect.Struct:
			list = append(list, fields(f.Type, at)...)
		}
	}
	return list
}

func value(v any) reflect.Value {
	r := reflect.ValueOf(v)
	if r.Kind() == reflect.Pointer {
		r = r.Elem()
	}
	return r
}

// Marshal appends the attributes of the struct v, without an end of list.
func Marshal(dst []byte, v any) []byte {
	r := value(v)
	for _, f := range plan(r.Type()) {
		dst = append(dst, f.name...)
		dst = append(dst, 0)
		dst = appendValue(dst, r.FieldByIndex(f.index), f.kind)
		dst = append(dst, 0)
	}
	return dst
}

// Encode appends the attributes of the struct v as a complete list.
func Encode(dst []byte, v any) []byte { return append(Marshal(dst, v), 0) }

func appendValue(dst []byte, v reflect.Value, kind reflect.Kind) []byte {
	switch kind {
	case reflect.String:
		return appendText(dst, v.String())
	case reflect.Int:
		return strconv.AppendUint(dst, uint64(uint32(v.Int())), 10)
	case reflect.Int64:
		return strconv.AppendUint(dst, uint64(v.Int()), 10)
	case reflect.Bool:
		if v.Bool() {
			return append(dst, '1')
		}
		return append(dst, '0')
	case reflect.Slice:
		return base64.StdEncoding.AppendEncode(dst, v.Bytes())
	}
	panic("attr: no wire form for " + v.Type().String())
}

// appendText drops NUL bytes: they would end the value and shift all others.
func appendText(dst []byte, s string) []byte {
	if strings.IndexByte(s, 0) < 0 {
		return append(dst, s...)
	}
	return append(dst, strings.ReplaceAll(s, "\x00", "")...)
}

// Parse finds the first complete list in b and how many bytes it has. The
// error is ErrShort when more bytes are needed.
func Parse(b []byte) (list List, n int, err error) {
	end, count := span(b)
	if end < 0 {
		return nil, 0, ErrShort
	}
	return split(string(b[:end]), count), end, nil
}

// span returns the length of the list at the start of b, or -1, and the number
// of its attributes.
func span(b []byte) (n, count int) {
	for at := 0; ; count++ {
		i := index0(b, at)
		if i < 0 {
			return -1, count
		}
		name := b[at:i]
		at = i + 1
		if len(name) == 0 {
			return at, count
		}
		if brace(string(name)) {
			continue
		}
		if i = index0(b, at); i < 0 {
			return -1, count
		}
		at = i + 1
	}
}

func index0(b []byte, at int) int {
	for i := at; i < len(b); i++ {
		if b[i] == 0 {
			return i
		}
	}
	return -1
}

func brace(name string) bool { return name == "{" || name == "}" }

func split(s string, count int) List {
	list := make(List, 0, count)
	for {
		name, rest, _ := strings.Cut(s, "\x00")
		if name == "" {
			return list
		}
		var value string
		if s = rest; !brace(name) {
			value, s, _ = strings.Cut(s, "\x00")
		}
		list = append(list, Attr{name, value})
	}
}

// Into fills the struct that v points to. Names must come in the order of the
// fields, all of them and nothing else.
func (l List) Into(v any) error {
	rest, err := l.Take(v)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("unexpected attribute %s (expecting: end of list)", rest[0].Name)
	}
	return err
}

// Take fills the struct that v points to from the first attributes and returns
// the rest.
func (l List) Take(v any) (rest List, err error) {
	r := reflect.ValueOf(v).Elem()
	for _, f := range plan(r.Type()) {
		if len(l) == 0 {
			return nil, fmt.Errorf("missing attribute %s", f.name)
		}
		if a := l[0]; a.Name != f.name && (f.other == "" || a.Name != f.other) {
			return nil, fmt.Errorf("unexpected attribute %s (expecting: %s)", a.Name, f.name)
		}
		if err := setValue(r.FieldByIndex(f.index), f.kind, l[0].Value); err != nil {
			return nil, fmt.Errorf("attribute %s: %w", f.name, err)
		}
		l = l[1:]
	}
	return l, nil
}

// Find fills the struct that v points to by name, in any order, and skips
// attributes that it does not know. All fields must be there.
func (l List) Find(v any) error {
	r := reflect.ValueOf(v).Elem()
	for _, f := range plan(r.Type()) {
		at := 0
		for at < len(l) && l[at].Name != f.name && (f.other == "" || l[at].Name != f.other) {
			at++
		}
		if at == len(l) {
			return fmt.Errorf("missing attribute %s", f.name)
		}
		if err := setValue(r.FieldByIndex(f.index), f.kind, l[at].Value); err != nil {
			return fmt.Errorf("attribute %s: %w", f.name, err)
		}
		l = append(append(make(List, 0, len(l)), l[:at]...), l[at+1:]...)
	}
	return nil
}

// Get returns the value of the first attribute with this name.
func (l List) Get(name string) string {
	for _, a := range l {
		if a.Name == name {
			return a.Value
		}
	}
	return ""
}

func setValue(v reflect.Value, kind reflect.Kind, text string) error {
	switch kind {
	case reflect.String:
		v.SetString(text)
		return nil
	case reflect.Slice:
		b, err := base64.StdEncoding.DecodeString(text)
		v.SetBytes(b)
		return err
	}
	n, err := number(text)
	if err != nil {
		return err
	}
	switch kind {
	case reflect.Int:
		v.SetInt(int64(int32(uint32(n))))
	case reflect.Int64:
		v.SetInt(int64(n))
	case reflect.Bool:
		v.SetBool(n != 0)
	}
	return nil
}

// number reads what C printed as unsigned, or as signed.
func number(text string) (uint64, error) {
	if strings.HasPrefix(text, "-") {
		n, err := strconv.ParseInt(text, 10, 64)
		return uint64(n), err
	}
	return strconv.ParseUint(text, 10, 64)
}
