package record

import (
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
)

// pointerJumps is how often a reader goes backwards before it gives up.
const pointerJumps = 10000

// chunk is the size of one read; most queue files fit in it.
const chunk = 8 * 1024

// longest is the largest record that a reader of queue files takes. Writers
// limit records to line_length_limit and header_size_limit.
const longest = 16 << 20

// A Reader reads the records of a queue file. Pointers are followed and
// padding is skipped, so that its user sees one stream.
type Reader struct {
	Raw bool // return pointers and padding as they stand

	src    io.ReaderAt
	buf    []byte
	base   int64 // file offset of buf[0]
	at     int64 // file offset of the next record
	start  int64 // file offset of the record returned last
	jumps  int
	filled int
}

// NewReader returns a reader that starts at offset 0.
func NewReader(src io.ReaderAt) *Reader { return &Reader{src: src, buf: make([]byte, chunk)} }

// Reset starts over with another file; the buffer is kept.
func (r *Reader) Reset(src io.ReaderAt) {
	*r = Reader{src: src, buf: r.buf}
}

// Offset is where the record returned last begins.
func (r *Reader) Offset() int64 { return r.start }

// Tell is where the next record begins.
func (r *Reader) Tell() int64 { return r.at }

// SeekTo makes the reader go on at offset.
func (r *Reader) SeekTo(offset int64) { r.at = offset }

// Next returns the next record. Data is valid until the next call. At the end
// of the file the error is io.EOF, in the middle of a record
// io.ErrUnexpectedEOF.
func (r *Reader) Next() (Type, []byte, error) {
	for {
		t, data, err := r.one()
		if err != nil || r.Raw {
			return t, data, err
		}
		switch t {
		case Padding:
		case Pointer:
			if err := r.follow(data); err != nil {
				return 0, nil, err
			}
		default:
			return t, data, nil
		}
	}
}

func (r *Reader) follow(data []byte) error {
	target, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	if err != nil || target < 0 {
		return fmt.Errorf("offset %d: %w", r.start, ErrPointer)
	}
	if target == 0 {
		return nil
	}
	if target <= r.start {
		if r.jumps++; r.jumps > pointerJumps {
			return fmt.Errorf("offset %d: %w", r.start, ErrPointer)
		}
	}
	r.at = target
	return nil
}

func (r *Reader) one() (Type, []byte, error) {
	r.start = r.at
	for {
		in := r.window()
		t, data, n, err := Parse(in)
		if err != nil {
			return 0, nil, fmt.Errorf("offset %d: %w", r.start, err)
		}
		if n > 0 {
			r.at += int64(n)
			return t, data, nil
		}
		if len(in) > longest {
			return 0, nil, fmt.Errorf("offset %d: %w", r.start, ErrLength)
		}
		if err := r.fill(); err != nil {
			if err == io.EOF && len(in) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return 0, nil, err
		}
	}
}

// window is what the buffer holds from the next record on.
func (r *Reader) window() []byte {
	from := r.at - r.base
	if from < 0 || from > int64(r.filled) {
		r.base, r.filled = r.at, 0
		return nil
	}
	return r.buf[from:r.filled]
}

// fill reads more behind the window, which it moves to the front.
func (r *Reader) fill() error {
	left := copy(r.buf, r.window())
	r.base, r.filled = r.at, left
	if left == len(r.buf) {
		r.buf = append(r.buf, make([]byte, len(r.buf))...)
	}
	n, err := r.src.ReadAt(r.buf[left:], r.base+int64(left))
	r.filled += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.EOF
	}
	return err
}

// A Record is one record with its place in the file.
type Record struct {
	Type   Type
	Data   []byte // valid until the next record is read
	Offset int64
}

// All ranges over the records of a queue file up to and including the End
// record. A file that stops before it gives io.ErrUnexpectedEOF.
func All(src io.ReaderAt) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		r := NewReader(src)
		for {
			t, data, err := r.Next()
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			if !yield(Record{t, data, r.Offset()}, err) || err != nil || t == End {
				return
			}
		}
	}
}
