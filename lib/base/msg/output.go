package msg

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// An Output takes one finished line. The text has no level prefix yet.
type Output func(level Level, text string)

var outputs = []Output{stderrOutput(programName())}

// Options say where messages go.
type Options struct {
	Program  string // "smtpd"; part of the log identity
	Name     string // syslog_name: "postfix", "postfix/submission"
	Facility string // syslog_facility; "mail" when empty
	Stderr   bool   // also to standard error
	Postlog  string // path of the postlog service socket; instead of syslog
	Host     string // first label of the host name, for postlog
	NoSyslog bool   // only standard error

	// Direct gets the lines that the postlog service does not take at once,
	// in the form that it would have written them; nil for syslog. A program
	// that the service itself depends on must set it, or it may wait forever.
	Direct func(line []byte)
}

// SyslogSocket is where the system's log daemon listens.
const SyslogSocket = "/dev/log"

// Open sends all later messages where o says. It may be called again when the
// final name of the program is known.
func Open(o Options) {
	name := o.Program
	if o.Name != "" {
		name = o.Name + "/" + o.Program
	}
	closeSockets()
	var list []Output
	switch {
	case o.Postlog != "":
		list = append(list, postlogOutput(o, name))
	case !o.NoSyslog:
		list = append(list, syslogOutput(name, facility(o.Facility)))
		sockets[0].send(nil) // connect now, while the path can be reached
	}
	if o.Stderr {
		list = append(list, stderrOutput(o.Program))
	}
	outputs = list
}

// SetOutput replaces all outputs by one of the caller's, for tests and for the
// log daemon itself. It returns a function that puts the old ones back.
func SetOutput(out Output) (restore func()) {
	old := outputs
	outputs = []Output{out}
	return func() { outputs = old }
}

// Prefix is the word that stands before the text of a message: "warning: ".
func (l Level) Prefix() string { return levels[l].prefix }

func programName() string {
	name := os.Args[0]
	return name[strings.LastIndexByte(name, '/')+1:]
}

func stderrOutput(program string) Output {
	return func(level Level, text string) {
		os.Stderr.WriteString(program + ": " + levels[level].prefix + text + "\n")
	}
}

var facilities = map[string]int{
	"kern": 0, "user": 1, "mail": 2, "daemon": 3, "auth": 4, "security": 4, "syslog": 5, "lpr": 6,
	"news": 7, "uucp": 8, "cron": 9, "authpriv": 10, "ftp": 11,
	"local0": 16, "local1": 17, "local2": 18, "local3": 19,
	"local4": 20, "local5": 21, "local6": 22, "local7": 23,
}

// ValidFacility reports whether name is a syslog facility.
func ValidFacility(name string) bool { _, ok := facilities[name]; return ok }

func facility(name string) int {
	if n, ok := facilities[name]; ok {
		return n
	}
	return facilities["mail"]
}

// syslogOutput writes the traditional form: <priority>time tag[pid]: text.
func syslogOutput(tag string, facility int) Output {
	s := &socket{path: SyslogSocket}
	sockets = append(sockets, s)
	var stamp stamp
	ident := " " + tag + "[" + strconv.Itoa(os.Getpid()) + "]: "
	line := make([]byte, 0, 512)
	return func(level Level, text string) {
		line = append(line[:0], '<')
		line = strconv.AppendInt(line, int64(facility<<3|levels[level].severity), 10)
		line = append(line, '>')
		line = append(line, stamp.now()...)
		line = append(line, ident...)
		line = append(line, levels[level].prefix...)
		line = append(line, text...)
		s.send(line)
	}
}

// postlogOutput writes the datagrams that postlogd(8) copies into its file.
func postlogOutput(o Options, tag string) Output {
	s := &socket{path: o.Postlog, impatient: o.Direct != nil}
	sockets = append(sockets, s)
	var stamp stamp
	fallback := syslogOutput(tag, facility(o.Facility))
	host, _, _ := strings.Cut(o.Host, ".")
	ident := " " + host + " " + tag + "[" + strconv.Itoa(os.Getpid()) + "]: "
	line := make([]byte, 0, 512)
	s.send(nil) // connect now: a chroot jail puts the path out of reach
	return func(level Level, text string) {
		line = append(line[:0], stamp.now()...)
		line = append(line, ident...)
		line = append(line, levels[level].prefix...)
		line = append(line, text...)
		switch {
		case s.send(line):
		case o.Direct != nil:
			o.Direct(line)
		default:
			fallback(level, text)
		}
	}
}

// A stamp is the time of a log line, "Jan _2 15:04:05", made once a second.
type stamp struct {
	second int64
	text   string
}

func (s *stamp) now() string {
	t := time.Now()
	if sec := t.Unix(); sec != s.second {
		s.second, s.text = sec, t.Format(time.Stamp)
	}
	return s.text
}

var sockets []*socket

func closeSockets() {
	for _, s := range sockets {
		s.close()
	}
	sockets = nil
}

// A socket sends datagrams to a path, and connects again when the log daemon
// was restarted. It stays connected through chroot.
type socket struct {
	path string
	fd   int
	open bool

	impatient bool // do not wait until the log daemon has room
}

func (s *socket) send(line []byte) bool {
	for try := 0; try < 2; try++ {
		if !s.open && !s.connect() {
			return false
		}
		if line == nil {
			return true
		}
		err := syscall.EINTR
		for err == syscall.EINTR {
			_, err = errno(syscall.Write(s.fd, line))
		}
		if err == 0 {
			return true
		}
		if err == syscall.EAGAIN {
			return false
		}
		s.close()
	}
	return false
}

func errno(n int, err error) (int, syscall.Errno) {
	if err == nil {
		return n, 0
	}
	if e, ok := err.(syscall.Errno); ok {
		return n, e
	}
	return n, syscall.EIO
}

func (s *socket) connect() bool {
	kind := syscall.SOCK_DGRAM | syscall.SOCK_CLOEXEC
	if s.impatient {
		kind |= syscall.SOCK_NONBLOCK
	}
	fd, err := syscall.Socket(syscall.AF_UNIX, kind, 0)
	if err != nil {
		return false
	}
	if syscall.Connect(fd, &syscall.SockaddrUnix{Name: s.path}) != nil {
		syscall.Close(fd)
		return false
	}
	s.fd, s.open = fd, true
	return true
}

func (s *socket) close() {
	if s.open {
		syscall.Close(s.fd)
		s.open = false
	}
}
