package record

import (
	"fmt"
	"strconv"
	"strings"
)

// Sizes are the numbers of the size record, the first of a queue file.
type Sizes struct {
	Span       int64 // from the end of the M record to the X record
	DataOffset int64 // of the first byte after the M record
	Recipients int64 // R, D and / records
	Flags      int64 // FlagMixed, and notify flags shifted left by one
	Content    int64 // what log lines call size=
	SMTPUTF8   int64 // UTF8 flags, and those for TLS
}

// FlagMixed says that other records stand between the recipients.
const FlagMixed = 1

// SMTPUTF8 flags of a message.
const (
	UTF8Requested = 1
	UTF8Header    = 2
	UTF8Sender    = 4
	UTF8Recipient = 8
	UTF8Any       = UTF8Requested | UTF8Header | UTF8Sender | UTF8Recipient
)

// Flags in the same number: what the sender wants of TLS. RFC 8689.
const (
	TLSOptional = 16 // header "TLS-Required: no"
	RequireTLS  = 32 // MAIL FROM with REQUIRETLS
)

// String is the data of the record: six numbers of 15 columns.
func (s Sizes) String() string {
	return strings.Join([]string{Number(s.Span), Number(s.DataOffset), Number(s.Recipients),
		Number(s.Flags), Number(s.Content), Number(s.SMTPUTF8)}, " ")
}

// Asked is the size record of a message that has not been queued yet, with what
// its sender asked for: SMTPUTF8 flags.
func Asked(flags int64) string { return Sizes{-1, -1, -1, -1, -1, flags}.String() }

// AskedFor returns the SMTPUTF8 flags of a size record, of whatever kind.
func AskedFor(data []byte) (flags int64) {
	if words := strings.Fields(string(data)); len(words) >= 6 {
		flags, _ = strconv.ParseInt(words[5], 10, 64) // other things mean nothing
	}
	return flags
}

// ParseSizes reads three to six numbers; older systems wrote fewer.
func ParseSizes(data []byte) (Sizes, error) {
	words := strings.Fields(string(data))
	var s Sizes
	into := []*int64{&s.Span, &s.DataOffset, &s.Recipients, &s.Flags, &s.Content, &s.SMTPUTF8}
	if len(words) < 3 {
		return s, fmt.Errorf("size record %q: at least three numbers are needed", data)
	}
	for i, word := range words[:min(len(words), len(into))] {
		n, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return s, fmt.Errorf("size record %q: %w", data, err)
		}
		*into[i] = n
	}
	if s.Span <= 0 || s.DataOffset <= 0 {
		return s, fmt.Errorf("size record %q: impossible offsets", data)
	}
	if s.Content == 0 {
		s.Content = s.Span
	}
	return s, nil
}

// PseudoTypes are the attributes that stand for a record type of their own.
var PseudoTypes = map[string]Type{
	"create_time":   CreateTime,
	"envelope_id":   EnvelopeID,
	"ret_flags":     ReturnFlags,
	"notify_flags":  NotifyFlags,
	"dsn_orig_rcpt": OriginalRecipient,
}

// SplitAttribute takes "name=value" apart. Without = or name ok is false.
func SplitAttribute(data []byte) (name, value string, ok bool) {
	name, value, ok = strings.Cut(string(data), "=")
	return strings.TrimSpace(name), strings.TrimSpace(value), ok && name != ""
}
