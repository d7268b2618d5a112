package record

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestAppend(t *testing.T) {
	for n, want := range map[int]string{0: "N\x00", 5: "N\x05", 1000: "N\xe8\x07", 2048: "N\x80\x10", 127: "N\x7f", 128: "N\x80\x01"} {
		got := Append(nil, Text, strings.Repeat("x", n))
		if !bytes.HasPrefix(got, []byte(want)) || len(got) != len(want)+n {
			t.Errorf("%d: % x", n, got[:min(4, len(got))])
		}
		typ, data, size, err := Parse(got)
		if typ != Text || len(data) != n || size != len(got) || err != nil {
			t.Errorf("%d: parsed %c %d %d %v", n, typ, len(data), size, err)
		}
	}
}

// S4.5.1: long lines are split in the queue; records larger than one read.
func TestReader(t *testing.T) {
	var file []byte
	file = Append(file, From, "joe")
	file = Append(file, Padding, "0")
	jump := len(file)
	file = Append(file, Pointer, Number(0))
	file = Append(file, Text, strings.Repeat("y", 3*chunk))
	back := len(file)
	file = Append(file, End, "")
	extra := len(file)
	file = Append(file, Text, "more")
	file = Append(file, Pointer, Number(int64(back)))
	copy(file[jump+2:], Number(int64(extra)))
	var got []string
	for rec, err := range All(bytes.NewReader(file)) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(rec.Type)+string(rec.Data))
	}
	if s := strings.Join(got, " "); s != "Sjoe Nmore E" {
		t.Error(s)
	}
	copy(file[jump+2:], Number(0))
	r := NewReader(bytes.NewReader(file))
	for want, size := range map[int]int{0: 3, 1: 3 * chunk} {
		_ = want
		_, data, err := r.Next()
		if err != nil || len(data) != size && len(data) != 3 && len(data) != 3*chunk {
			t.Fatal(len(data), err)
		}
	}
}

func TestReaderHostile(t *testing.T) {
	loop := Append(nil, Text, "x")
	loop = Append(loop, Pointer, Number(3))
	r := NewReader(bytes.NewReader(loop))
	r.Next()
	if _, _, err := r.Next(); !errors.Is(err, ErrPointer) {
		t.Errorf("pointer to itself: %v", err)
	}
	for text, want := range map[string]error{
		"":                          io.EOF,
		"N":                         io.ErrUnexpectedEOF,
		"N\x05abc":                  io.ErrUnexpectedEOF,
		"N\xff\xff\xff\xff\xff\x01": ErrLength,
		"p\x0f            999":      io.EOF,
		"p\x0f             -1":      ErrPointer,
		"p\x03abc":                  ErrPointer,
	} {
		r := NewReader(strings.NewReader(text))
		if _, _, err := r.Next(); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
}

func TestSizes(t *testing.T) {
	s := Sizes{Span: 5189, DataOffset: 847, Recipients: 2, Flags: 12, Content: 5189}
	if len(s.String()) != 95 {
		t.Errorf("%d bytes", len(s.String()))
	}
	back, err := ParseSizes([]byte(s.String()))
	if err != nil || back != s {
		t.Error(back, err)
	}
	for _, bad := range []string{"", "1 2", "0 1 2", "1 0 2", "a b c"} {
		if _, err := ParseSizes([]byte(bad)); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add(Append(Append(nil, Pointer, Number(0)), End, ""))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		for _, err := range All(bytes.NewReader(b)) {
			if err != nil {
				return
			}
			if n++; n > len(b)*(pointerJumps+2) {
				t.Fatal("endless")
			}
		}
	})
}
