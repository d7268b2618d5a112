// Package dialogue reads the lines of SMTP conversations.
//
// Sources: RFC 5321, section 4.2; RFC 2034 (enhanced status codes).
package dialogue

import (
	"errors"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/mail/dsn"
)

// A Reply is what a server answers to a command.
type Reply struct {
	Code   int        // 250
	Status dsn.Status // "2.1.5"; made from the code when the server gives none
	Lines  []string   // whole lines with their codes, made printable
}

// Class is the first digit of the code: 2, 3, 4 or 5.
func (r Reply) Class() int { return r.Code / 100 }

// Text is the reply on one line, for logs and notices.
func (r Reply) Text() string { return strings.Join(r.Lines, " ") }

// lineLimit is the length of a reply line that is kept: four times what RFC 5321
// allows. What is longer is cut off. A reply keeps at most keptLines lines.
const (
	lineLimit = 2048
	keptLines = 200
)

// ErrNotSMTP says that a line has no reply code.
var ErrNotSMTP = errors.New("not a reply")

// A Reader reads the replies of one server.
type Reader struct {
	Stream *stream.Stream

	// Strict makes a line without code an error. Otherwise such lines are
	// skipped. With pipelined commands there is no way to tell to which
	// of them what follows would belong.
	Strict bool

	// Junk is told of lines that are no replies.
	Junk func(line string)

	// Filter may change a line before it is looked at.
	Filter func(line string) string
}

// Read reads one reply. Errors are those of the stream, or ErrNotSMTP; then the
// reply holds the strange line.
func (r *Reader) Read() (Reply, error) {
	var reply Reply
	for junk := 0; ; {
		line, err := r.line()
		if err != nil {
			return reply, err
		}
		code, last := parse(line)
		if code == 0 {
			if r.Junk != nil {
				r.Junk(line)
			}
			if junk++; r.Strict || junk == keptLines {
				return Reply{Status: "4.5.0", Lines: []string{line}}, ErrNotSMTP
			}
			continue
		}
		if len(reply.Lines) < keptLines {
			reply.Lines = append(reply.Lines, line)
		}
		if last {
			reply.Code = code
			reply.Status = status(code, line)
			return reply, nil
		}
	}
}

// line reads one line, without its end.
func (r *Reader) line() (string, error) {
	b, err := r.Stream.ReadSlice('\n', lineLimit)
	line := string(b)
	for errors.Is(err, stream.ErrTooLong) {
		_, err = r.Stream.ReadSlice('\n', lineLimit)
	}
	if err != nil {
		return "", err
	}
	line = strings.TrimSuffix(line, "\n")
	line = strings.TrimSuffix(line, "\r")
	if r.Filter != nil {
		line = r.Filter(line)
	}
	return msg.Printable(line), nil
}

// parse finds the code of a reply line, and whether it is the last one. Code 0
// means that there is none; codes beyond the standards are up to the caller.
func parse(line string) (code int, last bool) {
	if len(line) < 3 || len(line) > 3 && line[3] != ' ' && line[3] != '-' {
		return 0, false
	}
	for _, c := range []byte(line[:3]) {
		if c < '0' || c > '9' {
			return 0, false
		}
		code = 10*code + int(c-'0')
	}
	return code, len(line) == 3 || line[3] == ' '
}

// status takes the enhanced code of a line. One of another class than the
// reply's code is not believed.
func status(code int, line string) dsn.Status {
	class := line[:1]
	if class < "2" || class > "5" {
		return "5.5.0" // a code that no standard knows
	}
	general := dsn.Status(class + ".0.0")
	if len(line) < 5 || code/100 == 3 {
		return general
	}
	found, _ := dsn.Split(line[4:], general)
	if string(found[:1]) != class {
		return general
	}
	return found
}
