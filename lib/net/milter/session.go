package milter

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A Lookup gives the value of a macro, such as "i" or "{client_addr}".
type Lookup func(name string) (value string, ok bool)

// A Session is the conversations with all filters of a set about one client. The
// methods of a nil session do nothing.
type Session struct {
	set     *Set
	filters []*filter
	lookup  Lookup
}

// Open makes the conversations for a client. Connections are made at Connect.
func (set *Set) Open(lookup Lookup) *Session {
	s := &Session{set: set, lookup: lookup}
	for _, sp := range set.specs {
		s.filters = append(s.filters, newFilter(sp))
	}
	return s
}

// macros are the names and values of a stage, each with a NUL behind it.
func (s *Session) macros(at stage, own *macroLists) []byte {
	list := *s.set.macros.at(at)
	if own != nil && *own.at(at) != notAsked {
		list = *own.at(at)
	}
	var b []byte
	for _, name := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) }) {
		value, ok := s.lookup(name)
		if !ok {
			value, ok = s.set.fallback(name)
		}
		if ok {
			b = append(append(b, name...), 0)
			b = append(append(b, strings.ReplaceAll(value, "\x00", "")...), 0)
		}
	}
	return b
}

// fallback looks in milter_macro_defaults.
func (set *Set) fallback(name string) (string, bool) {
	for _, m := range set.defaults {
		if m.name == name {
			return m.value, true
		}
	}
	return "", false
}

// ask shows an event to one filter after the other, until one decides.
func (s *Session) ask(e event, parts ...[]byte) Verdict {
	if s == nil {
		return Verdict{}
	}
	for _, f := range s.filters {
		v := f.event(e, s.macros, parts...)
		f.flush()
		if v.Action != Continue {
			return v
		}
	}
	return Verdict{}
}

// A Peer is the client of a session.
type Peer struct {
	Name    string // "[192.0.2.1]" when it is not known
	Address string
	Port    string
	Family  int // unix.AF_INET, unix.AF_INET6; else unknown
}

// NameAddr is the macro _: who the client says it is.
func NameAddr(name, reverse, address string) string {
	text := reverse + " [" + address + "]"
	if !strings.EqualFold(name, reverse) {
		text += " (may be forged)"
	}
	return text
}

// data are what filters learn about the client.
func (p Peer) data() []byte {
	b := zero(p.Name)
	n, _ := strconv.ParseUint(p.Port, 10, 16)
	switch p.Family {
	case unix.AF_INET:
		b = append(b, '4', byte(n>>8), byte(n))
		return append(b, zero(p.Address)...)
	case unix.AF_INET6:
		b = append(b, '6', byte(n>>8), byte(n))
		return append(b, zero("IPv6:"+p.Address)...)
	}
	return append(b, 'U')
}

// Connect connects to the filters and tells them who the client is.
func (s *Session) Connect(p Peer) Verdict {
	if s == nil {
		return Verdict{}
	}
	for _, f := range s.filters {
		f.open(s.set.resolve)
		v := f.event(evConnect, s.macros, p.data())
		f.flush()
		if v.Action != Continue {
			return v
		}
	}
	return Verdict{}
}

// Helo is for HELO and EHLO.
func (s *Session) Helo(name string) Verdict { return s.ask(evHelo, zero(name)) }

// Mail is for MAIL. The arguments are the address, in angle brackets, and the
// parameters.
func (s *Session) Mail(args ...string) Verdict {
	if s == nil {
		return Verdict{}
	}
	for _, f := range s.filters {
		if f.state == ready {
			f.state = inEnvelope
		}
	}
	return s.ask(evMail, strings0(args))
}

// Rcpt is for RCPT commands that are accepted.
func (s *Session) Rcpt(args ...string) Verdict { return s.ask(evRcpt, strings0(args)) }

// WantRejected reports whether a filter wants to hear of RCPT commands that
// are refused.
func (s *Session) WantRejected() bool {
	if s != nil {
		for _, f := range s.filters {
			if f.usable() && f.steps&stepRejected != 0 {
				return true
			}
		}
	}
	return false
}

// RejectedRcpt is for RCPT commands that are refused. What filters say to it does
// not matter.
func (s *Session) RejectedRcpt(args ...string) {
	for _, f := range s.filters {
		if f.usable() && f.steps&stepRejected != 0 {
			f.event(evRcpt, s.macros, strings0(args))
			f.flush()
		}
	}
}

// Data is for DATA and the first BDAT.
func (s *Session) Data() Verdict { return s.ask(evData) }

// Unknown is for what is no SMTP command.
func (s *Session) Unknown(command string) Verdict { return s.ask(evUnknown, zero(command)) }

// Other is for commands that filters are not told of: those who refuse the client
// refuse them, too.
func (s *Session) Other() Verdict {
	if s != nil {
		for _, f := range s.filters {
			if !f.usable() && (f.verdict.Action == Refuse || f.verdict.Action == Shutdown) {
				return f.verdict
			}
		}
	}
	return Verdict{}
}

// Abort ends a message, whatever became of it.
func (s *Session) Abort() {
	if s != nil {
		for _, f := range s.filters {
			f.abort()
		}
	}
}

// Quit ends the session.
func (s *Session) Quit() {
	if s != nil {
		for _, f := range s.filters {
			f.quit()
		}
	}
}

// Close ends the part of this process in the session; another one goes on.
func (s *Session) Close() {
	if s != nil {
		for _, f := range s.filters {
			f.close(closed)
		}
	}
}

func strings0(list []string) []byte {
	var b []byte
	for _, s := range list {
		b = append(append(b, s...), 0)
	}
	return b
}
