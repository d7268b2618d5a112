package queue

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// alphabet holds the digits of long queue IDs: no vowels, so no words.
const alphabet = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"

// idLimit is the longest queue ID, queueNameLimit the longest queue name.
const (
	idLimit        = 255
	queueNameLimit = 100
)

// ValidID reports whether name can be the name of a queue file: letters,
// digits and underscores only.
func ValidID(name string) bool {
	if name == "" || len(name) > idLimit {
		return false
	}
	for i := range len(name) {
		if c := name[i]; !letterOrDigit(c) && c != '_' {
			return false
		}
	}
	return true
}

// ValidName reports whether name can be the name of a queue.
func ValidName(name string) bool {
	if name == "" || len(name) > queueNameLimit {
		return false
	}
	for i := range len(name) {
		if !letterOrDigit(name[i]) {
			return false
		}
	}
	return true
}

func letterOrDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// MakeID returns the queue ID of a file with this creation time and inode.
func MakeID(t time.Time, inode uint64, long bool) string {
	usec := t.Nanosecond() / 1000
	if !long {
		return fmt.Sprintf("%05X%X", usec, inode)
	}
	id := appendDigits(nil, uint64(t.Unix()), 52, 6)
	id = appendDigits(id, uint64(usec), 52, 4)
	id = append(id, 'z')
	if inode != 0 {
		id = appendDigits(id, inode, 51, 1)
	}
	return string(id)
}

func appendDigits(dst []byte, n, base uint64, width int) []byte {
	var digits [16]byte
	at := len(digits)
	for n > 0 || len(digits)-at < width {
		at--
		digits[at] = alphabet[n%base]
		n /= base
	}
	return append(dst, digits[at:]...)
}

// LongID reports whether id has the long form: a z behind at least ten digits.
func LongID(id string) bool { return strings.LastIndexByte(id, 'z') >= 10 }

// Inode returns the inode number that the ID of a queue file names.
func Inode(id string) (uint64, bool) {
	if LongID(id) {
		return digits(id[strings.LastIndexByte(id, 'z')+1:], 51)
	}
	if len(id) < 6 {
		return 0, false
	}
	n, err := strconv.ParseUint(id[5:], 16, 64)
	return n, err == nil
}

// Created returns the creation time that the ID names. A short ID knows only
// the microseconds.
func Created(id string) (time.Time, bool) {
	if LongID(id) {
		z := strings.LastIndexByte(id, 'z')
		sec, ok1 := digits(id[:z-4], 52)
		usec, ok2 := digits(id[z-4:z], 52)
		return time.Unix(int64(sec), int64(usec)*1000), ok1 && ok2
	}
	if len(id) < 6 {
		return time.Time{}, false
	}
	usec, err := strconv.ParseUint(id[:5], 16, 32)
	return time.Unix(0, int64(usec)*1000), err == nil
}

func digits(s string, base uint64) (uint64, bool) {
	var n uint64
	for i := range len(s) {
		d := strings.IndexByte(alphabet, s[i])
		if d < 0 || uint64(d) >= base {
			return 0, false
		}
		n = n*base + uint64(d)
	}
	return n, true
}

// hashKey is the text whose first characters name the hash directories. Long
// IDs are spread by their microseconds, as short ones are.
func hashKey(id string) string {
	if !LongID(id) {
		return id
	}
	z := strings.LastIndexByte(id, 'z')
	usec, ok := digits(id[z-4:z], 52)
	if !ok {
		return id
	}
	return fmt.Sprintf("%05X", usec)
}
