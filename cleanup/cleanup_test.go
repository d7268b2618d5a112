package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"postrider/lib/base/msg"
	"postrider/lib/mail/param"
	"postrider/lib/mail/queue"
	"postrider/lib/mail/record"
	"postrider/lib/service/cleanup"
	"postrider/lib/service/ipc"
)

// A bench is a queue directory and a configured cleanup.
type bench struct {
	t   *testing.T
	log []string
}

func newBench(t *testing.T, settings ...string) *bench {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, dir := range []string{"incoming", "hold", "defer", "bounce", "trace", "public"} {
		os.Mkdir(dir, 0o700)
	}
	s := param.New(".")
	for _, text := range append([]string{"myhostname=mail.example.com", "myorigin=example.com", "inet_interfaces=127.0.0.1"}, settings...) {
		if err := s.OverrideText(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Load(&conf); err != nil {
		t.Fatal(err)
	}
	openTables(nil)
	waker = ipc.NewWaker("public/qmgr")
	b := &bench{t: t}
	t.Cleanup(msg.SetOutput(func(l msg.Level, text string) { b.log = append(b.log, l.Prefix()+text) }))
	return b
}

// send passes a message in a readable form, one record a line, to a new queue
// file, and returns the reply and the file's records in the same form.
func (b *bench) send(flags int, text string) (cleanup.Reply, string) {
	b.t.Helper()
	f, err := queue.Create(queue.Incoming, 1)
	if err != nil {
		b.t.Fatal(err)
	}
	m := newMessage(f)
	m.flags = flags
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		m.take(record.Type(line[0]), []byte(strings.TrimPrefix(line[1:], " ")))
	}
	reply := m.finish()
	if reply.Status != 0 {
		if _, err := os.Stat(f.Path()); err == nil {
			b.t.Errorf("the file is still there after status %d", reply.Status)
		}
		return reply, ""
	}
	g, err := queue.OpenRead(f.Name, f.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	defer g.Close()
	var out strings.Builder
	for rec, err := range record.All(g) {
		if err != nil {
			b.t.Fatal(err)
		}
		text := strings.ReplaceAll(string(rec.Data), f.ID, "ID")
		if strings.HasPrefix(text, "create_time=") || rec.Type == record.Size {
			continue
		}
		fmt.Fprintf(&out, "%c %s\n", rec.Type, text)
	}
	return reply, out.String()
}

const plain = `T 1795215885 706020
A rewrite_context=remote
S me@x.example
R joe@example.com
M
N Received: from x
N Subject: hi
N Message-Id: <1@x>
N
N body
X
E`

func (b *bench) want(got, want string) {
	b.t.Helper()
	if strings.TrimSpace(got) != strings.TrimSpace(want) {
		b.t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// S2.4: the records of a message, in order; nothing added to mail from others.
func TestPlain(t *testing.T) {
	b := newBench(t)
	_, got := b.send(cleanup.FlagMap, plain)
	b.want(got, `
T 1795215885 706020
A rewrite_context=remote
S me@x.example
A dsn_orig_rcpt=rfc822;joe@example.com
O joe@example.com
R joe@example.com
M 
N Received: from x
N Subject: hi
N Message-Id: <1@x>
N 
N body
X 
E `)
	if len(b.log) != 1 || !strings.HasSuffix(b.log[0], ": message-id=<1@x>") {
		t.Error(b.log)
	}
}

// A last line without its end gets one; the original recipient stays as it
// came; only headers that are about resending make a message resent; blanks
// before a colon go.
func TestOddities(t *testing.T) {
	b := newBench(t)
	text := strings.Replace(plain, "N body", "N body\nL cut", 1)
	text = strings.Replace(text, "N Subject: hi", "N Subject \t: hi\nN Resent-Note: x", 1)
	text = strings.Replace(text, "rewrite_context=remote", "rewrite_context=local", 1)
	_, got := b.send(cleanup.FlagMap, strings.Replace(text, "R joe@", "O joe\nR joe@", 1))
	for _, want := range []string{"\nL cut\nN \nX ", "\nO joe\nR joe@example.com\n", "\nN Subject: hi\n", "\nN Date: "} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// What a message says about its encoding goes into the queue file.
func TestEncoding(t *testing.T) {
	b := newBench(t)
	for text, want := range map[string]bool{
		"N X: \xe4\nN\nN \xe4":                                                                                                    false,
		"N Content-Transfer-Encoding: 8bit\nN\nN x":                                                                               true,
		"N CONTENT-TRANSFER-ENCODING: Binary\nN\nN x":                                                                             true,
		"N Content-Transfer-Encoding: base64\nN\nN Content-Transfer-Encoding: 8bit":                                               false,
		"N Content-Type: multipart/mixed; boundary=x\nN\nN --x\nN Content-Transfer-Encoding: 8bit":                                true,
		"N Content-Type: text/plain\nN\nN --x\nN Content-Transfer-Encoding: 8bit":                                                 false,
		"N Content-Type: multipart/mixed\nN\nN Content-Transfer-Encoding: 8bit":                                                   false,
		"N Content-Type: multipart/x; boundary=x\nN\nN --x\nN\nN Content-Transfer-Encoding: 8bit":                                 false,
		"N Content-Type: message/rfc822\nN\nN Content-Transfer-Encoding: 8bit":                                                    true,
		"N Content-Type: multipart/x; boundary=x\nN\nN --x\nN Content-Type: message/rfc822\nN\nN Content-Transfer-Encoding: 8bit": true,
	} {
		_, got := b.send(cleanup.FlagMap, strings.Replace(plain, "N\nN body", text, 1))
		if strings.Contains(got, "\nA encoding=8bit\n") != want {
			t.Errorf("%v for\n%s", !want, got)
		}
	}
}

// S2.4, S1.4: sizes and modes that the queue manager relies on.
func TestSizes(t *testing.T) {
	b := newBench(t)
	f, _ := queue.Create(queue.Incoming, 1)
	m := newMessage(f)
	for line := range strings.SplitSeq(strings.Replace(plain, "R joe", "A notify_flags=6\nR joe", 1), "\n") {
		m.take(record.Type(line[0]), []byte(strings.TrimPrefix(line[1:], " ")))
	}
	if r := m.finish(); r.Status != 0 {
		t.Fatal(r, b.log)
	}
	st, err := queue.Stat(queue.Incoming, f.ID)
	if err != nil {
		t.Fatal(err)
	}
	g, _ := queue.OpenRead(queue.Incoming, f.ID)
	r := record.NewReader(g)
	_, data, _ := r.Next()
	sizes, err := record.ParseSizes(data)
	if err != nil || sizes.Recipients != 1 || sizes.Flags != 6<<1 {
		t.Error(sizes, err)
	}
	r.SeekTo(sizes.DataOffset + sizes.Span)
	if typ, _, err := r.Next(); typ != record.Extracted {
		t.Errorf("%c %v at the end of the content (size %d)", typ, err, st.Size)
	}
}

// S2.4: missing headers of local mail.
func TestMissingHeaders(t *testing.T) {
	b := newBench(t, "undisclosed_recipients_header=To: undisclosed-recipients:;")
	_, got := b.send(cleanup.FlagMap, `T 1795215885 0
F Joe A. User
S joe@example.com
R jim@example.com
M
N Received: by x
N bcc: secret@example.com
N	, and@example.com
N
X
E`)
	for _, want := range []string{"N Message-Id: <2", ".ID@mail.example.com>", "N Date: ", `N From: "Joe A. User" <joe@example.com>`, "N To: undisclosed-recipients:;"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if strings.Contains(got, "secret") || strings.Contains(got, "and@") {
		t.Errorf("bcc header left in\n%s", got)
	}
}

// S4.6.2, S4.6.3, S4.6.4, S4.6.7: canonical, masquerade, aliases, copies, and
// each recipient once.
func TestMapping(t *testing.T) {
	b := newBench(t, "canonical_maps=inline:{{joe@example.com=Joe.User@example.com}}", "sender_canonical_maps=inline:{{root@a.example.com=admin@a.example.com}}",
		"masquerade_domains=!keep.example.com example.com", "masquerade_exceptions=root", "virtual_alias_domains=v.example",
		"virtual_alias_maps=inline:{{all@v.example=joe@example.com,jim@example.com} {loop@v.example=loop@v.example,x@example.com}}",
		"always_bcc=archive@example.com", "recipient_delimiter=+")
	_, got := b.send(cleanup.FlagMap|cleanup.FlagBcc, `T 1795215885 0
A rewrite_context=local
S root@a.example.com
R all@v.example
R joe@example.com
R joe@example.com
R loop+ext@v.example
M
N Received: by x
N Message-Id: <1>
N Date: now
N From: Root <root@a.example.com>, kim@h.keep.example.com (Kim),
N	lee@h.example.com
N To: joe@example.com
N
X
E`)
	b.want(got, `
T 1795215885 0
A rewrite_context=local
S admin@example.com
A dsn_orig_rcpt=rfc822;all@v.example
O all@v.example
R joe@example.com
A dsn_orig_rcpt=rfc822;all@v.example
O all@v.example
R jim@example.com
A dsn_orig_rcpt=rfc822;Joe.User@example.com
O joe@example.com
R Joe.User@example.com
A dsn_orig_rcpt=rfc822;loop+ext@v.example
O loop+ext@v.example
R loop+ext@v.example
A dsn_orig_rcpt=rfc822;loop+ext@v.example
O loop+ext@v.example
R x+ext@example.com
M 
N Received: by x
N Message-Id: <1>
N Date: now
N From: Root <admin@example.com>, kim@h.keep.example.com (Kim),
N 	lee@example.com
N To: Joe.User@example.com
N 
X 
A notify_flags=1
A dsn_orig_rcpt=rfc822;archive@example.com
O archive@example.com
R archive@example.com
E `)
}

// S4.5.1, S2.4: what is refused, and that nothing is left behind.
func TestRefused(t *testing.T) {
	b := newBench(t, "hopcount_limit=3")
	hops := strings.Replace(plain, "N Subject", strings.Repeat("N Received: again\n", 3)+"N Subject", 1)
	for text, want := range map[string]cleanup.Status{
		hops: cleanup.StatusHops,
		strings.Replace(plain, "R joe@example.com\n", "", 1):            cleanup.StatusRcpt,
		strings.Replace(plain, "N Received: from x\n", "", 1):           cleanup.StatusBad,
		strings.Replace(plain, "S me@x.example\n", "", 1):               cleanup.StatusBad,
		strings.Replace(plain, "S me", "S a@b.example\nS me", 1):        cleanup.StatusBad,
		strings.Replace(plain, "N Subject: hi", "Q odd", 1):             cleanup.StatusBad,
		strings.Replace(plain, "T 1795215885 706020", "T yesterday", 1): cleanup.StatusBad,
	} {
		reply, _ := b.send(cleanup.FlagMap, text)
		if reply.Status&want == 0 {
			t.Errorf("status %d, want %d, for\n%s", reply.Status, want, text)
		}
	}
	for range queue.Incoming.Scan() {
		t.Error("a file is left")
	}
}

// A message without an empty line, long lines, 8-bit text, held mail.
func TestContent(t *testing.T) {
	b := newBench(t, "line_length_limit=512")
	_, got := b.send(0, strings.Replace(plain, "N \nN body", "L "+strings.Repeat("x", 512)+"\nN grün\nf 4", 1))
	if !strings.Contains(got, "N Message-Id: <1@x>\nN \nL xxx") && !strings.Contains(got, "<1@x>\nN \n") {
		t.Log(got)
	}
	held := 0
	for range queue.Hold.Scan() {
		held++
	}
	_, got = b.send(cleanup.FlagHold, strings.Replace(plain, "N Subject: hi", "N Content-Transfer-Encoding: 8bit", 1))
	for range queue.Hold.Scan() {
		held++
	}
	if held == 0 || !strings.Contains(got, "X \nA encoding=8bit\nE") {
		t.Errorf("%d held:\n%s", held, got)
	}
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte(plain))
	f.Fuzz(func(t *testing.T, in []byte) {
		newBench(t)
		file, err := queue.Create(queue.Incoming, 1)
		if err != nil {
			t.Fatal(err)
		}
		m := newMessage(file)
		for line := range strings.SplitSeq(string(in), "\n") {
			// Addresses that are not in standard form need another daemon.
			if len(line) > 0 && !strings.ContainsRune("RSO", rune(line[0])) {
				m.take(record.Type(line[0]), []byte(line[1:]))
			}
		}
		m.finish()
	})
}

// A full name that is not ASCII is encoded. RFC 2047; full_name_encoding_charset.
func TestEncodedName(t *testing.T) {
	newBench(t)
	for _, test := range []struct{ charset, format, name, want string }{
		{"utf-8", "standard", "J\u00f6rg X", "=?utf-8?q?J=C3=B6rg_X?= <j@x>"},
		{"utf-8", "obsolete", "J\u00f6rg X", "j@x (=?utf-8?q?J=C3=B6rg_X?=)"},
		{"utf-8", "standard", "\u0391\u03b2\u03b3\u03b4\u03b5\u03b6\u03b7", "=?utf-8?b?zpHOss6zzrTOtc62zrc=?= <j@x>"},
		{"iso-8859-1", "standard", "J\xf6rg", "=?iso-8859-1?q?J=F6rg?= <j@x>"},
		{"no such", "standard", "J\xf6rg", "j@x"},
	} {
		conf.FullNameEncodingCharset, conf.HeaderFromFormat = test.charset, test.format
		if got := encodedName(test.name, "j@x"); got != test.want {
			t.Errorf("%+v: got %s", test, got)
		}
	}
}

// What ends a header must be an empty line; non_empty_end_of_header_action.
func TestNonEmptyEnd(t *testing.T) {
	const message = `T 1795215885 706020
S me@x.example
R joe@example.com
M
N Received: from x
N Message-Id: <1@x>
N no header
X
E`
	for _, test := range []struct{ action, want string }{
		{"fix_quietly", "N Message-Id: <1@x>\nN Date: "},
		{"add_header", "N Message-Id: <1@x>\nN MIME-Error: message header was not terminated by empty line\nN Date: "},
	} {
		if _, got := newBench(t, "non_empty_end_of_header_action="+test.action).send(cleanup.FlagFilter, message); !strings.Contains(got, test.want) || !strings.Contains(got, "\nN \nN no header\n") {
			t.Errorf("%s: got\n%s", test.action, got)
		}
	}
	b := newBench(t, "non_empty_end_of_header_action=reject")
	reply, _ := b.send(cleanup.FlagFilter, message)
	if reply.Status != cleanup.StatusCont || !strings.Contains(strings.Join(b.log, "\n"), "reject: mime-error message header was terminated with non-empty line: no header") {
		t.Errorf("%+v %s", reply, b.log)
	}
}

// Header lines about TLS become flags of the message, and back. RFC 8689.
func TestTLSHeaders(t *testing.T) {
	for _, test := range []struct {
		flags  int
		header string
		want   int64
	}{
		{0, "TLS-Required: No", record.TLSOptional},
		{0, "Require-TLS-ESMTP: yes", record.RequireTLS},
		{0, "TLS-Required: yes", 0},
		{cleanup.FlagRequireTLS, "X: y", record.RequireTLS},
		{cleanup.FlagRequireTLS | cleanup.FlagAutoUTF8, "TLS-Required: no", record.RequireTLS | record.TLSOptional},
	} {
		newBench(t)
		f, err := queue.Create(queue.Incoming, 1)
		if err != nil {
			t.Fatal(err)
		}
		m := newMessage(f)
		m.flags = test.flags
		for line := range strings.SplitSeq(strings.Replace(plain, "N Subject: hi", "N "+test.header, 1), "\n") {
			m.take(record.Type(line[0]), []byte(strings.TrimPrefix(line[1:], " ")))
		}
		m.finish()
		data, err := os.ReadFile(f.Path())
		if err != nil {
			t.Fatal(err)
		}
		if m.sizes.SMTPUTF8 != test.want {
			t.Errorf("%+v: got %d", test, m.sizes.SMTPUTF8)
		}
		if asked := test.flags&cleanup.FlagRequireTLS != 0; asked != bytes.Contains(data, []byte("Require-TLS-ESMTP: yes")) && test.header[:3] != "Req" {
			t.Errorf("%+v: the header is wrong", test)
		}
	}
}

// Text that claims to be 8-bit is changed before checks see it; force_mime_input_conversion.
func TestForceConversion(t *testing.T) {
	b := newBench(t, "force_mime_input_conversion=yes", "body_checks=regexp:{{/^gr=C3=BCn/ WARN seen}}", "mime_header_checks=regexp:{{/quoted/ WARN seen}}")
	_, got := b.send(cleanup.FlagFilter, `T 1795215885 706020
A rewrite_context=remote
S me@x.example
R joe@example.com
M
N Received: from x
N Message-Id: <1@x>
N Content-Transfer-Encoding: 8bit
N
L gr
N ün =
X
E`)
	if !strings.Contains(got, "N Content-Transfer-Encoding: quoted-printable\nN \nL gr\nN =C3=BCn =3D\n") || len(b.log) != 2 {
		t.Errorf("got\n%s%q", got, b.log)
	}
}
