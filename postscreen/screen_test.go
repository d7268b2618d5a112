package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
	"postrider/lib/base/poll"
	"postrider/lib/base/table"
	_ "postrider/lib/base/table/all"
	"postrider/lib/mail/param"
)

// A rig is a screen in this process, with what it needs around it.
type rig struct {
	*screen
	t      *testing.T
	addr   string
	mu     sync.Mutex
	lines  []string
	passed int // clients that the SMTP server got
	ask    chan func()
	inside func(func()) // runs a function in the loop
}

// start starts a screen with settings "name=value". Time passes fast: the shortest
// one is a second.
func start(t *testing.T, set ...string) *rig {
	t.Helper()
	r := &rig{t: t, ask: make(chan func())}
	t.Cleanup(msg.SetOutput(func(_ msg.Level, line string) {
		r.mu.Lock()
		r.lines = append(r.lines, line)
		r.mu.Unlock()
	}))
	t.Chdir(t.TempDir())
	os.Mkdir("private", 0o700)
	values := param.New("")
	for _, setting := range append([]string{"myhostname=mail.example.com", "mydomain=example.com", "inet_interfaces=127.0.0.1",
		"mynetworks=127.0.0.9/32", "postscreen_greet_wait=1s", "postscreen_cache_map=internal:" + t.Name(), "smtpd_banner=mail.example.com ESMTP",
		"smtpd_client_connection_count_limit=5000", "postscreen_pre_queue_limit=5000", "inet_protocols=ipv4"}, set...) {
		name, value, _ := strings.Cut(setting, "=")
		values.Override(name, value)
	}
	conf = params{}
	if err := values.Load(&conf); err != nil {
		t.Fatal(err)
	}
	table.Use(conf.Tables)
	s, err := newScreen(values)
	if err != nil {
		t.Fatal(err)
	}
	s.cache, s.served = openCache(), true
	r.screen = s
	r.listenForClients()
	r.serveSMTP()
	return r
}

// here is where screens listen.
var here = "127.0.0.1:0"

func (r *rig) listenForClients() {
	l, err := net.Listen("tcp", here)
	if err != nil {
		r.t.Fatal(err)
	}
	r.addr = l.Addr().String()
	f, _ := l.(*net.TCPListener).File()
	fd := int(f.Fd())
	unix.SetNonblock(fd, true)
	wake, _ := unix.Eventfd(0, unix.EFD_NONBLOCK)
	r.loop.listen(fd, acceptor{r.screen, fd, nil})
	r.loop.listen(wake, action0(func() {
		var b [8]byte
		poll.Read(wake, b[:])
		(<-r.ask)()
	}))
	done := make(chan bool)
	go func() {
		r.run(&r.steps, &r.waiting)
		close(done)
	}()
	poke := func(f func()) {
		unix.Write(wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		ran := make(chan bool)
		r.ask <- func() { f(); close(ran) }
		<-ran
	}
	r.t.Cleanup(func() {
		poke(func() { r.stopped = true })
		<-done
		l.Close()
		f.Close()
	})
	r.inside = poke
}

// serveSMTP takes the clients that are handed over, and greets them.
func (r *rig) serveSMTP() {
	l, err := net.Listen("unix", "private/smtpd")
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			var b [500]byte
			oob := make([]byte, unix.CmsgSpace(4))
			_, n, _, _, err := c.(*net.UnixConn).ReadMsgUnix(b[:], oob)
			if err == nil {
				messages, _ := unix.ParseSocketControlMessage(oob[:n])
				fds, _ := unix.ParseUnixRights(&messages[0])
				unix.Write(fds[0], []byte("220 handed over\r\n"))
				unix.Close(fds[0])
			}
			c.Close()
			r.mu.Lock()
			r.passed++
			r.mu.Unlock()
		}
	}()
}

func (r *rig) log() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.lines, "\n")
}

// await waits until f says yes.
func (r *rig) await(what string, f func() bool) {
	r.t.Helper()
	for end := time.Now().Add(20 * time.Second); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("waited in vain for %s\n%.3000s", what, r.log())
		}
	}
}

func (r *rig) dial() net.Conn {
	r.t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

func (r *rig) expect(in *bufio.Reader, want string) {
	r.t.Helper()
	line, err := in.ReadString('\n')
	if !strings.HasPrefix(line, want) {
		r.t.Fatalf("got %q (%v), want %q\n%s", line, err, want, r.log())
	}
}

// TestPass: a client that waits is handed over, and knows the cache the next time.
func TestPass(t *testing.T) {
	r := start(t)
	for _, greeting := range []string{"220-mail.example.com ESMTP", "220 handed over"} {
		in := bufio.NewReader(r.dial())
		r.expect(in, greeting)
		if greeting[3] == '-' {
			r.expect(in, "220 handed over")
		}
	}
	want := []string{"CONNECT from [127.0.0.1]:", "PASS NEW [127.0.0.1]:", "PASS OLD [127.0.0.1]:"}
	for _, text := range want {
		if !strings.Contains(r.log(), text) {
			t.Errorf("no %q in\n%s", text, r.log())
		}
	}
}

// TestPassIPv6: log and cache have addresses in the form of RFC 5952.
func TestPassIPv6(t *testing.T) {
	here = "[::1]:0"
	defer func() { here = "127.0.0.1:0" }()
	if l, err := net.Listen("tcp", here); err != nil {
		t.Skip("no IPv6 here")
	} else {
		l.Close()
	}
	r := start(t)
	in := bufio.NewReader(r.dial())
	r.expect(in, "220-mail.example.com ESMTP")
	r.expect(in, "220 handed over")
	if log := r.log(); !strings.Contains(log, "CONNECT from [::1]:") || !strings.Contains(log, "PASS NEW [::1]:") {
		t.Error(log)
	}
	if _, found := r.cache.lookup("::1"); !found {
		t.Error("the client is not in the cache")
	}
}

// TestSlowLine: a client that sends one byte after the other gets no more time.
func TestSlowLine(t *testing.T) {
	r := start(t, "postscreen_bare_newline_enable=yes", "postscreen_command_time_limit=1s")
	c := r.dial()
	in := bufio.NewReader(c)
	r.expect(in, "220-")
	r.expect(in, "220 ")
	go func() {
		for range 100 {
			if _, err := c.Write([]byte("N")); err != nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	r.expect(in, "421 4.4.2 ")
}

// TestHostile: nothing that clients send stops the process or keeps anything of it.
func TestHostile(t *testing.T) {
	r := start(t, "postscreen_greet_banner=", "postscreen_bare_newline_enable=yes", "postscreen_pipelining_enable=yes",
		"postscreen_non_smtp_command_enable=yes", "postscreen_non_smtp_command_action=ignore", "postscreen_cache_map=")
	words := []string{"EHLO x", "MAIL FROM:<", "RCPT TO:", "\"", ">", "@", "\r\n", "\n", "\x00", "DATA", "BDAT 9", "QUIT", "STARTTLS\r\n",
		"\xff\xfe", strings.Repeat("x", 3000), "RSET\r\n", "VRFY a\r\n", ":", " ", "\\"}
	random := rand.New(rand.NewPCG(1, 2))
	var all sync.WaitGroup
	for range 300 {
		text := ""
		for range random.IntN(40) {
			text += words[random.IntN(len(words))]
		}
		all.Go(func() {
			c, err := net.Dial("tcp", r.addr)
			if err != nil {
				t.Error(err)
				return
			}
			c.SetDeadline(time.Now().Add(20 * time.Second))
			io.WriteString(c, text)
			c.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, c)
			c.Close()
		})
	}
	all.Wait()
	left := -1
	r.await("the end of all clients", func() bool {
		r.inside(func() { left = r.clients + r.testing + r.handing + len(r.known) + len(r.timers) })
		return left == 0
	})
	if strings.Contains(r.log(), "panic") {
		t.Error(r.log())
	}
}

// TestThousand: a thousand clients at once need little, and all go on.
func TestThousand(t *testing.T) {
	if testing.Short() {
		t.Skip("needs 2000 descriptors")
	}
	limit := unix.Rlimit{Cur: 4096, Max: 4096}
	unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	r := start(t, "postscreen_greet_wait=3s", "postscreen_post_queue_limit=2000")
	var before, after runtime.MemStats
	for range 3 { // what earlier tests have left
		runtime.GC()
	}
	runtime.ReadMemStats(&before)
	const clients = 1000
	list := make([]net.Conn, clients)
	for i := range list {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(i>>8), byte(i))}}
		c, err := d.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		list[i] = c
	}
	r.await("all clients", func() bool { return strings.Count(r.log(), "CONNECT from") == clients })
	r.mu.Lock()
	r.lines = nil
	r.mu.Unlock()
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / clients
	t.Logf("for each client %d bytes are kept and %d used, with those of this test", each,
		(after.TotalAlloc-before.TotalAlloc)/clients)
	if each > 4096 {
		t.Errorf("%d bytes for each client", each)
	}
	r.await("all to be handed over", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.passed == clients
	})
	for _, c := range list {
		c.Close()
	}
}

// TestCacheClean: entries go when they have expired for long enough.
func TestCacheClean(t *testing.T) {
	r := start(t, "postscreen_cache_retention_time=1d")
	now := time.Now()
	for key, value := range map[string]string{
		"192.0.2.1": fmt.Sprintf("%d;1;1;1;1", now.Add(time.Hour).Unix()),
		"192.0.2.2": fmt.Sprintf("%d;1;1;1;1", now.Add(-time.Hour).Unix()),
		"192.0.2.3": fmt.Sprintf("%d;1;1;1;1", now.Add(-25*time.Hour).Unix()),
		"192.0.2.4": "nonsense",
	} {
		r.cache.table.Update(key, value)
	}
	r.cache.clean(r.cache.table.(table.Sequencer), now)
	for key, want := range map[string]bool{"192.0.2.1": true, "192.0.2.2": true, "192.0.2.3": false, "192.0.2.4": false} {
		if _, found, _ := r.cache.table.Lookup(key); found != want {
			t.Errorf("%s: %v", key, found)
		}
	}
	if want := "full cleanup: retained=2 dropped=2 entries"; !strings.Contains(r.log(), want) {
		t.Errorf("no %q in %s", want, r.log())
	}
}
