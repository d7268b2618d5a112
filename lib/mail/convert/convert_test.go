package convert

import (
	"io"
	"mime/quotedprintable"
	"strings"
	"testing"
)

// run sends a text through a converter, in pieces of at most n bytes.
func run(c *Converter, text string, n int) string {
	var b strings.Builder
	c.Out = func(data []byte, ended bool) error {
		b.Write(data)
		if ended {
			b.WriteByte('\n')
		}
		return nil
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		for len(line) > n && (c.inBody || n >= 40) { // names of header lines are never in pieces
			c.Line([]byte(line[:n]), false)
			line = line[n:]
		}
		c.Line([]byte(line), true)
	}
	c.Finish()
	return b.String()
}

const leafHeader = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: "

var cases = []struct{ name, in, want string }{
	{"plain text is left alone", "Subject: ä\n\nfoo = \n", "Subject: ä\n\nfoo = \n"},
	{"7bit is left alone", leafHeader + "7bit\n\na=b \n", leafHeader + "7bit\n\na=b \n"},
	{"8bit", leafHeader + "8bit\nX: y\n\ngrün = \n\n.\n", "Content-Type: text/plain; charset=utf-8\nX: y\nContent-Transfer-Encoding: quoted-printable\n\ngr=C3=BCn =3D=20\n\n.\n"},
	{"binary, comment, folded", "Content-Transfer-Encoding:\n\t(really) BINARY\n\n\xff\n", "Content-Transfer-Encoding: quoted-printable\n\n=FF\n"},
	{"header only", leafHeader + "8bit\n", "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n"},
	{"multipart", `Content-Type: multipart/mixed;
	boundary="a b"
Content-Transfer-Encoding: 8bit

préamble
--a b
Content-Transfer-Encoding: 8bit

ü
--a b

ü
--a b--
epiloguë
`, `Content-Type: multipart/mixed;
	boundary="a b"
Content-Transfer-Encoding: 7bit

préamble
--a b
Content-Transfer-Encoding: quoted-printable

=C3=BC
--a b

ü
--a b--
epiloguë
`},
	{"nested", `Content-Type: multipart/mixed; boundary=out

--out
Content-Type: multipart/alternative; boundary=outer

--outer
Content-Transfer-Encoding: 8bit

ü
--outer--
--out
Content-Type: message/rfc822
Content-Transfer-Encoding: 8bit

Subject: inner
Content-Transfer-Encoding: 8bit

ü
--out--
`, `Content-Type: multipart/mixed; boundary=out

--out
Content-Type: multipart/alternative; boundary=outer

--outer
Content-Transfer-Encoding: quoted-printable

=C3=BC
--outer--
--out
Content-Type: message/rfc822
Content-Transfer-Encoding: 7bit

Subject: inner
Content-Transfer-Encoding: quoted-printable

=C3=BC
--out--
`},
	{"digest", `Content-Type: multipart/digest; boundary=d

--d

Content-Transfer-Encoding: 8bit

ü
--d--
`, `Content-Type: multipart/digest; boundary=d

--d

Content-Transfer-Encoding: quoted-printable

=C3=BC
--d--
`},
	{"a boundary inside a header", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Transfer-Encoding: 8bit\n--b\n\nx\n--b--\n",
		"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Transfer-Encoding: quoted-printable\n--b\n\nx\n--b--\n"},
}

func TestConvert(t *testing.T) {
	for _, test := range cases {
		for _, n := range []int{1000, 40} {
			if got := run(&Converter{SevenBit: true}, test.in, n); got != test.want {
				t.Errorf("%s, pieces of %d: got\n%s\nwant\n%s", test.name, n, got, test.want)
			}
		}
	}
}

func TestHeader(t *testing.T) {
	up := func(place Place, line string, made bool) ([]string, error) {
		switch {
		case strings.HasPrefix(line, "X:"):
			return nil, nil
		case strings.HasPrefix(line, "Y:"):
			return []string{"Z: z", line}, nil
		case place == Own:
			return []string{strings.ToUpper(line)}, nil
		case place == Part:
			return []string{strings.ToLower(line)}, nil
		}
		return []string{line}, nil
	}
	in := "From: a\n\tb\nX: x\n x\nContent-Type: message/rfc822\n\nTo: c\nY: y\nContent-Type: multipart/mixed; boundary=b\n\n--b\nX-Part: P\n\nbody: D\n"
	want := "FROM: A\n\tB\nCONTENT-TYPE: MESSAGE/RFC822\n\nTo: c\nZ: z\nY: y\nContent-Type: multipart/mixed; boundary=b\n\n--b\nx-part: p\n\nbody: D\n"
	if got := run(&Converter{Header: up}, in, 1000); got != want {
		t.Errorf("got\n%s", got)
	}
}

// Lines of bodies and those between parts are one's, header lines the other's.
func TestBody(t *testing.T) {
	in := "From: a\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 8bit\n\nü\n--b\nContent-Transfer-Encoding: 8bit\n\nü\n--b--\n"
	var bodies []string
	c := &Converter{SevenBit: true}
	c.Body = func(data []byte, ended bool) error {
		bodies = append(bodies, string(data))
		return c.Out([]byte("> "+string(data)), ended)
	}
	run(c, in, 1000)
	if got, want := strings.Join(bodies, "|"), "|ü|--b||=C3=BC|--b--"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLongHeader(t *testing.T) {
	in := "X: " + strings.Repeat("y", 2*headerMax) + "\n z\nSubject: s\n\nbody\n"
	if got := run(&Converter{SevenBit: true}, in, 2048); got != in {
		t.Errorf("got %d bytes of %d", len(got), len(in))
	}
}

// What a reader of quoted-printable sees is what was sent.
func FuzzQuoted(f *testing.F) {
	f.Add("grün \t\n\n=\nend", 3)
	f.Add(strings.Repeat("ü", 100)+" \n", 50)
	f.Fuzz(func(t *testing.T, text string, n int) {
		text = strings.ReplaceAll(text, "\r", "") + "\n"
		got := run(&Converter{SevenBit: true}, "Content-Transfer-Encoding: 8bit\n\n"+text, max(n, 1))
		_, body, _ := strings.Cut(got, "\n\n")
		for line := range strings.Lines(body) {
			if len(line) > lineMax+1 {
				t.Errorf("a line of %d bytes", len(line)-1)
			}
			for _, c := range []byte(line) {
				if c >= 0x7f {
					t.Errorf("byte %#x", c)
				}
			}
		}
		back, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(body)))
		if err != nil || string(back) != text {
			t.Errorf("%q became %q (%v)", text, back, err)
		}
	})
}

// Without anything to change nothing changes.
func FuzzPass(f *testing.F) {
	for _, test := range cases {
		f.Add(test.in)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got := run(&Converter{}, text+"\n", 64); got != text+"\n" {
			t.Errorf("%q became %q", text+"\n", got)
		}
	})
}
