package main

import (
	"bytes"
	"math/rand"
	"strings"
	"testing"

	"postrider/lib/service/cleanup"
)

// records turns a message in chunks into the text of its records.
func records(limit int64, chunks ...string) (string, cleanup.Status) {
	r := &recorder{}
	c := &content{queue: r, line: 10, limit: limit}
	for _, chunk := range chunks {
		c.chunk([]byte(chunk), bareNormalize)
	}
	c.end()
	return strings.Join(r.records, "|"), c.status
}

// S4.5.1: long lines are split in the queue; only N ends a line.
func TestContent(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"a\r\nb\r\n", "N a|N b"},
		{"a\nb", "N a|N b"},
		{"0123456789\r\n", "N 0123456789"},
		{"0123456789a\r\n", "L 0123456789|N a"},
		{"0123456789012345678901\r\n", "L 0123456789|L 0123456789|N 01"},
		{"a\rb\r\n", "N a\rb"},
		{"", ""},
		{"\r\n", "N "},
		{"From x\r\n>From y\r\nSubject: z\r\n", "N X-Mailbox-Line: From x|N X-Mailbox-Line: >From y|N Subject: z"},
		{" a\r\n", "N |N  a"},
		{"Subject: x\r\nFrom y\r\n", "N Subject: x|N From y"},
		{"..\r\n.\r\n", "N ..|N ."},
	} {
		if got, _ := records(0, test.in); got != test.want {
			t.Errorf("%q: got %q, want %q", test.in, got, test.want)
		}
	}
	if _, status := records(5, "1234\r\n"); status != cleanup.StatusSize {
		t.Errorf("too large: status %d", status)
	}
}

// Where a chunk ends makes no difference, but for lines that are split anyway.
func TestChunks(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	whole := func(s string) string {
		return strings.ReplaceAll(strings.ReplaceAll("|"+s, "|L ", "|L:"), "|N ", "|N:")
	}
	join := func(s string) string { // pieces of a line, joined
		var b strings.Builder
		for piece := range strings.SplitSeq(strings.TrimPrefix(whole(s), "|"), "|") {
			if rest, ok := strings.CutPrefix(piece, "L:"); ok {
				b.WriteString(rest)
			} else if rest, ok := strings.CutPrefix(piece, "N:"); ok {
				b.WriteString(rest + "\n")
			}
		}
		return b.String()
	}
	for range 2000 {
		var text []byte
		for range random.Intn(60) {
			text = append(text, "ab\r\n"[random.Intn(4)])
		}
		text = append([]byte("S:x\r\n"), text...)
		one, _ := records(0, string(text))
		var chunks []string
		for rest := text; len(rest) > 0; {
			n := 1 + random.Intn(len(rest))
			chunks = append(chunks, string(rest[:n]))
			rest = rest[n:]
		}
		many, _ := records(0, chunks...)
		if join(one) != join(many) {
			t.Fatalf("%q\nin one:   %q\nin parts: %q %q", text, one, many, chunks)
		}
		for piece := range bytes.SplitSeq([]byte(many), []byte("|")) {
			if len(piece) > 2+10 {
				t.Fatalf("%q: a record of %d bytes", text, len(piece)-2)
			}
		}
	}
}
