package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/mail/param"
	"postrider/lib/service/tlsproxy"
	"postrider/test/peer/pki"
)

// start makes a proxy with a certificate, and returns the end of a program that
// wants TLS.
func start(t *testing.T, settings ...string) (*os.File, chan bool) {
	t.Helper()
	t.Cleanup(msg.SetOutput(func(_ msg.Level, line string) { t.Log(line) }))
	c := pki.NewAuthority("Test CA").Issue(pki.Request{Name: "mail.example.com", DNS: []string{"mail.example.com"}})
	file := filepath.Join(t.TempDir(), "server.pem")
	if err := pki.Write(file, c.PrivateKey, c.Certificate...); err != nil {
		t.Fatal(err)
	}
	values := param.New("")
	values.Override("tlsproxy_tls_security_level", "may")
	values.Override("tlsproxy_tls_chain_files", file)
	if err := values.Load(&conf); err != nil {
		t.Fatal(err)
	}
	engine = nil
	open()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan bool)
	go func() {
		s := stream.New(&clientConn{os.NewFile(uintptr(fds[1]), "proxy")})
		serve(s)
		s.Close()
		close(done)
	}()
	f := os.NewFile(uintptr(fds[0]), "program")
	f.SetDeadline(time.Now().Add(10 * time.Second))
	t.Cleanup(func() { f.Close() })
	return f, done
}

// list reads an attribute list.
func list(t *testing.T, f *os.File) attr.List {
	t.Helper()
	var got []byte
	for {
		var b [1]byte
		if _, err := f.Read(b[:]); err != nil {
			t.Fatal(err)
		}
		got = append(got, b[0])
		if l, _, err := attr.Parse(got); err == nil {
			return l
		}
	}
}

// A program gives a connection away and reads what is inside of TLS.
func TestServe(t *testing.T) {
	f, done := start(t)
	if got := list(t, f).Get("protocol"); got != tlsproxy.Protocol {
		t.Fatalf("announced: %q", got)
	}
	f.Write(attr.Encode(nil, tlsproxy.Request{Remote: "[192.0.2.1]:1", Role: tlsproxy.Server, Handshake: 5, Session: 5, ServerID: "smtpd"}))
	if got := list(t, f).Get("status"); got != "1" {
		t.Fatalf("status %q", got)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	heard := make(chan string)
	go func() {
		c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			heard <- err.Error()
			return
		}
		fmt.Fprint(c, "NOOP\r\n")
		in := bufio.NewReader(c)
		line, _ := in.ReadString('\n')
		heard <- line
		_, err = in.ReadString('\n')
		heard <- fmt.Sprint(err)
		c.Close()
	}()
	client, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	own, _ := client.(*net.TCPConn).File()
	raw, _ := f.SyscallConn()
	raw.Control(func(fd uintptr) { err = unix.Sendmsg(int(fd), []byte{0}, unix.UnixRights(int(own.Fd())), nil, 0) })
	client.Close()
	own.Close()
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(f).ReadString('\n'); line != "NOOP\r\n" {
		t.Fatalf("inside of TLS: %q, %v", line, err)
	}
	fmt.Fprint(f, "250 Ok\r\n")
	if got := <-heard; got != "250 Ok\r\n" {
		t.Errorf("the client heard %q", got)
	}
	f.Close()
	if got := <-heard; got != "EOF" {
		t.Errorf("the end of TLS: %s", got)
	}
	<-done
}

// What is not possible is refused, and the connection stays with the program.
func TestRefused(t *testing.T) {
	f, done := start(t)
	list(t, f)
	f.Write(attr.Encode(nil, tlsproxy.Request{Remote: "[192.0.2.1]:1", Role: tlsproxy.Client}))
	if got := list(t, f).Get("status"); got != "0" {
		t.Errorf("status %q", got)
	}
	<-done
}

// A program that goes away, or sends nonsense, is no trouble.
func TestNonsense(t *testing.T) {
	for _, text := range []string{"", "x", "a\x00b\x00\x00", "flags\x00x\x00\x00"} {
		f, done := start(t)
		list(t, f)
		f.Write([]byte(text))
		f.Close()
		<-done
	}
}
