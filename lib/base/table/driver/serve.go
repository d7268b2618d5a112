package driver

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"postrider/lib/base/attr"
	"postrider/lib/base/stream"
	"postrider/lib/base/table"
	"postrider/lib/base/table/settings"
)

// Requests and the status of replies.
const (
	openRequest   = "open"
	lookupRequest = "lookup"
	parameterMark = "parameter " // in front of a parameter's name
	statusFound   = "found"
	statusNone    = "none"
	statusFailed  = "failed"
	statusMistake = "mistake"
)

// socket is the program's end of the pair.
const socket = 3

// An Opener opens a table with its parameters. It need not reach the database yet.
type Opener func(s *settings.Settings) (table.Table, error)

// A server answers the requests of one process.
type server struct {
	open   Opener
	tables map[string]table.Table
}

// warnings are what the process shall log with the next reply.
var warnings []string

// Warn makes the process that asks log a warning.
func Warn(format string, args ...any) { warnings = append(warnings, fmt.Sprintf(format, args...)) }

// Serve is the main function of a program that does the work of a table type.
func Serve(open Opener) {
	var st syscall.Stat_t
	if err := syscall.Fstat(socket, &st); err != nil || st.Mode&syscall.S_IFMT != syscall.S_IFSOCK {
		fmt.Fprintf(os.Stderr, "%s: this program is started by those that look up tables\n", os.Args[0])
		os.Exit(1)
	}
	syscall.CloseOnExec(socket)
	serve(open, stream.New(stream.FD(socket)))
}

// serve answers until the other side has gone.
func serve(open Opener, conn *stream.Stream) {
	s := &server{open: open, tables: make(map[string]table.Table)}
	for {
		request, err := attr.ReadList(conn, 0)
		if err != nil {
			return
		}
		reply := result(s.answer(request))
		for _, text := range warnings {
			reply = append(reply, attr.Attr{Name: "warning", Value: text})
		}
		warnings = nil
		if send(conn, reply) != nil || conn.Flush() != nil {
			return
		}
	}
}

func (s *server) answer(request attr.List) (value string, found bool, err error) {
	number := request.Get("table")
	if request.Get("request") == openRequest {
		t, err := s.open(received(request))
		if err != nil {
			return "", false, err
		}
		s.tables[number] = t
		return "", true, nil
	}
	t := s.tables[number]
	if t == nil {
		return "", false, errors.New("no such table")
	}
	return t.Lookup(request.Get("key"))
}

// received takes the parameters out of a request.
func received(request attr.List) *settings.Settings {
	s := &settings.Settings{Table: request.Get("spec"), Values: make(map[string]string)}
	s.Main, _ = strconv.ParseBool(request.Get("main"))
	for _, a := range request {
		if name, ok := strings.CutPrefix(a.Name, parameterMark); ok {
			s.Values[name] = a.Value
		}
	}
	return s
}

// result makes a reply.
func result(value string, found bool, err error) attr.List {
	status := statusNone
	switch {
	case err != nil:
		status, value = statusFailed, err.Error()
		if table.IsMistake(err) {
			status = statusMistake
		}
	case found && strings.IndexByte(value, 0) >= 0:
		status, value = statusFailed, "there is a NUL in the value"
	case found:
		status = statusFound
	}
	return attr.List{{Name: "status", Value: status}, {Name: "value", Value: value}}
}

// send writes a list. NUL cannot be in it: what comes from files and databases is
// cut there.
func send(conn *stream.Stream, list attr.List) error {
	for _, a := range list {
		for _, text := range []string{a.Name, a.Value} {
			text, _, _ = strings.Cut(text, "\x00")
			conn.WriteString(text)
			conn.WriteByte(0)
		}
	}
	return conn.WriteByte(0)
}
