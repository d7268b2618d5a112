package attr

import (
	"reflect"
	"testing"

	"postrider/lib/base/stream"
)

type inner struct {
	Offset int64 `attr:"offset"`
}

type sample struct {
	Status int    `attr:"status"`
	Name   string `attr:"name|label"`
	inner
	Inner inner
	Data  []byte `attr:"data"`
	Yes   bool   `attr:"yes"`
	Again int    `attr:"status"`
}

var full = sample{Status: -1, Name: "joe", inner: inner{-1}, Inner: inner{7}, Data: []byte{0, 1}, Yes: true, Again: 5}

const wire = "status\x004294967295\x00name\x00joe\x00offset\x0018446744073709551615\x00offset\x007\x00data\x00AAE=\x00yes\x001\x00status\x005\x00\x00"

func TestEncode(t *testing.T) {
	if got := string(Encode(nil, full)); got != wire {
		t.Errorf("got  %q\nwant %q", got, wire)
	}
}

func TestParse(t *testing.T) {
	for n := range len(wire) {
		if _, _, err := Parse([]byte(wire[:n])); err != ErrShort {
			t.Fatalf("prefix of %d bytes: %v", n, err)
		}
	}
	list, n, err := Parse([]byte(wire + "next"))
	if err != nil || n != len(wire) {
		t.Fatal(n, err)
	}
	var got struct {
		Status int    `attr:"status"`
		Name   string `attr:"other|name"`
		A      int64  `attr:"offset"`
		B      int64  `attr:"offset"`
		Data   []byte `attr:"data"`
		Yes    bool   `attr:"yes"`
		Again  int    `attr:"status"`
	}
	if err := list.Into(&got); err != nil {
		t.Fatal(err)
	}
	if got.Status != -1 || got.A != -1 || got.B != 7 || !got.Yes || got.Again != 5 || !reflect.DeepEqual(got.Data, full.Data) {
		t.Errorf("%+v", got)
	}
}

func TestStrictness(t *testing.T) {
	var v struct {
		A string `attr:"a"`
		B string `attr:"b"`
	}
	for text, bad := range map[string]bool{
		"a\x001\x00b\x002\x00\x00":           false,
		"b\x001\x00a\x002\x00\x00":           true,
		"a\x001\x00\x00":                     true,
		"a\x001\x00b\x002\x00c\x003\x00\x00": true,
	} {
		list, _, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := list.Into(&v); (err != nil) != bad {
			t.Errorf("%q: %v", text, err)
		}
	}
	list, _, _ := Parse([]byte("b\x002\x00x\x009\x00a\x001\x00\x00"))
	if err := list.Find(&v); err != nil || v.A != "1" || v.B != "2" {
		t.Error(err, v)
	}
}

type loop struct{ data []byte }

func (l *loop) Read(p []byte) (int, error) {
	n := copy(p[:min(3, len(p))], l.data)
	l.data = l.data[n:]
	return n, nil
}

func (l *loop) Write(p []byte) (int, error) { l.data = append(l.data, p...); return len(p), nil }

func TestStream(t *testing.T) {
	s := stream.New(stubConn{&loop{}})
	Write(s, inner{3})
	PlainWrite(s, inner{4})
	var v inner
	if err := Read(s, &v); err != nil || v.Offset != 3 {
		t.Fatal(err, v)
	}
	if err := PlainRead(s, &v); err != nil || v.Offset != 4 {
		t.Fatal(err, v)
	}
	if _, err := ReadList(s, 0); err == nil {
		t.Error("no error at the end of the stream")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(wire))
	f.Add([]byte("{\x00a\x00b\x00}\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, n, err := Parse(b)
		if err == nil && (n > len(b) || n < 1) {
			t.Fatal(n)
		}
		var v sample
		list.Into(&v)
		list.Find(&v)
	})
}

func BenchmarkEncode(b *testing.B) {
	dst := make([]byte, 0, 1024)
	for b.Loop() {
		Encode(dst, full)
	}
}
