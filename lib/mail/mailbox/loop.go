package mailbox

import (
	"io"
	"strings"

	"postrider/lib/base/text"
	"postrider/lib/mail/address"
	"postrider/lib/mail/record"
)

// A Seen is a set of addresses for which a message was delivered before.
type Seen map[string]bool

// Has reports whether the address, in internal form, is in the set.
func (s Seen) Has(addr string) bool { return s[text.Fold(addr)] }

// maxSeen is the most Delivered-To headers that are remembered.
const maxSeen = 1000

// DeliveredTo reads the Delivered-To headers of a message. The error is a
// *SourceError.
func DeliveredTo(source io.ReaderAt, offset int64) (Seen, error) {
	seen := Seen{}
	var line []byte
	for t, data := range (Message{Source: source, Offset: offset}).records() {
		switch t {
		case record.Continued:
			line = append(line, data...)
			continue
		case record.Text:
			line = append(line, data...)
		case broken:
			return nil, &SourceError{io.ErrUnexpectedEOF}
		default:
			return seen, nil
		}
		if name, value, ok := strings.Cut(string(line), ":"); ok && strings.EqualFold(name, "Delivered-To") {
			seen[text.Fold(address.Unquote(text.Trim(value)))] = true
		}
		if endOfHeaders(line) || len(seen) >= maxSeen {
			return seen, nil
		}
		line = line[:0]
	}
	return seen, nil
}

// endOfHeaders recognises the first line that is neither a header nor the
// continuation of one.
func endOfHeaders(line []byte) bool {
	if len(line) == 0 {
		return true
	}
	if line[0] == ' ' || line[0] == '\t' {
		return false
	}
	for i, c := range line {
		if c == ':' {
			return i == 0
		}
		if c <= ' ' || c >= 0x7f {
			return true
		}
	}
	return true
}
