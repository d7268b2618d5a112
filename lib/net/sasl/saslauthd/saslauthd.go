// Package saslauthd asks saslauthd(8) of Cyrus SASL whether a password is right. Only
// mechanisms that send the password can do that: PLAIN and LOGIN.
//
// The configuration is that of the library: smtpd.conf in one of its directories,
// with pwcheck_method, mech_list and saslauthd_path.
//
// Sources: RFC 4616 (PLAIN), and the manual of saslauthd for its socket.
package saslauthd

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/net/sasl"
)

const (
	defaultSocket = "/var/run/saslauthd/mux"
	timeout       = 30 * time.Second // PAM may sleep after a wrong password
	longest       = 1024             // of a name or password
)

// A Server is one saslauthd.
type Server struct {
	socket     string
	mechanisms []sasl.Mechanism
}

var known = []sasl.Mechanism{
	{Name: "PLAIN", Properties: sasl.Plaintext | sasl.Active | sasl.Dictionary},
	{Name: "LOGIN", Properties: sasl.Plaintext | sasl.Active | sasl.Dictionary},
}

// New reads the configuration of a program, such as smtpd, from the first directory
// that has one. Other sources of passwords than saslauthd are refused: there is no
// way to ask them.
func New(dirs []string, program string) (*Server, error) {
	s := &Server{socket: defaultSocket, mechanisms: known}
	options, file, err := read(dirs, program+".conf")
	if err != nil {
		return nil, err
	}
	methods := strings.Fields(options["pwcheck_method"])
	if !slices.Contains(methods, "saslauthd") {
		return nil, fmt.Errorf("%s: pwcheck_method must be saslauthd: other sources of passwords are not available", file)
	}
	if socket := options["saslauthd_path"]; socket != "" {
		s.socket = socket
	}
	if list := strings.FieldsFunc(options["mech_list"], func(r rune) bool { return r == ' ' || r == ',' || r == '\t' }); len(list) > 0 {
		s.mechanisms = nil
		for _, m := range known {
			if slices.ContainsFunc(list, func(name string) bool { return strings.EqualFold(name, m.Name) }) {
				s.mechanisms = append(s.mechanisms, m)
			}
		}
	}
	return s, nil
}

// read finds the file, and reads its lines "name: value".
func read(dirs []string, name string) (map[string]string, string, error) {
	for _, dir := range dirs {
		file := filepath.Join(dir, name)
		data, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, file, err
		}
		options := map[string]string{}
		for line := range strings.Lines(string(data)) {
			option, value, ok := strings.Cut(line, ":")
			if option = strings.TrimSpace(option); ok && !strings.HasPrefix(option, "#") {
				options[strings.ToLower(option)] = strings.TrimSpace(value)
			}
		}
		return options, file, nil
	}
	return nil, "", fmt.Errorf("no %s in %s", name, strings.Join(dirs, ":"))
}

// Mechanisms are those of mech_list that are known here.
func (s *Server) Mechanisms() ([]sasl.Mechanism, error) { return s.mechanisms, nil }

// Begin begins an attempt.
func (s *Server) Begin(who sasl.Session, mechanism string, initial *string) (sasl.Exchange, sasl.Result) {
	x := &exchange{Server: s, who: who, step: plain}
	if mechanism == "LOGIN" {
		x.step = user
	}
	if initial == nil {
		if mechanism == "LOGIN" {
			return x, ask("Username:")
		}
		return x, ask("")
	}
	return x, x.Next(strings.TrimPrefix(*initial, "="))
}

// An exchange is one attempt.
type exchange struct {
	*Server
	who  sasl.Session
	step func(x *exchange, said string) sasl.Result
	name string
}

func ask(challenge string) sasl.Result {
	return sasl.Result{Status: sasl.More, Text: base64.StdEncoding.EncodeToString([]byte(challenge))}
}

var malformed = sasl.Result{Text: "bad protocol / cancel"}

func (x *exchange) Next(response string) sasl.Result {
	said, err := base64.StdEncoding.DecodeString(response)
	if err != nil || len(said) > 3*longest {
		return malformed
	}
	return x.step(x, string(said))
}

func plain(x *exchange, said string) sasl.Result {
	fields := strings.Split(said, "\x00")
	if len(fields) != 3 || fields[1] == "" || fields[2] == "" {
		return malformed
	}
	if fields[0] != "" && fields[0] != fields[1] {
		return sasl.Result{Text: "authentication failure", User: &fields[0]} // to act for others is not possible
	}
	return x.verify(fields[1], fields[2])
}

func user(x *exchange, said string) sasl.Result {
	if said == "" {
		return malformed
	}
	x.name, x.step = said, password
	return ask("Password:")
}

func password(x *exchange, said string) sasl.Result { return x.verify(x.name, said) }

// verify asks the daemon. A domain in the name is its realm.
func (x *exchange) verify(name, secret string) sasl.Result {
	if len(name) > longest || len(secret) > longest || strings.ContainsRune(name+secret, 0) {
		return malformed
	}
	local, realm := name, x.who.Realm
	if i := strings.LastIndexByte(name, '@'); i >= 0 {
		local, realm = name[:i], name[i+1:]
	} else if realm != "" {
		name += "@" + realm
	}
	answer, err := x.ask(local, secret, x.who.Service, realm)
	switch {
	case err != nil:
		msg.Warn("SASL authentication failure: %v", err)
		return sasl.Result{Status: sasl.Temporary, Text: "generic failure", User: &name}
	case !strings.HasPrefix(answer, "OK"):
		return sasl.Result{Text: "authentication failure", User: &name}
	}
	return sasl.Result{Status: sasl.Done, User: &name}
}

// ask sends four strings with their lengths, and reads one.
func (s *Server) ask(fields ...string) (string, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	conn := stream.FD(fd)
	defer conn.Close()
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: s.socket}); err != nil {
		return "", fmt.Errorf("cannot connect to saslauthd server: %s: %s", s.socket, reason(err))
	}
	conn.SetTimeout(timeout)
	var request []byte
	for _, f := range fields {
		request = append(binary.BigEndian.AppendUint16(request, uint16(len(f))), f...)
	}
	if _, err := conn.Write(request); err != nil {
		return "", fmt.Errorf("write to saslauthd server: %s", reason(err))
	}
	var length [2]byte
	_, err = io.ReadFull(conn, length[:])
	answer := make([]byte, min(int(binary.BigEndian.Uint16(length[:])), longest))
	if err == nil {
		_, err = io.ReadFull(conn, answer)
	}
	if err != nil {
		return "", fmt.Errorf("read from saslauthd server: %s", reason(err))
	}
	return string(answer), nil
}

// reason is the text of a system error as mail logs have it: "Connection refused".
func reason(err error) string {
	var errno syscall.Errno
	text := err.Error()
	if errors.As(err, &errno) {
		text = errno.Error()
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
