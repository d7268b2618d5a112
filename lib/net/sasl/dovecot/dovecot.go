// Package dovecot asks the authentication server of Dovecot who may log in.
//
// The server listens at a socket. Both sides say who they are; the server lists its
// mechanisms with what they withstand. Then each attempt to log in is a line with a
// number, which the server answers with OK, FAIL, or CONT and a challenge. Passwords
// go through it, but it does not matter here what they are.
//
// Source: Dovecot's "Authentication Protocol v1.1", as version 2.3 speaks it.
package dovecot

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/net/sasl"
)

// The version of the protocol. Others with the same first number can talk with it.
const (
	major = "1"
	minor = "1"
)

const (
	timeout   = 10 * time.Second // for each answer
	lineLimit = 16 * 1024
)

// A Server is one authentication server. It keeps a connection.
type Server struct {
	path       string // as configured
	conn       *stream.Stream
	last       uint32 // number of an attempt
	mechanisms []sasl.Mechanism
}

// New makes the server at "private/auth", "unix:private/auth" or "inet:host:port".
func New(path string) *Server { return &Server{path: path} }

// Mechanisms connects when there is no connection, and tells what the server can
// do. Private mechanisms are left out: they are not for us.
func (s *Server) Mechanisms() ([]sasl.Mechanism, error) {
	if s.conn == nil {
		if err := s.connect(); err != nil {
			return nil, err
		}
	}
	return s.mechanisms, nil
}

// connect connects and says hello.
func (s *Server) connect() error {
	conn, err := s.dial()
	if err != nil {
		return fmt.Errorf("SASL: Connect to Dovecot auth socket '%s' failed: %s", s.path, reason(err))
	}
	st := stream.New(conn)
	st.SetTimeout(timeout)
	fmt.Fprintf(st, "VERSION\t%s\t%s\nCPID\t%d\n", major, minor, os.Getpid())
	s.conn, s.mechanisms = st, nil
	for {
		fields, err := s.line()
		if err == nil {
			switch fields[0] {
			case "VERSION":
				if len(fields) < 2 || fields[1] != major {
					err = errors.New("the protocol's version is another one")
				}
			case "MECH":
				s.addMechanism(fields[1:])
			case "DONE":
				return nil
			}
		}
		if err != nil {
			s.Close()
			return fmt.Errorf("SASL: Dovecot auth socket '%s': %s", s.path, reason(err))
		}
	}
}

func (s *Server) dial() (stream.Conn, error) {
	if address, ok := strings.CutPrefix(s.path, "inet:"); ok {
		conn, err := net.DialTimeout("tcp", address, timeout)
		if err != nil {
			return nil, err
		}
		return stream.Net(conn), nil
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: strings.TrimPrefix(s.path, "unix:")}); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return stream.FD(fd), nil
}

// properties are Dovecot's words. Who forwards it to others takes them as they are.
var properties = map[string]sasl.Properties{
	"plaintext": sasl.Plaintext, "active": sasl.Active, "dictionary": sasl.Dictionary, "anonymous": sasl.Anonymous,
	"forward-secrecy": sasl.ForwardSecrecy, "mutual-auth": sasl.MutualAuth,
}

func (s *Server) addMechanism(fields []string) {
	if len(fields) == 0 {
		return
	}
	m := sasl.Mechanism{Name: fields[0]}
	for _, word := range fields[1:] {
		if word == "private" {
			return
		}
		m.Properties |= properties[word]
	}
	s.mechanisms = append(s.mechanisms, m)
}

// Begin begins an attempt. When the connection was lost meanwhile, such as by a
// restart of Dovecot, a new one is made.
func (s *Server) Begin(who sasl.Session, mechanism string, initial *string) (sasl.Exchange, sasl.Result) {
	x := &exchange{server: s}
	var r sasl.Result
	for range 2 {
		if s.conn == nil {
			if err := s.connect(); err != nil {
				msg.Warn("%v", err)
				break
			}
		}
		s.last = (s.last + 1) & 0x7fffffff
		x.number = strconv.FormatUint(uint64(s.last), 10)
		s.conn.WriteString("AUTH\t" + x.number + "\t" + escape(mechanism) + describe(who))
		empty := initial != nil && *initial == "="
		if initial != nil && !empty {
			s.conn.WriteString("\tresp=" + *initial)
		}
		s.conn.WriteString("\n")
		if r = x.answer(); empty && r.Status == sasl.More && r.Text == "" {
			r = x.Next("") // an empty answer cannot be told apart from none before
		}
		if s.conn != nil {
			return x, r
		}
	}
	return x, lost
}

var lost = sasl.Result{Status: sasl.Temporary, Text: "Connection lost to authentication server"}

// describe is what the server may want to know about a client. The user does not
// want to log in to a mailbox, so rules about that do not count.
func describe(who sasl.Session) string {
	var b strings.Builder
	add := func(name, value string) {
		if value != "" {
			b.WriteString("\t" + name + escape(value))
		}
	}
	add("service=", who.Service)
	b.WriteString("\tnologin")
	add("lip=", who.Server)
	add("rip=", who.Client)
	if who.Secure {
		b.WriteString("\tsecured")
	}
	return b.String()
}

// An exchange is one attempt.
type exchange struct {
	server *Server
	number string
}

// Next hands on what the client says.
func (x *exchange) Next(response string) sasl.Result {
	if x.server.conn == nil {
		return lost
	}
	x.server.conn.WriteString("CONT\t" + x.number + "\t" + response + "\n")
	return x.answer()
}

// answer reads what the server says about this attempt.
func (x *exchange) answer() sasl.Result {
	for {
		fields, err := x.server.line()
		if err != nil {
			x.server.Close()
			return lost
		}
		if len(fields) < 2 || fields[1] != x.number {
			continue // about an attempt that the client has given up
		}
		r := sasl.Result{User: value(fields[2:], "user=")}
		switch fields[0] {
		case "OK":
			if r.Status = sasl.Done; r.User == nil || *r.User == "" {
				return sasl.Result{Status: sasl.Failed, Text: "the authentication server does not name the user"}
			}
		case "FAIL":
			if reason := value(fields[2:], "reason="); reason != nil {
				r.Text = *reason
			}
			if slices.Contains(fields, "temp") || slices.Contains(fields, "code=temp_fail") {
				r.Status = sasl.Temporary
			}
		case "CONT":
			r.Status = sasl.More
			if len(fields) > 2 {
				r.Text = fields[2]
			}
		default:
			continue
		}
		return r
	}
}

// value finds a field by the begin of its text.
func value(fields []string, name string) *string {
	for _, f := range fields {
		if v, ok := strings.CutPrefix(f, name); ok {
			v = unescape(v)
			return &v
		}
	}
	return nil
}

// line reads one line.
func (s *Server) line() ([]string, error) {
	line, err := s.conn.ReadSlice('\n', lineLimit)
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(line), "\n"), "\t"), nil
}

// Close ends the connection.
func (s *Server) Close() {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

// escape hides what separates fields and lines.
var escaper = strings.NewReplacer("\x01", "\x011", "\x00", "\x010", "\t", "\x01t", "\n", "\x01n", "\r", "\x01r")

func escape(s string) string { return escaper.Replace(s) }

var unescaper = strings.NewReplacer("\x011", "\x01", "\x010", "\x00", "\x01t", "\t", "\x01n", "\n", "\x01r", "\r")

func unescape(s string) string { return unescaper.Replace(s) }

// reason is the text of a system error as mail logs have it: "Connection refused".
func reason(err error) string {
	var errno syscall.Errno
	text := err.Error()
	if errors.As(err, &errno) {
		text = errno.Error()
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
