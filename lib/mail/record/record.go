// Package record reads and writes the typed records of which queue files,
// maildrop files and the conversation with cleanup(8) consist.
//
// A record is a type byte, a length of one to five bytes (seven bits each,
// lowest first, the high bit says that more follow), and that many bytes.
package record

import (
	"errors"
	"io"
	"strconv"

	"postrider/lib/base/stream"
)

// A Type tells what a record is.
type Type byte

// Record types. L is a filter in the envelope and an unterminated text in the
// content.
const (
	Size              Type = 'C' // counts and offsets, first record
	Time              Type = 'T' // arrival: seconds and microseconds
	FullName          Type = 'F' // of a local sender
	Inspector         Type = 'I' // reserved
	Filter            Type = 'L' // transport:nexthop
	From              Type = 'S' // sender
	Original          Type = 'O' // recipient as first seen
	Recipient         Type = 'R' // to do
	Done              Type = 'D' // was R
	Canceled          Type = '/' // was R
	Warn              Type = 'W' // time of the delay warning
	Attribute         Type = 'A' // name=value
	Killed            Type = 'K' // was A
	Redirect          Type = '>' // replaces all recipients
	Verp              Type = 'V' // delimiters
	Message           Type = 'M' // end of envelope
	Text              Type = 'N' // line, or the last piece of one
	Continued         Type = 'L' // piece of a line
	Padding           Type = 'w'
	Pointer           Type = 'p' // offset to go on at
	Extracted         Type = 'X' // end of content
	ReturnReceipt     Type = 'r'
	ErrorsTo          Type = 'e'
	Priority          Type = 'P'
	End               Type = 'E'
	ReturnFlags       Type = '<' // pseudo types: on disk an Attribute
	EnvelopeID        Type = 'i'
	OriginalRecipient Type = 'o'
	NotifyFlags       Type = 'n'
	CreateTime        Type = 'c'
	CleanupFlags      Type = 'f' // only on a cleanup connection
	Milters           Type = 'm' // only on a cleanup connection
)

// Which types may stand where. Source: queue file format, section 2.3.
const (
	EnvelopeTypes  = "MCTcFILSDRO/WVA>K<ionpw"
	ContentTypes   = "XLNwp"
	ExtractedTypes = "EDRO/PreAFIL>Kionpw<"
)

// names are what postcat(1) calls the types; L in the content has its own.
var names = map[Type]string{
	Size: "message_size", Time: "message_arrival_time", CreateTime: "queue_file_create_time",
	FullName: "sender_fullname", Inspector: "content_inspector", Filter: "content_filter",
	From: "sender", Original: "original_recipient", Recipient: "recipient", Done: "done_recipient",
	Canceled: "canceled_recipient", Warn: "warning_message_time", Attribute: "named_attribute",
	Killed: "killed_record", Redirect: "redirect_to", Verp: "verp_delimiters",
	Message: "message_content", Text: "regular_text", Padding: "padding", Pointer: "pointer_record",
	Extracted: "extracted_info", ReturnReceipt: "return_receipt", ErrorsTo: "errors_to",
	Priority: "priority", End: "message_end", ReturnFlags: "dsn_return_flags",
	EnvelopeID: "dsn_envelope_id", OriginalRecipient: "dsn_original_recipient",
	NotifyFlags: "dsn_notify_flags", CleanupFlags: "flags", Milters: "milter_count",
}

// String is the name that postcat(1) prints in the envelope.
func (t Type) String() string {
	if name, ok := names[t]; ok {
		return name
	}
	return "unknown_record_type"
}

// Errors of readers.
var (
	ErrLength  = errors.New("record length out of range")
	ErrPointer = errors.New("record pointers go round in circles or out of the file")
)

// maxLength is what a length may say at most.
const maxLength = 1<<31 - 1

// Append appends one record.
func Append[T string | []byte](dst []byte, t Type, data T) []byte {
	dst = append(dst, byte(t))
	n := uint(len(data))
	for n >= 0x80 {
		dst = append(dst, byte(n)|0x80)
		n >>= 7
	}
	dst = append(dst, byte(n))
	return append(dst, data...)
}

// Write buffers one record on a stream.
func Write[T string | []byte](s *stream.Stream, t Type, data T) error {
	_, err := s.Write(Append(s.Available(), t, data))
	return err
}

// WriteAttribute buffers a record name=value; an empty value is left out.
func WriteAttribute(s *stream.Stream, name, value string) error {
	if value == "" {
		return nil
	}
	return Write(s, Attribute, name+"="+value)
}

// Read takes one record of at most limit bytes (0: no limit) from a stream.
// Data is valid until the next read. io.EOF stands only between records.
func Read(s *stream.Stream, limit int) (Type, []byte, error) {
	t, err := s.ReadByte()
	if err != nil {
		return 0, nil, err
	}
	n := 0
	for shift := 0; ; shift += 7 {
		c, err := s.ReadByte()
		if err != nil {
			return 0, nil, middle(err)
		}
		n |= int(c&0x7f) << shift
		if c < 0x80 {
			break
		}
		if shift >= 28 {
			return 0, nil, ErrLength
		}
	}
	if n > maxLength || limit > 0 && n > limit {
		return 0, nil, ErrLength
	}
	data, err := s.Next(n)
	if err != nil {
		return 0, nil, middle(err)
	}
	return Type(t), data, nil
}

func middle(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Parse finds the record at the start of b. n is 0 when b holds only a part
// of one.
func Parse(b []byte) (t Type, data []byte, n int, err error) {
	length, shift := 0, 0
	for i := 1; i < len(b); i++ {
		c := b[i]
		length |= int(c&0x7f) << shift
		if c < 0x80 {
			if length > maxLength {
				return 0, nil, 0, ErrLength
			}
			n = i + 1 + length
			if n > len(b) {
				return Type(b[0]), nil, 0, nil
			}
			return Type(b[0]), b[i+1 : n], n, nil
		}
		if shift += 7; shift > 28 {
			return 0, nil, 0, ErrLength
		}
	}
	return 0, nil, 0, nil
}

// Number formats a number in the fixed 15 columns of size, warning time and
// pointer records, so that it can be overwritten in place.
func Number(n int64) string {
	s := strconv.FormatInt(n, 10)
	if pad := 15 - len(s); pad > 0 {
		return "               "[:pad] + s
	}
	return s
}
