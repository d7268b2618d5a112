// Package dsn knows enhanced status codes and delivery status notification
// requests (RFC 3463, RFC 3461).
package dsn

import "strings"

// A Status is an enhanced mail system status code, such as "5.1.1".
// Source: RFC 3463, section 2.
type Status string

// Class is '2' for success, '4' for trouble that may pass, '5' for failure, or
// 0 for a text that is no status.
func (s Status) Class() byte {
	if !s.Valid() {
		return 0
	}
	return s[0]
}

// Valid reports whether s has the form class.subject.detail.
func (s Status) Valid() bool { return length(string(s)) == len(s) && len(s) > 0 }

// WithClass returns s with another class, for soft_bounce and its kind.
func (s Status) WithClass(class byte) Status {
	if len(s) == 0 {
		return s
	}
	return Status(class) + s[1:]
}

// length returns the length of the status code at the start of text, or 0.
func length(text string) int {
	if len(text) < 5 || strings.IndexByte("245", text[0]) < 0 || text[1] != '.' {
		return 0
	}
	n := 2
	for part := range 2 {
		digits := 0
		for n < len(text) && text[n] >= '0' && text[n] <= '9' && digits < 3 {
			n++
			digits++
		}
		if digits == 0 {
			return 0
		}
		if part == 0 {
			if n >= len(text) || text[n] != '.' {
				return 0
			}
			n++
		}
	}
	if n < len(text) && text[n] != ' ' && text[n] != '\t' && text[n] != '\r' && text[n] != '\n' {
		return 0
	}
	return n
}

// Split separates a status code at the start of text from the words after it.
// A text without a code gets the default.
func Split(text string, otherwise Status) (Status, string) {
	text = strings.TrimLeft(text, " \t")
	n := length(text)
	if n == 0 {
		return otherwise, text
	}
	return Status(text[:n]), strings.TrimLeft(text[n:], " \t\r\n")
}

// Notify says when a sender wants to hear of a recipient. Source: RFC 3461,
// section 4.1.
type Notify int

// Notify bits, as they stand in queue files and requests. Never stands alone.
const (
	NotifyNever   Notify = 1
	NotifySuccess Notify = 2
	NotifyFailure Notify = 4
	NotifyDelay   Notify = 8
)

var notifyNames = []struct {
	name string
	bit  Notify
}{{"NEVER", NotifyNever}, {"SUCCESS", NotifySuccess}, {"FAILURE", NotifyFailure}, {"DELAY", NotifyDelay}}

// Valid reports whether n is 0, Never alone, or a sum of the others.
func (n Notify) Valid() bool { return n >= 0 && (n == NotifyNever || n&NotifyNever == 0 && n < 16) }

// ParseNotify reads "NEVER" or a comma list of SUCCESS, FAILURE and DELAY.
func ParseNotify(text string) (Notify, bool) {
	var n Notify
	for word := range strings.SplitSeq(text, ",") {
		bit := Notify(0)
		for _, known := range notifyNames {
			if strings.EqualFold(word, known.name) {
				bit = known.bit
			}
		}
		if bit == 0 {
			return 0, false
		}
		n |= bit
	}
	return n, n.Valid() && n != 0
}

// String is the form of the NOTIFY parameter.
func (n Notify) String() string {
	var words []string
	for _, known := range notifyNames {
		if n&known.bit != 0 {
			words = append(words, known.name)
		}
	}
	return strings.Join(words, ",")
}

// Return says how much of the message a notice should carry. Source: RFC 3461,
// section 4.3.
type Return int

// Return values.
const (
	ReturnFull    Return = 1
	ReturnHeaders Return = 2
)

// ParseReturn reads FULL or HDRS.
func ParseReturn(text string) (Return, bool) {
	switch {
	case strings.EqualFold(text, "FULL"):
		return ReturnFull, true
	case strings.EqualFold(text, "HDRS"):
		return ReturnHeaders, true
	}
	return 0, false
}

// String is the form of the RET parameter.
func (r Return) String() string {
	switch r {
	case ReturnFull:
		return "FULL"
	case ReturnHeaders:
		return "HDRS"
	}
	return ""
}
