package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
	"postrider/lib/mail/param"
)

// A rig is a master that runs in a goroutine of the test, with a queue
// directory and programs of its own.
type rig struct {
	t     *testing.T
	m     *master
	dir   string
	calls chan func()
	bell  [2]int

	mu    sync.Mutex
	lines []string
	news  chan struct{} // a line was logged
}

// newRig starts a master with a master.cf.
func newRig(t *testing.T, mainCF, masterCF string) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), calls: make(chan func(), 10), news: make(chan struct{}, 1000)}
	t.Chdir(r.dir)
	uid, gid, owner := mailOwner(t)
	for _, dir := range []string{"private", "public", "pid", "data", "libexec", "etc"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if os.Getuid() == 0 {
			os.Chown(dir, uid, gid)
		}
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name := range children {
		if err := os.Symlink(program, "libexec/"+name); err != nil {
			t.Fatal(err)
		}
	}
	r.write("main.cf", fmt.Sprintf("compatibility_level = 3.6\nmail_owner = %s\nqueue_directory = %s\n"+
		"daemon_directory = %[2]s/libexec\ndata_directory = %[2]s/data\nmyhostname = mail.example.com\n%s", owner, r.dir, mainCF))
	r.write("master.cf", masterCF)
	t.Setenv("MAIL_CONFIG", filepath.Join(r.dir, "etc"))
	t.Setenv("SECRET", "x")
	t.Cleanup(msg.SetOutput(r.logged))
	r.start()
	return r
}

// mailOwner finds an account that may be the parameter mail_owner.
func mailOwner(t *testing.T) (uid, gid int, name string) {
	u, err := user.Current()
	if err == nil && u.Uid == "0" {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		t.Skip("no account for mail_owner:", err)
	}
	fmt.Sscan(u.Uid, &uid)
	fmt.Sscan(u.Gid, &gid)
	return uid, gid, u.Username
}

func (r *rig) write(name, text string) {
	if err := os.WriteFile(filepath.Join(r.dir, "etc", name), []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) logged(level msg.Level, text string) {
	r.mu.Lock()
	r.lines = append(r.lines, level.Prefix()+text)
	r.mu.Unlock()
	select {
	case r.news <- struct{}{}:
	default:
	}
}

// log waits until a line with text in it was logged.
func (r *rig) log(text string) {
	r.t.Helper()
	limit := time.After(10 * time.Second)
	for {
		if r.find(text) > 0 {
			return
		}
		select {
		case <-r.news:
		case <-limit:
			r.t.Fatalf("no line with %q in the log:\n%s", text, strings.Join(r.lines, "\n"))
		}
	}
}

// find counts the lines with text in them.
func (r *rig) find(text string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, line := range r.lines {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

func (r *rig) start() {
	conf = parameters{}
	m, err := newMaster(options{debug: true}, os.Environ())
	if err != nil {
		r.t.Fatal(err)
	}
	m.log = func() {}
	m.dir = param.Dir()
	r.m = m
	if err := unix.Pipe2(r.bell[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		r.t.Fatal(err)
	}
	m.loop.watch(r.bell[0], func() {
		unix.Read(r.bell[0], make([]byte, 1))
		(<-r.calls)()
	})
	p, err := m.parameters()
	if err == nil {
		err = m.adopt(p)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	specs, err := m.read(p)
	if err != nil {
		r.t.Fatal(err)
	}
	ended := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := m.start(specs)
		ended <- err
		if err == nil {
			m.run()
			close(ended)
		}
	}()
	if err := <-ended; err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		r.do(func() {
			for _, s := range m.services {
				s.stop()
			}
			for _, pid := range pids(m) {
				unix.Kill(pid, unix.SIGKILL)
				unix.Wait4(pid, nil, 0, nil)
			}
			m.loop.stop()
		})
		<-ended
	})
}

func pids(m *master) (list []int) {
	for pid := range m.processes {
		list = append(list, pid)
	}
	return list
}

// do calls f in the loop of the master.
func (r *rig) do(f func()) {
	done := make(chan struct{})
	r.calls <- func() { f(); close(done) }
	unix.Write(r.bell[1], []byte{1})
	<-done
}

// reload writes a new master.cf and waits until master has read it.
func (r *rig) reload(masterCF string) {
	r.write("master.cf", masterCF)
	r.do(r.m.reload)
}

// A client is a connection to a service.
type client struct {
	net.Conn
	t *testing.T
	*bufio.Reader
}

func (r *rig) connect(path string) *client {
	r.t.Helper()
	network := "unix"
	if strings.Contains(path, ":") {
		network = "tcp"
	}
	conn, err := net.Dial(network, path)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	return &client{conn, r.t, bufio.NewReader(conn)}
}

// facts waits until a process serves the client, and returns what it says.
func (c *client) facts() string {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	line, err := c.ReadString('\n')
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// waits makes sure that nobody serves the client.
func (c *client) waits() {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if line, err := c.ReadString('\n'); err == nil {
		c.t.Errorf("client got %q, but should wait", line)
	}
}

// leave ends the session and waits until the process has noticed.
func (c *client) leave() {
	c.t.Helper()
	c.Conn.(interface{ CloseWrite() error }).CloseWrite()
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if line, err := c.ReadString('\n'); err == nil {
		c.t.Fatalf("more text: %q", line)
	}
	c.Close()
}

func (c *client) Read(p []byte) (int, error) { return c.Reader.Read(p) }

func fact(facts, name string) string {
	for _, f := range strings.Split(facts, "; ") {
		if value, found := strings.CutPrefix(f, name+"="); found {
			return value
		}
	}
	return ""
}
