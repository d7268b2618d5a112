package main

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/mail/record"
)

func init() { time.Local = time.UTC }

type item struct {
	t    byte
	data string
}

func file(list ...item) []byte {
	var b []byte
	for _, i := range list {
		b = record.Append(b, record.Type(i.t), i.data)
	}
	return b
}

var size = item{'C', record.Sizes{Span: 104, DataOffset: 189, Recipients: 1, Content: 104}.String()}

// sample has its sizes right and a record of most kinds.
var sample = file(size, item{'T', "1795222417 5"}, item{'A', "create_time=1795222417"}, item{'S', "a b@x"}, item{'w', "   0"},
	item{'A', "dsn_orig_rcpt=rfc822;q@x"}, item{'R', "q@x"}, item{'p', record.Number(0)}, item{'M', ""},
	item{'N', "Subject: x"}, item{'L', "X-Long: aaa"}, item{'N', "bbb"}, item{'p', record.Number(0)}, item{'N', ""}, item{'L', "lll"}, item{'N', "mmm"}, item{'N', strings.Repeat("y", 25)},
	item{'X', ""}, item{'L', "f:g"}, item{'E', ""})

// dumped returns what is printed for options, and the messages.
func dumped(t *testing.T, content []byte, letters string) (text string, log []string, err error) {
	t.Helper()
	defer msg.SetOutput(func(level msg.Level, text string) { log = append(log, level.Prefix()+text) })()
	var o options
	for _, c := range letters {
		switch c {
		case 'b':
			o.body = true
		case 'e':
			o.envelope = true
		case 'h':
			o.header = true
		case 'd':
			o.types = true
		case 'o':
			o.offsets = true
		case 'r':
			o.raw = true
		case 'v':
			o.verbose = true
		}
	}
	var b bytes.Buffer
	out := bufio.NewWriter(&b)
	err = newDump(out, o, bytes.NewReader(content), "f").run()
	out.Flush()
	return b.String(), log, err
}

const envelope = `*** ENVELOPE RECORDS f ***
message_size:             104             189               1               0             104               0
message_arrival_time: Sat Nov 21 00:53:37 2026
create_time: Sat Nov 21 00:53:37 2026
sender: a b@x
named_attribute: dsn_orig_rcpt=rfc822;q@x
recipient: q@x
*** MESSAGE CONTENTS f ***
`

const extracted = `*** HEADER EXTRACTED f ***
content_filter: f:g
*** MESSAGE FILE END f ***
`

const headers = "Subject: x\nX-Long: aaabbb\n"

var body = "\nlllmmm\n" + strings.Repeat("y", 25) + "\n"

// The forms are those that administrators' scripts know. S6.3.
func TestOptions(t *testing.T) {
	for letters, want := range map[string]string{
		"beh": envelope + headers + body + extracted,
		"e":   envelope + extracted,
		"h":   headers,
		"b":   body,
		"bh":  headers + body,
		"eb":  envelope + body + extracted,
		"hd":  " 78 Subject: x\n 76 X-Long: aaa 78 bbb\n",
		"hv":  "regular_text: Subject: x\nunterminated_text: X-Long: aaa\nregular_text: bbb\npointer_record:               0\n",
		"bo":  "      245 \n      247 lll\n      252 mmm\n      257 " + strings.Repeat("y", 25) + "\n",
	} {
		if got, log, err := dumped(t, sample, letters); err != nil || len(log) > 0 || got != want {
			t.Errorf("-%s: %v %q\n%s\nwant\n%s", letters, err, log, got, want)
		}
	}
	got, _, _ := dumped(t, sample, "behvdo")
	for _, want := range []string{"       97  84 message_arrival_time: Sat", " 119 padding:    0\n", " 112 pointer_record:               0\n", "*** MESSAGE FILE END f ***"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// Milters replace text by pointers to the end of the file.
func TestPointers(t *testing.T) {
	head := file(size, item{'T', "5 5"}, item{'S', "a@x"}, item{'M', ""})
	at := int64(len(head))
	replaced := file(item{'N', "Subject: new"}, item{'p', record.Number(at + 17)})
	tail := file(item{'N', ""}, item{'X', ""}, item{'E', ""})
	content := append(record.Append(head, record.Pointer, record.Number(at+17+int64(len(tail)))), append(tail, replaced...)...)
	if got, log, err := dumped(t, content, "bh"); err != nil || got != "Subject: new\n\n" {
		t.Errorf("%v %q %q", err, log, got)
	}
	if got, _, err := dumped(t, content, "bhr"); err != nil || got != "\n" {
		t.Errorf("raw: %v %q", err, got)
	}
}

// Files that are broken or hostile end with a message, never in a panic or a
// loop.
func TestHostile(t *testing.T) {
	for name, c := range map[string]struct {
		content []byte
		log     string // part of it
		failed  bool
	}{
		"empty":         {nil, "", false},
		"text":          {[]byte("hello world"), "not a valid queue file", false},
		"truncated":     {sample[:len(sample)-20], "", true},
		"no end":        {sample[:len(sample)-2], "", false},
		"long length":   {append(file(size), 'T', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), "", true},
		"large length":  {append(file(size), 'T', 0xff, 0xff, 0xff, 0xff, 0x07), "", true},
		"loop":          {file(size, item{'T', "5 5"}, item{'p', record.Number(97)}), "too many reverse jump records", true},
		"self":          {file(size, item{'p', record.Number(97)}), "too many reverse jump records", true},
		"negative":      {file(size, item{'p', "             -5"}), "malformed pointer record value: -5", true},
		"no number":     {file(size, item{'p', "zzz"}), "malformed pointer", true},
		"far":           {file(size, item{'p', record.Number(1 << 40)}), "", false},
		"order":         {file(size, item{'X', ""}, item{'M', ""}, item{'E', ""}), "out-of-order", false},
		"end in text":   {file(size, item{'M', ""}, item{'R', "x"}, item{'E', ""}), "out-of-order message end marker", false},
		"no attribute":  {file(size, item{'A', "x\xff\x1b[2J"}, item{'E', ""}), "malformed attribute", false},
		"odd numbers":   {file(item{'C', "x y"}, item{'T', "abc"}, item{'A', "create_time=zz"}, item{'W', "z"}, item{'E', ""}), "", false},
		"unknown types": {file(size, item{0, "x"}, item{'Z', "y"}, item{0xff, "z"}, item{'E', ""}), "", false},
	} {
		for _, letters := range []string{"beh", "b", "behvdo", "behr", "e"} {
			raw := strings.Contains(letters, "r")
			_, log, err := dumped(t, c.content, letters)
			if failed := err != nil; failed != c.failed && !raw && letters == "beh" {
				t.Errorf("%s -%s: %v", name, letters, err)
			}
			if letters == "beh" && !strings.Contains(fmt.Sprint(log), c.log) {
				t.Errorf("%s: log %q", name, log)
			}
		}
	}
}

func FuzzDump(f *testing.F) {
	f.Add(sample)
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, letters := range []string{"beh", "bvdo", "hr"} {
			dumped(t, content, letters)
		}
	})
}
