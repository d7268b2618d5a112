package text

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// DefaultLimit is how long a logical line may be when the caller has no other
// wish.
const DefaultLimit = 16 << 20

// ErrTooLong is what a logical line over the limit gives.
var ErrTooLong = errors.New("logical line is too long")

// A Line is a logical line: a line with the lines that continue it.
type Line struct {
	Text  string // without newlines; white space at the begin is kept
	First int    // number of its first line, counted from 1
	Last  int    // number of its last line
}

// Lines reads logical lines, the form of all configuration files and tables:
// a line that begins with white space continues the line before it; lines that
// are empty and lines whose first non-blank character is # are skipped, also
// between a line and its continuation.
//
// A continuation keeps its white space, so what it is joined to is still apart
// from it. Only the first text of a file can begin with white space: there is
// nothing that it could continue.
type Lines struct {
	r     *bufio.Reader
	limit int
	at    int // lines read so far
	line  []byte
}

// NewLines reads logical lines of at most limit bytes from r; limit 0 means
// DefaultLimit. No more memory is used than the longest line needs.
func NewLines(r io.Reader, limit int) *Lines {
	if limit <= 0 {
		limit = DefaultLimit
	}
	return &Lines{r: bufio.NewReaderSize(r, 32<<10), limit: limit}
}

// Next returns the next logical line, and io.EOF after the last one. The text
// has no white space at its end.
func (l *Lines) Next() (Line, error) {
	l.line = l.line[:0]
	var line Line
	for {
		mark := len(l.line)
		err := l.physical()
		if err != nil && err != io.EOF {
			return Line{}, err
		}
		switch piece := l.line[mark:]; {
		case skipped(piece):
			l.line = l.line[:mark]
		default:
			l.line = append(l.line[:mark], trimNewline(piece)...)
			if line.First == 0 {
				line.First = l.at
			}
			line.Last = l.at
		}
		if err == io.EOF {
			break
		}
		if line.First != 0 && !l.continues() {
			break
		}
	}
	if line.First == 0 {
		return Line{}, io.EOF
	}
	line.Text = string(trimRight(l.line))
	return line, nil
}

// physical appends one line of the file to l.line.
func (l *Lines) physical() error {
	mark := len(l.line)
	for {
		piece, err := l.r.ReadSlice('\n')
		if len(l.line)+len(piece) > l.limit {
			l.at++
			return fmt.Errorf("line %d: %w: more than %d bytes", l.at, ErrTooLong, l.limit)
		}
		l.line = append(l.line, piece...)
		if err != bufio.ErrBufferFull {
			if len(l.line) > mark {
				l.at++
			}
			return err
		}
	}
}

// continues says whether the line that follows may belong to this one: it begins
// with white space, or it is a comment, after which one may come that does.
func (l *Lines) continues() bool {
	next, err := l.r.Peek(1)
	return err == nil && (IsBlank(next[0]) || next[0] == '#')
}

// skipped says whether a line is empty or a comment.
func skipped(line []byte) bool {
	for _, c := range line {
		if !IsBlank(c) {
			return c == '#'
		}
	}
	return true
}

func trimNewline(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		return line[:n-1]
	}
	return line
}

func trimRight(line []byte) []byte {
	n := len(line)
	for n > 0 && IsBlank(line[n-1]) {
		n--
	}
	return line[:n]
}
