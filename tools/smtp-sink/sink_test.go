package main

import (
	"bufio"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// talk runs the program with these options and one client. Lines that begin with
// "C: " are sent, the others must come back.
func talk(t *testing.T, args string, script ...string) *sink {
	t.Helper()
	o, _ := readOptions(strings.Fields(args + " -n 1"))
	fds, err := listen(o, "127.0.0.1:0", 5)
	if err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fds[0])
	if err != nil {
		t.Fatal(err)
	}
	s := newSink(o)
	done := make(chan error)
	go func() {
		done <- s.run(fds)
		unix.Close(fds[0])
	}()
	conn, err := net.DialTCP("tcp", nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*unix.SockaddrInet4).Port})
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	in := bufio.NewReader(conn)
	for _, line := range script {
		if text, ok := strings.CutPrefix(line, "C: "); ok {
			conn.Write([]byte(text))
			continue
		}
		got, err := in.ReadString('\n')
		if got = strings.TrimSpace(got); got != line {
			t.Errorf("got %q (%v), want %q", got, err, line)
			break
		}
	}
	conn.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	return s
}

func TestMessages(t *testing.T) {
	s := talk(t, "-h sink.example", "220 sink.example ESMTP", "C: HELO x\r\n", "250 sink.example",
		"C: MAIL FROM:<a>\r\nRCPT TO:<b>\r\nRCPT TO:<c>\r\nDATA\r\n", "250 2.1.0 Ok", "250 2.1.5 Ok", "250 2.1.5 Ok",
		"354 End data with <CR><LF>.<CR><LF>", "C: text\r\n.", "C: \r\nMAIL FROM:<a>\r\n", "250 2.0.0 Ok", "250 2.1.0 Ok",
		"C: RCPT TO:<b>\r\nDATA\r\n", "250 2.1.5 Ok", "354 End data with <CR><LF>.<CR><LF>", "C: .\r\nQUIT\r\n", "250 2.0.0 Ok", "221 Bye")
	if s.messages != 2 || s.quits != 1 || s.sessions != 1 {
		t.Errorf("%d messages, %d quits, %d sessions", s.messages, s.quits, s.sessions)
	}
}

func TestBehaviours(t *testing.T) {
	talk(t, "-f RCPT,VRFY -r mail -8aCFNE", "220 smtp-sink ESMTP", "C: EHLO x\r\n", "250-smtp-sink", "250", "C: VRFY x\r\n", "500 5.3.0 Error: command failed",
		"C: MAIL FROM:<a>\r\n", "450 4.3.0 Error: command failed", "C: RCPT TO:<a>\r\n", "500 5.3.0 Error: command failed")
	talk(t, "-q MAIL -P", "220 ********", "C: MAIL FROM:<a>\r\n", "")
	talk(t, "-Q DATA -L", "220 smtp-sink ESMTP", "C: MAIL FROM:<a>\r\nRCPT TO:<a>\r\nDATA\r\n", "250 2.1.0 Ok", "250 2.1.5 Ok", "421 4.0.0 Server closing connection", "")
	talk(t, "-A 0", "220 smtp-sink ESMTP", "C: MAIL FROM:<a>\r\nRCPT TO:<a>\r\nDATA\r\n", "250 2.1.0 Ok", "250 2.1.5 Ok",
		"354 End data with <CR><LF>.<CR><LF>", "550 This violates SMTP", "")
	talk(t, "-L", "220 smtp-sink ESMTP", "C: MAIL FROM:<a>\r\nRCPT TO:<a>\r\nRCPT TO:<b>\r\nDATA\r\n", "250 2.1.0 Ok", "250 2.1.5 Ok", "250 2.1.5 Ok",
		"354 End data with <CR><LF>.<CR><LF>", "C: x\r\n.\r\n", "250 2.2.0 Ok", "250 2.2.0 Ok")
}

func TestDelay(t *testing.T) {
	start := time.Now()
	talk(t, "-w 1", "220 smtp-sink ESMTP", "C: MAIL FROM:<a>\r\nRCPT TO:<a>\r\nDATA\r\n", "250 2.1.0 Ok", "250 2.1.5 Ok",
		"354 End data with <CR><LF>.<CR><LF>", "C: x\r\n.\r\nQUIT\r\n", "250 2.0.0 Ok", "221 Bye")
	if time.Since(start) < time.Second {
		t.Error("no delay")
	}
}

func TestDump(t *testing.T) {
	dir := t.TempDir()
	talk(t, "-d "+dir+"/%Y/x", "220 smtp-sink ESMTP", "C: HELO me\r\nMAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\n", "250 smtp-sink", "250 2.1.0 Ok", "250 2.1.5 Ok",
		"354 End data with <CR><LF>.<CR><LF>", "C: Subject: x\r\n\r\n..dot\r\n.\r\n", "250 2.0.0 Ok")
	files, _ := filepath.Glob(dir + "/2*/x*")
	if len(files) != 1 {
		t.Fatal(files)
	}
	text, _ := os.ReadFile(files[0])
	for _, want := range []string{"X-Client-Addr: 127.0.0.1\n", "X-Client-Proto: SMTP\n", "X-Helo-Args: me\n", "X-Mail-Args: <a>\n",
		"X-Rcpt-Args: <b>\n", "Received: from me ([127.0.0.1])\n", "\nSubject: x\n\n.dot\n\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
}
