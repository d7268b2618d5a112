package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"postrider/test/script"
)

// lookAt is a content filter that refuses what has a certain word in it, and
// writes down what it was told.
func lookAt(listener net.Listener, told chan<- string) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		var all strings.Builder
		in := bufio.NewScanner(conn)
		fmt.Fprint(conn, "220 filter\r\n")
		for data := false; in.Scan(); {
			line := in.Text()
			all.WriteString(line + "\n")
			switch {
			case data && line != ".":
			case strings.Contains(line, "refuse"):
				fmt.Fprint(conn, "550 5.7.1 I do not like that\r\n")
			case data:
				data = false
				if strings.Contains(all.String(), "virus") {
					fmt.Fprint(conn, "554-5.7.1 There is a\r\n554 5.7.1 virus\r\n")
				} else {
					fmt.Fprint(conn, "250 2.0.0 Ok: taken\r\n")
				}
			case line == "DATA":
				data = true
				fmt.Fprint(conn, "354 go on\r\n")
			case strings.HasPrefix(line, "EHLO"):
				fmt.Fprint(conn, "250-filter\r\n250-XFORWARD NAME ADDR HELO SOURCE\r\n250 8BITMIME\r\n")
			default:
				fmt.Fprint(conn, "250 2.0.0 Ok\r\n")
			}
		}
		conn.Close()
		told <- all.String()
	}
}

// A filter before the queue decides about each message, at once or when all of
// it is here.
func TestFilter(t *testing.T) {
	for _, options := range []string{"", "speed_adjust"} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		told := make(chan string, 10)
		go lookAt(listener, told)
		t.Chdir(t.TempDir())
		if err := os.Mkdir("incoming", 0o700); err != nil {
			t.Fatal(err)
		}
		refused := "550 5.7.1 I do not like that"
		if options != "" {
			refused = "250 2.1.5 Ok"
		}
		session := `S: 220 mail.example.com ESMTP Postfix
C: HELO client.test
S: 250 mail.example.com
C: MAIL FROM:<a@b.example> SIZE=10
S: 250 2.1.0 Ok
C: RCPT TO:<joe@example.com>
S: 250 2.1.5 Ok
C: DATA
S: 354 End data with <CR><LF>.<CR><LF>
C: ..dot
C: .
S: 250 2.0.0 Ok: taken
C: MAIL FROM:<a@b.example>
S: 250 2.1.0 Ok
C: RCPT TO:<refuse@valias.example>
S: ` + refused + `
C: RSET
S: 250 2.0.0 Ok
C: MAIL FROM:<a@b.example>
S: 250 2.1.0 Ok
C: RCPT TO:<ann@example.com>
S: 250 2.1.5 Ok
C: DATA
S: 354 End data with <CR><LF>.<CR><LF>
C: virus
C: .
S: 554-5.7.1 There is a
S: 554 5.7.1 virus
C: QUIT
S: 221 2.0.0 Bye
`
		s := &script.Script{Name: "filter " + options, Sections: map[string]string{"session": session,
			"main.cf": "smtpd_proxy_filter = inet:" + listener.Addr().String() + "\nsmtpd_proxy_options = " + options + "\n" +
				"virtual_alias_maps = inline:{{refuse@valias.example=x}}\n"}}
		s.Run(t, connect)
		listener.Close()
		first := <-told
		for _, want := range []string{"EHLO mail.example.com\n", "XFORWARD NAME=[UNAVAILABLE] ADDR=127.0.0.1 HELO=client.test SOURCE=LOCAL\n",
			"MAIL FROM:<a@b.example> SIZE=10\n", "RCPT TO:<joe@example.com>\nDATA\nReceived: from client.test", "(Postfix) with SMTP\n", "\n..dot\n.\n"} {
			if !strings.Contains(first, want) {
				t.Errorf("%q: the filter was not told %q but\n%s", options, want, first)
			}
		}
	}
}

// Without a filter no mail is lost: the client must come again.
func TestNoFilter(t *testing.T) {
	s := &script.Script{Name: "no filter", Sections: map[string]string{"main.cf": "smtpd_proxy_filter = inet:127.0.0.1:1\n", "session": `S: 220 mail.example.com ESMTP Postfix
C: HELO client.test
S: 250 mail.example.com
C: MAIL FROM:<a@b.example>
S: 250 2.1.0 Ok
C: RCPT TO:<joe@example.com>
S: 451 4.3.0 Error: queue file write error
C: QUIT
S: 221 2.0.0 Bye
`}}
	s.Run(t, connect)
}
