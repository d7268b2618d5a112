package main

import (
	"bytes"
	"os"
	"testing"

	"postrider/lib/base/msg"
	"postrider/lib/mail/queue"
	"postrider/lib/mail/record"
)

// FuzzRead: S1.4, S1.6. No file makes the queue manager fall over, go round in
// circles, or take more recipients into memory than it wants.
func FuzzRead(f *testing.F) {
	f.Add([]byte("C\x00E\x00"), 3)
	f.Add(example(f), 1)
	f.Fuzz(func(t *testing.T, file []byte, limit int) {
		defer msg.SetOutput(func(msg.Level, string) {})()
		limit = max(limit%100, 1)
		m := &message{id: "A"}
		for range len(file) + 2 {
			r := fileReader{Reader: record.NewReader(bytes.NewReader(file)), m: m, limit: limit}
			err := r.read()
			if len(r.recipients) > limit {
				t.Fatalf("%d recipients, want at most %d", len(r.recipients), limit)
			}
			if err != nil || m.next == 0 {
				return
			}
		}
		t.Fatal("no end")
	})
}

// example is a good queue file.
func example(f *testing.F) []byte {
	old, _ := os.Getwd()
	defer os.Chdir(old)
	os.Chdir(f.TempDir())
	os.Mkdir("incoming", 0o700)
	w := &world{}
	id := w.put(queue.Incoming, mail{sender: "s@h", to: []string{"a@x", "b@x", "c@x"}, perTo: []string{"Anotify_flags=4", "Oo@x"},
		extra: []string{"V+=", "Asasl_method=x", "Aclient_name=y", "W              1"}, after: []string{"Lfilter:", ">r@x"}})
	b, err := os.ReadFile(queue.Path(queue.Incoming, id))
	if err != nil {
		f.Fatal(err)
	}
	return b
}

// TestOldClientAttributes: files without log_client_* attributes use those of
// the real client, wherever they stand.
func TestOldClientAttributes(t *testing.T) {
	for _, c := range []struct {
		records []string
		want    string
	}{
		{[]string{"Aclient_name=real"}, "real"},
		{[]string{"Aclient_name=real", "Alog_client_name=told"}, "told"},
		{[]string{"Alog_client_name=told", "Aclient_name=real"}, "told"},
		{[]string{"Alog_client_name=one", "Alog_client_name=two"}, "two"},
	} {
		r := fileReader{Reader: record.NewReader(bytes.NewReader(nil)), m: &message{}}
		for _, text := range c.records {
			r.attribute([]byte(text[1:]))
		}
		if got := r.m.attributes.clientName; got != c.want {
			t.Errorf("%q: %q, want %q", c.records, got, c.want)
		}
	}
}
