package main

import (
	"bufio"
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
	pending    *string // a line that was read too early
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

// headers reads up to the empty line, or to a line that is no header, and returns what Content-Type says.
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
		case !isHeader(line) && !strings.HasPrefix(line, "From ") && !strings.HasPrefix(line, ">From "):
			flush()
			s.pending = &line
			return kind, boundary
		default:
			flush()
			header = line
		}
	}
}

// isHeader reports whether a line begins with a name and a colon. RFC 5322,
// section 2.2.
func isHeader(line string) bool {
	name, _, ok := strings.Cut(line, ":")
	name = strings.TrimRight(name, " \t")
	return ok && name != "" && strings.IndexFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f }) < 0
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
		s.Print(s.out, key, value)
		s.found = true
	}
}

// line reads one line without its end.
func (s *scanner) line() (string, bool) {
	if pending := s.pending; pending != nil {
		s.pending = nil
		return *pending, true
	}
	line, err := s.in.ReadString('\n')
	if err != nil && err != io.EOF {
		msg.Fatal("read standard input: %v", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), line != ""
}
