package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"postrider/lib/base/stream"
)

type input struct{ *bytes.Reader }

func (input) Write(p []byte) (int, error)    { return len(p), nil }
func (input) Close() error                   { return nil }
func (input) SetTimeout(time.Duration) error { return nil }

// listing turns "name=value …" lines into what showq(8) sends, a line for each
// message.
func listing(lines ...string) string {
	var b strings.Builder
	for _, line := range append(lines, "") {
		for _, item := range strings.Split(line, "|") {
			if name, value, ok := strings.Cut(item, "="); ok {
				b.WriteString(name + "\x00" + value + "\x00")
			}
		}
		b.WriteByte(0)
	}
	return b.String()
}

func printed(t *testing.T, input_ string, make func(*bufio.Writer) printer) (string, error) {
	t.Helper()
	var b bytes.Buffer
	out := bufio.NewWriter(&b)
	err := read(stream.New(input{bytes.NewReader([]byte(input_))}), make(out))
	out.Flush()
	return b.String(), err
}

var sample = listing(
	"queue_name=active|queue_id=C6468221|time=1795222419|size=333|forced_expire=0|sender=alice@mail.example.com|recipient=now@soft.test|reason=",
	"queue_name=hold|queue_id=DF02A216|time=1793502000|size=123456789|forced_expire=1|sender=a@b.test|recipient=u3@soft.test|reason=mailbox is busy today|recipient=user@soft.test|reason=mailbox is busy today|recipient=u1@flush.test|reason=down|recipient=u2@flush.test|reason=",
	"queue_name=deferred|queue_id=F2C8B227|time=1795222419|size=2605|forced_expire=0|sender=MAILER-DAEMON|recipient=a@b.test|reason=Host or domain name not found. Name service error for name=b.test type=MX: Host not found, try again")

// The listing is what stock prints for the same queue. S6.1.
func TestPeople(t *testing.T) {
	time.Local = time.UTC
	want := `-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------
C6468221*       333 Sat Nov 21 00:53:39  alice@mail.example.com
                                         now@soft.test

DF02A216!#  123456789 Sun Nov  1 03:00:00  a@b.test
                                                       (mailbox is busy today)
                                         u3@soft.test
                                         user@soft.test
                                                                        (down)
                                         u1@flush.test
                                                          (reason unavailable)
                                         u2@flush.test

F2C8B227       2605 Sat Nov 21 00:53:39  MAILER-DAEMON
(Host or domain name not found. Name service error for name=b.test type=MX: Host not found, try again)
                                         a@b.test

-- 120566 Kbytes in 3 Requests.
`
	got, err := printed(t, sample, func(w *bufio.Writer) printer { return &peoplePrinter{out: w} })
	if err != nil || got != want {
		t.Errorf("got %v\n%s", err, got)
	}
}

func TestPeopleLong(t *testing.T) {
	time.Local = time.UTC
	want := `----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------
4jWZLG41fkzC5          245 Sat Nov 21 01:26:46 a@b.test
                                                       (mailbox is busy today)
                                               u1@soft.test

-- 0 Kbytes in 1 Request.
`
	got, err := printed(t, listing("queue_name=deferred|queue_id=4jWZLG41fkzC5|time=1795224406|size=245|forced_expire=0|sender=a@b.test|recipient=u1@soft.test|reason=mailbox is busy today"),
		func(w *bufio.Writer) printer { return &peoplePrinter{out: w, long: true} })
	if err != nil || got != want {
		t.Errorf("got %v\n%s", err, got)
	}
	if got, err := printed(t, listing(), func(w *bufio.Writer) printer { return &peoplePrinter{out: w} }); err != nil || got != "Mail queue is empty\n" {
		t.Errorf("got %v\n%s", err, got)
	}
}

func TestJSON(t *testing.T) {
	got, err := printed(t, sample, func(w *bufio.Writer) printer { return &jsonPrinter{out: w} })
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	want := `{"queue_name": "active", "queue_id": "C6468221", "arrival_time": 1795222419, "message_size": 333, "forced_expire": false, "sender": "alice@mail.example.com", "recipients": [{"address": "now@soft.test"}]}`
	if lines[0] != want {
		t.Errorf("got %s", lines[0])
	}
	want = `{"queue_name": "hold", "queue_id": "DF02A216", "arrival_time": 1793502000, "message_size": 123456789, "forced_expire": true, "sender": "a@b.test", "recipients": [{"address": "u3@soft.test", "delay_reason": "mailbox is busy today"}, {"address": "user@soft.test", "delay_reason": "mailbox is busy today"}, {"address": "u1@flush.test", "delay_reason": "down"}, {"address": "u2@flush.test"}]}`
	if lines[1] != want {
		t.Errorf("got %s", lines[1])
	}
}

// Newer servers tell more about recipients.
func TestNewerServer(t *testing.T) {
	got, err := printed(t, listing("queue_name=deferred|queue_id=A1|time=1|size=2|forced_expire=0|sender=s|new_thing=x|"+
		"original_recipient=alias|recipient=joe|log_class=bounce|reason=gone|original_recipient=amy|recipient=amy|log_class=|reason="),
		func(w *bufio.Writer) printer { return &jsonPrinter{out: w} })
	want := `"recipients": [{"address": "joe", "orig_address": "alias", "bounce_reason": "gone"}, {"address": "amy"}]}` + "\n"
	if err != nil || !strings.HasSuffix(got, want) {
		t.Errorf("got %v\n%s", err, got)
	}
}

// What a server sends that is broken or hostile ends with an error, and nothing
// that it sends reaches a terminal or breaks the JSON.
func TestHostileServer(t *testing.T) {
	for _, text := range []string{
		"", "\x00"[:0], sample[:50], sample[:len(sample)-1],
		listing("queue_id=A1"), listing("recipient=x|reason=y"),
		listing("queue_name=q|queue_id=A1|time=x|size=2|forced_expire=0|sender=s"),
		strings.Repeat("x", valueLimit+10),
	} {
		if _, err := printed(t, text, func(w *bufio.Writer) printer { return &jsonPrinter{out: w} }); err == nil {
			t.Errorf("no error for %.100q", text)
		}
	}
	got, err := printed(t, listing("queue_name=q|queue_id=A1|time=18446744073709551615|size=2|forced_expire=0|sender=s\"\\\x1b[2J\n\xff|recipient=\x07|reason=r"),
		func(w *bufio.Writer) printer { return &jsonPrinter{out: w} })
	var object map[string]any
	if err != nil || strings.ContainsAny(strings.TrimSuffix(got, "\n"), "\x1b\n\x07") || json.Unmarshal([]byte(got), &object) != nil {
		t.Errorf("got %v %q", err, got)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(sample))
	f.Fuzz(func(t *testing.T, text []byte) {
		printed(t, string(text), func(w *bufio.Writer) printer { return &peoplePrinter{out: w} })
		got, err := printed(t, string(text), func(w *bufio.Writer) printer { return &jsonPrinter{out: w} })
		if err != nil {
			return
		}
		for line := range strings.Lines(got) {
			if !json.Valid([]byte(line)) {
				t.Errorf("no JSON: %q", line)
			}
		}
	})
}

func TestSites(t *testing.T) {
	for site, want := range map[string]bool{
		"example.com": true, "bücher.example": true, "host": true, "[192.0.2.1]": true, "[IPv6:2001:db8::1]": true,
		"1.2.3.4": false, "[1.2.3]": false, "[example.com]": false, "a b": false, "": false, "-x.example": false, "a..b": false, "[2001:db8::1]": false, "[1.2.3.4": false,
	} {
		if validSite(site) != want {
			t.Errorf("validSite(%q) is %v", site, !want)
		}
	}
}
