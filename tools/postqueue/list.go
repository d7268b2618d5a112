package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/service/ipc"
	"postrider/lib/service/showq"
)

// A message is what the listing says about one, without its recipients.
type message struct {
	queue, id string
	time      int64
	size      int64
	expire    bool
	sender    string
}

// A recipient still needs delivery.
type recipient struct {
	original string // only some versions of showq(8) tell it
	address  string
	class    string // "", "defer", "bounce"; only some versions tell it
	reason   string // why it waits, "" when that is not known
}

// A printer gets the parts of the listing in order.
type printer interface {
	message(message)
	recipient(recipient)
	endMessage()
	end()
}

// list prints the queue.
func list(p printer) {
	s, wait, err := connect()
	if err == nil {
		err = read(s, p)
	}
	s.Close()
	if e := wait(); err == nil {
		err = e
	}
	if err != nil {
		fatal("malformed %s server response: %v", conf.ShowqServiceName, err)
	}
}

// connect reaches the showq service, which says hello. When it is not there, or
// goes at this moment, the superuser looks at the queue with the same program, run
// by hand.
func connect() (s *stream.Stream, wait func() error, err error) {
	s, err = ipc.Dial("public/"+conf.ShowqServiceName, time.Hour)
	if err == nil {
		if err = ipc.Expect(s, showq.Protocol); !errors.Is(err, syscall.ECONNRESET) {
			return s, func() error { return nil }, err
		}
		s.Close()
	}
	var errno syscall.Errno
	errors.As(err, &errno)
	trouble := fmt.Sprintf("Connect to the %s %s service: %s", conf.MailName, conf.ShowqServiceName, sentence(errno))
	if errno == syscall.EACCES {
		fatal("%s", trouble)
	}
	if os.Geteuid() != 0 {
		fatal("Queue report unavailable - mail system is down (%s)", trouble)
	}
	msg.Warn("Mail system is down -- accessing queue directly (%s)", trouble)
	program := exec.Command(filepath.Join(conf.DaemonDirectory, "showq"), "-u", "-S")
	program.Stderr = os.Stderr
	out, err := program.StdoutPipe()
	if err == nil {
		err = program.Start()
	}
	if err != nil {
		fatal("run %s: %v", program.Path, err)
	}
	s = stream.New(oneWay{out})
	return s, program.Wait, ipc.Expect(s, showq.Protocol)
}

// sentence is the text of a system error, as everybody knows it.
func sentence(errno syscall.Errno) string {
	text := errno.Error()
	return string(text[0]-'a'+'A') + text[1:]
}

// oneWay is the output of a program.
type oneWay struct{ io.ReadCloser }

func (oneWay) Write([]byte) (int, error)      { return 0, errors.ErrUnsupported }
func (oneWay) SetTimeout(time.Duration) error { return nil }

// valueLimit is the longest attribute.
const valueLimit = 256 * 1024

// read takes the listing apart, attribute by attribute: a message may have any
// number of recipients. Names that are not known are passed over.
func read(s *stream.Stream, p printer) error {
	for {
		name, err := word(s)
		if err != nil {
			return err
		}
		if name == "" {
			p.end()
			return nil
		}
		if err := readMessage(s, p, name); err != nil {
			return err
		}
		p.endMessage()
	}
}

// readMessage reads one message, whose first attribute has the name.
func readMessage(s *stream.Stream, p printer, name string) error {
	var m message
	var r recipient
	seen := 0
	for name != "" {
		value, err := word(s)
		if err != nil {
			return err
		}
		bit, begun := field(name), seen == complete
		switch {
		case seen&bit != 0:
			return fmt.Errorf("attribute %s came twice", name)
		case bit != 0:
			if err := m.set(name, value); err != nil {
				return err
			}
			if seen |= bit; seen == complete {
				p.message(m)
			}
		case !begun:
		case name == "original_recipient":
			r = recipient{original: value}
		case name == "recipient":
			r.address = value
		case name == "log_class":
			r.class = value
		case name == "reason":
			r.reason = value
			p.recipient(r)
			r = recipient{}
		}
		if name, err = word(s); err != nil {
			return err
		}
	}
	if seen != complete {
		return errors.New("a message lacks attributes")
	}
	return nil
}

// names are the attributes of a message; complete has a bit for each.
var names = [...]string{"queue_name", "queue_id", "time", "size", "forced_expire", "sender"}

const complete = 1<<len(names) - 1

func field(name string) int {
	for i, n := range names {
		if n == name {
			return 1 << i
		}
	}
	return 0
}

func (m *message) set(name, value string) (err error) {
	switch name {
	case "queue_name":
		m.queue = value
	case "queue_id":
		m.id = value
	case "sender":
		m.sender = value
	case "time":
		m.time, err = number(value)
	case "size":
		m.size, err = number(value)
	case "forced_expire":
		m.expire = value != "0"
	}
	return err
}

// number reads a number that was sent without its sign.
func number(text string) (int64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%.40q is no number", text)
	}
	return int64(n), nil
}

func word(s *stream.Stream) (string, error) {
	b, err := s.ReadSlice(0, valueLimit)
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return "", err
	}
	return msg.Printable(string(b[:len(b)-1])), nil
}
