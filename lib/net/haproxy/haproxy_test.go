package haproxy

import (
	"errors"
	"strings"
	"testing"
)

var all = Reader{IPv4: true, IPv6: true}

const two = "\r\n\r\n\x00\r\nQUIT\n"

func TestRead(t *testing.T) {
	for _, c := range []struct{ in, client, server, rest string }{
		{"PROXY TCP4 192.0.2.1 192.0.2.2 1000 25\r\nEHLO x\r\n", "192.0.2.1:1000", "192.0.2.2:25", "EHLO x\r\n"},
		{"PROXY TCP6 2001:db8::1 2001:db8::2 1000 25\r\n", "[2001:db8::1]:1000", "[2001:db8::2]:25", ""},
		{two + "\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x03\xe8\x00\x19more", "192.0.2.1:1000", "192.0.2.2:25", "more"},
		{two + "\x21\x11\x00\x0e\xc0\x00\x02\x01\xc0\x00\x02\x02\x03\xe8\x00\x19++more", "192.0.2.1:1000", "192.0.2.2:25", "more"},
		{two + "\x21\x21\x00\x24" + strings.Repeat("\x20", 32) + "\x03\xe8\x00\x19", "[2020:2020:2020:2020:2020:2020:2020:2020]:1000", "[2020:2020:2020:2020:2020:2020:2020:2020]:25", ""},
		{two + "\x20\x00\x00\x02??more", "invalid AddrPort", "invalid AddrPort", "more"},
	} {
		h, n, err := all.Read([]byte(c.in))
		if err != nil || h.Client.String() != c.client || h.Server.String() != c.server || c.in[n:] != c.rest {
			t.Errorf("%q: %v %v %d %v", c.in, h.Client, h.Server, n, err)
		}
		whole := len(c.in) - len(c.rest)
		for i := range whole {
			if _, _, err := all.Read([]byte(c.in[:i])); !errors.Is(err, ErrShort) {
				t.Errorf("%q: %v, want more", c.in[:i], err)
			}
		}
	}
}

func TestReadBad(t *testing.T) {
	four := Reader{IPv4: true}
	for in, want := range map[string]string{
		"PROXY UNKNOWN\r\n":                          "bad or missing protocol type",
		"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n": "bad or missing protocol type",
		"PROXY TCP4 192.0.2.1\r\n":                   "bad or missing server address",
		"PROXY TCP4 192.0.2.444 192.0.2.1 1 2\r\n":   "bad or missing client address",
		"PROXY TCP4 192.0.2.4 192.0.2.1 70000 2\r\n": "bad or missing client port",
		"PROXY TCP4 192.0.2.4 192.0.2.1 7\r\n":       "bad or missing server port",
		"PROXY TCP4 2001:db8::1 192.0.2.1 7 7\r\n":   "bad or missing client address",
		"EHLO client.example.com\r\n":                "unrecognized protocol header",
		"EHLO":                                       "short protocol header",
		"PROXY " + strings.Repeat("x", 200):          "missing protocol header terminator",
		two + "\x31\x11\x00\x00":                     "unrecognized protocol version",
		two + "\x22\x11\x00\x00":                     "bad command in proxy header",
		two + "\x21\x31\x00\x00":                     "unsupported network protocol",
		two + "\x21\x21\x00\x24":                     "unsupported network protocol",
		two + "\x21\x11\x00\x04":                     "short address field",
		two + "\x21\x11\xff\xff":                     "header too long",
	} {
		if _, _, err := four.Read([]byte(in)); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", in, err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 192.0.2.2 1000 25\r\n"))
	f.Add([]byte(two + "\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x03\xe8\x00\x19"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, n, err := all.Read(b); n > len(b) || err == nil && n == 0 {
			t.Errorf("length %d of %d", n, len(b))
		}
	})
}
