package main

import (
	"bufio"
	"fmt"
	"io"
	"mime"
	"os"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/daemon/maptool"
)

// A scanner goes through a message, part by part.
type scanner struct {
	*maptool.Order
	tables     []table.Table
	specs      []string
	in         *bufio.Reader
	out        *bufio.Writer
	boundaries []string // of the multiparts that are open
	found      bool
}

// lookupMessage looks up headers and body lines of the message on standard input.
// It reports whether something was found.
func lookupMessage(o *maptool.Order, specs []string) bool {
	s := &scanner{
		Order: o, specs: specs, tables: o.Open(specs),
		in: bufio.NewReader(os.Stdin), out: bufio.NewWriter(os.Stdout),
	}
	s.message()
	if err := s.out.Flush(); err != nil {
		msg.Fatal("write output: %v", err)
	}
	return s.found
}

// message reads headers, and then the body, in which there may be parts with
// headers of their own.
func (s *scanner) message() {
	kind, boundary := s.headers(s.Headers)
	for {
		if s.MIME && boundary != "" {
			s.boundaries = append(s.boundaries, boundary)
		}
		inner := s.MIME && kind == "message/rfc822"
		if !inner && !s.body() {
			return
		}
		kind, boundary = s.headers(s.Headers)
	}
}

// headers reads up to the empty line, and returns what Content-Type says.
func (s *scanner) headers(lookup bool) (kind, boundary string) {
	header := ""
	flush := func() {
		if header == "" {
			return
		}
		if lookup {
			s.lookup(header)
		}
		if name, value, ok := strings.Cut(header, ":"); ok && strings.EqualFold(strings.TrimSpace(name), "content-type") {
			var parameters map[string]string
			kind, parameters, _ = mime.ParseMediaType(strings.ReplaceAll(value, "\n", " "))
			boundary = parameters["boundary"]
		}
		header = ""
	}
	for {
		line, ok := s.line()
		switch {
		case !ok || line == "":
			flush()
			return kind, boundary
		case (line[0] == ' ' || line[0] == '\t') && header != "":
			header += "\n" + line
		default:
			flush()
			header = line
		}
	}
}

// body reads to the begin of the next part; it returns false at the end of the
// message.
func (s *scanner) body() (more bool) {
	for {
		line, ok := s.line()
		if !ok {
			return false
		}
		if part, found := s.boundary(line); found {
			if part {
				return true
			}
			continue
		}
		if s.Body {
			s.lookup(line)
		}
	}
}

// boundary says whether a line separates parts, and whether another part follows.
func (s *scanner) boundary(line string) (part, found bool) {
	if !strings.HasPrefix(line, "--") {
		return false, false
	}
	line = strings.TrimRight(line[2:], " \t")
	for i := len(s.boundaries) - 1; i >= 0; i-- {
		switch line {
		case s.boundaries[i]:
			s.boundaries = s.boundaries[:i+1]
			return true, true
		case s.boundaries[i] + "--":
			s.boundaries = s.boundaries[:i]
			return false, true
		}
	}
	return false, false
}

func (s *scanner) lookup(key string) {
	if key == "" {
		return
	}
	if value, found := maptool.Find(s.tables, s.specs, key); found && value != "" {
		fmt.Fprintf(s.out, "%s\t%s\n", key, value)
		s.found = true
	}
}

// line reads one line without its end.
func (s *scanner) line() (string, bool) {
	line, err := s.in.ReadString('\n')
	if err != nil && err != io.EOF {
		msg.Fatal("read standard input: %v", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), line != ""
}
