package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/mail/param"
)

// A fixed conversation, as a connection.
type spoken struct {
	in  *strings.Reader
	out strings.Builder
}

func (c *spoken) Read(b []byte) (int, error) {
	if c.in.Len() == 0 {
		return 0, io.EOF
	}
	return c.in.Read(b)
}
func (c *spoken) Write(b []byte) (int, error)    { return c.out.Write(b) }
func (c *spoken) Close() error                   { return nil }
func (c *spoken) SetTimeout(time.Duration) error { return nil }

// Whatever a client sends, the server goes on, each line of its replies has a
// code, and no message is taken but for a proper end of data.
func FuzzSession(f *testing.F) {
	for _, seed := range []string{
		"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<joe@example.com>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n",
		"EHLO x\r\nMAIL FROM:<a@b> SIZE=1 RET=FULL ENVID=+41\r\nRCPT TO:<joe@example.com> NOTIFY=NEVER ORCPT=rfc822;x\r\nBDAT 3\r\nabcBDAT 2 LAST\r\nde",
		"XCLIENT NAME=a ADDR=1.2.3.4\r\nXFORWARD NAME=x\r\nVRFY <a>\r\nETRN #x\r\nHELP\r\n",
		"BDAT 99\r\n", "\xff\r\n", "GET / HTTP/1.0\r\n", "RSET\nNOOP\n\n",
	} {
		f.Add(seed)
	}
	set := param.New(f.TempDir())
	for name, value := range settings {
		set.Override(name, value)
	}
	set.Override("smtpd_authorized_xclient_hosts", "127.0.0.1")
	set.Override("smtpd_authorized_xforward_hosts", "127.0.0.1")
	set.Override("smtpd_forbid_unauth_pipelining", "no")
	set.Override("smtpd_hard_error_limit", "1000")
	conf = params{}
	if err := set.Load(&conf); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(msg.SetOutput(func(msg.Level, string) {}))
	sv := testService(f, set, &peer{}, nil)
	f.Fuzz(func(t *testing.T, text string) {
		c := &spoken{in: strings.NewReader(text)}
		s := &session{service: sv, s: stream.New(c), fd: -1}
		s.become("")
		s.serve()
		s.s.Flush()
		for line := range strings.SplitSeq(strings.TrimSuffix(c.out.String(), "\r\n"), "\r\n") {
			if len(line) < 4 || strings.Trim(line[:3], "0123456789") != "" || line[3] != ' ' && line[3] != '-' {
				t.Errorf("reply %q to %q", line, text)
			}
			if strings.ContainsAny(line, "\r\n\x00") {
				t.Errorf("reply %q to %q", line, text)
			}
		}
	})
}
