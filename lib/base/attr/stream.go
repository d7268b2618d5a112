package attr

import (
	"fmt"
	"io"
	"reflect"
	"strings"

	"postrider/lib/base/stream"
)

// Limit is the most bytes of a list that a reader takes when it names no
// limit of its own.
const Limit = 256 * 1024

// Write buffers the struct v as a complete list.
func Write(s *stream.Stream, v any) error {
	_, err := s.Write(Encode(s.Available(), v))
	return err
}

// WriteMore buffers the attributes of v and leaves the list open.
func WriteMore(s *stream.Stream, v any) error {
	_, err := s.Write(Marshal(s.Available(), v))
	return err
}

// ReadList takes one complete list of at most max bytes (0: Limit). The end of
// the stream before the first byte is io.EOF.
func ReadList(s *stream.Stream, max int) (List, error) {
	if max <= 0 {
		max = Limit
	}
	for {
		list, n, err := Parse(s.Unread())
		if err == nil {
			s.Discard(n)
			return list, nil
		}
		have := s.Buffered()
		if have >= max {
			return nil, fmt.Errorf("attribute list: %w", stream.ErrTooLong)
		}
		if _, err := s.Peek(have + 1); err != nil {
			return nil, err
		}
	}
}

// Read takes one list and fills the struct that v points to, strictly.
func Read(s *stream.Stream, v any) error {
	list, err := ReadList(s, 0)
	if err != nil {
		return err
	}
	return list.Into(v)
}

// PlainWrite buffers the struct v in the form name=value, a line each, and an
// empty line. Newlines in values become spaces.
func PlainWrite(s *stream.Stream, v any) error {
	r := value(v)
	for _, f := range plan(r.Type()) {
		var line []byte
		line = append(line, f.name...)
		line = append(line, '=')
		line = appendValue(line, r.FieldByIndex(f.index), f.kind)
		s.WriteString(strings.ReplaceAll(string(line), "\n", " "))
		s.WriteByte('\n')
	}
	return s.WriteByte('\n')
}

// PlainReadList takes lines name=value up to an empty line.
func PlainReadList(s *stream.Stream, max int) (List, error) {
	if max <= 0 {
		max = Limit
	}
	var list List
	for {
		line, err := s.ReadSlice('\n', max)
		if err == io.EOF && len(list) > 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		if max -= len(line); max <= 0 {
			return nil, fmt.Errorf("attribute list: %w", stream.ErrTooLong)
		}
		text := string(line[:len(line)-1])
		if text == "" {
			return list, nil
		}
		name, val, ok := strings.Cut(text, "=")
		if !ok {
			return nil, fmt.Errorf("attribute without value: %q", text)
		}
		list = append(list, Attr{name, val})
	}
}

// PlainRead takes one plain list and fills the struct that v points to.
func PlainRead(s *stream.Stream, v any) error {
	list, err := PlainReadList(s, 0)
	if err != nil {
		return err
	}
	return list.Into(v)
}

// Names returns the attribute names of the struct v, for documentation.
func Names(v any) []string {
	var names []string
	for _, f := range plan(reflect.Indirect(reflect.ValueOf(v)).Type()) {
		names = append(names, f.name)
	}
	return names
}
