package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"postrider/lib/base/stream"
	"postrider/lib/mail/record"
)

// S2.4: options as programs have written them for decades.
func TestParse(t *testing.T) {
	for line, want := range map[string]string{
		"ann bob":                       "m [ann bob]",
		"-t":                            "m [] t",
		"-ti -oi -oem -om":              "m [] t i",
		"-f joe ann":                    "m [ann] from=joe",
		"-fjoe@example.com -- -ann":     "m [-ann] from=joe@example.com",
		"-r <> ann":                     "m [ann] from=",
		"-F Name -f a@b.example ann":    "m [ann] from=a@b.example name=Name",
		"-bm -B8BITMIME -G ann":         "m [ann] 8bit remote",
		"-Nnever -Rhdrs -Vid ann":       "m [ann] notify=NEVER ret=HDRS id=id",
		"-XV ann":                       "m [ann] verp=+=",
		"-XV-= ann":                     "m [ann] verp=-=",
		"-X /log ann":                   "m [ann]",
		"-q":                            "q []",
		"-q5m":                          "h []",
		"-q5m -bd":                      "d []",
		"-bd -q5m":                      "d []",
		"-qRexample.com":                "q [] site=example.com",
		"-qIABC":                        "q [] queue=ABC",
		"-bp":                           "p []",
		"-I":                            "i []",
		"-oA/etc/x -bi":                 "i [] aliases=/etc/x",
		"-C /x/main.cf ann":             "m [ann] config=/x",
		"-C /x ann":                     "m [ann] config=/x",
		"-h 10 -L x -p y -O a=b -n ann": "m [ann]",
		"-v ann":                        "m [ann] v1",
		"-vv ann":                       "m [ann] v2",
		"ann -f late":                   "m [ann -f late]",
	} {
		if got := show(parse("sendmail", strings.Fields(line))); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
	if parse("mailq", nil).mode != 'p' || parse("newaliases", nil).mode != 'i' {
		t.Error("other names of the command")
	}
}

func show(r *request) string {
	s := fmt.Sprintf("%c %v", r.mode, r.recipients)
	add := func(on bool, text string) {
		if on {
			s += " " + text
		}
	}
	add(r.fromHeader, "t")
	add(r.ignoreDots, "i")
	add(r.senderSet, "from="+r.sender)
	add(r.nameSet, "name="+r.fullName)
	add(r.encoding != "", r.encoding)
	add(r.remote, "remote")
	add(r.notify != 0, "notify="+r.notify.String())
	add(r.ret != 0, "ret="+r.ret.String())
	add(r.envelopeID != "", "id="+r.envelopeID)
	add(r.verp != "", "verp="+r.verp)
	add(r.flushSite != "", "site="+r.flushSite)
	add(r.flushID != "", "queue="+r.flushID)
	add(r.aliases != "", "aliases="+r.aliases)
	add(r.configDir != "", "config="+r.configDir)
	add(r.verbose > 0, fmt.Sprintf("v%d", r.verbose))
	return s
}

// S2.4: lines of standard input become records; recipients come from headers.
func TestCopy(t *testing.T) {
	for _, test := range []struct{ in, want, recipients string }{
		{"Subject: a\n\nbody\n", "N:Subject: a|N:|N:body", ""},
		{"To: a, b@c.example,\n d\nBcc : e\n\nTo: f\n", "N:To: a, b@c.example,|N: d|N:Bcc: e|N:|N:To: f", "a b@c.example d e"},
		{"To: a\nResent-Cc: b\n\n", "N:To: a|N:Resent-Cc: b|N:", "b"},
		{"To: a\nno header\n", "N:To: a|N:|N:no header", "a"},
		{"x\n.\nbehind", "N:|N:x", ""},
		{"\n.", "N:", ""},
		{"\nx\r\ny\r\n", "N:|N:x|N:y", ""},
		{"From a Mon\n>From b\nTo: c\n\nFrom d\n", "N:To: c|N:|N:From d", "c"},
		{"\n0123456789abcdefghij\n", "N:|L:0123456789|L:abcdefghij|N:", ""},
	} {
		var b bytes.Buffer
		out := stream.New(buffer{&b})
		c := copier{out: out, limit: 10, dots: true, strip: true, headers: &recipients{}}
		if !strings.Contains(test.want, "L:") {
			c.limit = 2048
		}
		in := stream.New(buffer{bytes.NewBufferString(test.in)})
		for c.next(in) {
		}
		out.Flush()
		if got := records(t, b.Bytes()); got != test.want {
			t.Errorf("%q: got %s, want %s", test.in, got, test.want)
		}
		if got := strings.Join(c.headers.list(), " "); got != test.recipients {
			t.Errorf("%q: recipients %q, want %q", test.in, got, test.recipients)
		}
	}
}

type buffer struct{ *bytes.Buffer }

func (buffer) Close() error                   { return nil }
func (buffer) SetTimeout(time.Duration) error { return nil }

func records(t *testing.T, data []byte) string {
	var list []string
	in := stream.New(buffer{bytes.NewBuffer(data)})
	for {
		kind, text, err := record.Read(in, 1<<20)
		if err != nil {
			return strings.Join(list, "|")
		}
		list = append(list, fmt.Sprintf("%c:%s", kind, text))
	}
}
