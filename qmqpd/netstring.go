package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"postrider/lib/base/stream"
)

// A reader takes a package apart. A netstring is a length in decimal, a colon, as
// many bytes, and a comma; the package is one, with others in it.
// Source: D. J. Bernstein, Netstrings, 1997; and QMQP.
type reader struct {
	*stream.Stream
	left  int64  // bytes of the package that have not come yet
	doing string // what is being received, for the log
}

// Trouble with what a client sends.
var (
	errFormat = errors.New("netstring format error")
	errTooBig = errors.New("netstring length exceeds storage limit")
)

// A trouble is an error while something was received.
type trouble struct {
	error
	doing string
}

func (t trouble) Unwrap() error { return t.error }

func (t trouble) Error() string {
	words := t.error.Error()
	switch {
	case errors.Is(t.error, stream.ErrTimeout):
		words = "read/write timeout"
	case !t.ofClient():
		words = "lost connection"
	}
	return fmt.Sprintf("%s while receiving %s", words, t.doing)
}

// ofClient tells whether the client waits for an answer.
func (t trouble) ofClient() bool {
	return errors.Is(t.error, errFormat) || errors.Is(t.error, errTooBig)
}

// mostDigits is how long a length can be.
const mostDigits = 18

// length reads a length and its colon.
func (r *reader) length() (n int64, err error) {
	var digits []byte
	for {
		c, err := r.ReadByte()
		if err != nil {
			return 0, r.lost(err)
		}
		r.left--
		if c == ':' && len(digits) > 0 {
			n, err = strconv.ParseInt(string(digits), 10, 64)
			return n, r.wrap(err)
		}
		if c < '0' || c > '9' || len(digits) == mostDigits || len(digits) == 1 && digits[0] == '0' {
			return 0, r.wrap(errFormat)
		}
		digits = append(digits, c)
	}
}

// begin reads the length of the package.
func (r *reader) begin() error {
	r.doing = "QMQP packet header"
	n, err := r.length()
	r.left = n
	return err
}

// field reads one netstring of at most limit bytes.
func (r *reader) field(what string, limit int64) ([]byte, error) {
	r.doing = what
	if r.left <= 0 {
		return nil, r.wrap(errFormat)
	}
	n, err := r.length()
	switch {
	case err != nil:
		return nil, err
	case n > limit:
		return nil, r.wrap(errTooBig)
	case n+1 > r.left:
		return nil, r.wrap(errFormat)
	}
	data := make([]byte, 0, min(n, 64<<10))
	for int64(len(data)) < n {
		piece, err := r.Next(int(min(n-int64(len(data)), 16<<10)))
		if err != nil {
			return nil, r.lost(err)
		}
		data = append(data, piece...)
	}
	r.left -= n
	return data, r.comma()
}

// comma reads the end of a netstring.
func (r *reader) comma() error {
	c, err := r.ReadByte()
	if err != nil {
		return r.lost(err)
	}
	r.left--
	if c != ',' {
		return r.wrap(errFormat)
	}
	return nil
}

// more tells whether there are more fields in the package.
func (r *reader) more() bool { return r.left > 0 }

func (r *reader) wrap(err error) error {
	if err == nil {
		return nil
	}
	return trouble{err, r.doing}
}

func (r *reader) lost(err error) error {
	if !errors.Is(err, stream.ErrTimeout) {
		err = io.ErrUnexpectedEOF
	}
	return trouble{err, r.doing}
}
