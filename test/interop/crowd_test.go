package interop

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestScreenCrowd measures what a thousand clients at once cost postscreen(8), with
// a hundred thousand in the cache. They give up before the greeting, as most bots.
func TestScreenCrowd(t *testing.T) {
	limit := unix.Rlimit{Cur: 8192, Max: 8192}
	unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	for _, s := range []side{stock, ours} {
		t.Run(string(s), func(t *testing.T) { crowd(t, s) })
	}
}

func crowd(t *testing.T, s side) {
	b := newBed(t, mix{base: s}, "postscreen_cache_map=btree:/var/lib/postfix/crowd", "postscreen_pre_queue_limit=3000",
		"postscreen_greet_wait=60s", "postscreen_cache_cleanup_interval=0", "mynetworks=127.0.0.9/32", "mail_name=Postfix")
	fillCache(t, s)
	entries, err := os.ReadFile("testdata/master.cf")
	if err != nil {
		t.Fatal(err)
	}
	defer os.WriteFile("/etc/postfix/master.cf", entries, 0o644)
	os.WriteFile("/etc/postfix/master.cf", append(entries, "127.0.0.1:3000 inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\n"...), 0o644)
	b.start()
	begin := time.Now()
	one := dialCrowd(t, 9, 1) // lets the process start, and is let through
	b.waitLog("PASS OLD")
	t.Logf("%s: with 100000 entries in the cache the first client waits %v, and the process has %s", s, time.Since(begin).Round(time.Millisecond), statusOf("postscreen"))
	list := dialCrowd(t, 1, 1000)
	wait(t, "all clients", func() bool { return strings.Count(b.log(), "CONNECT from") == 1001 })
	t.Logf("%s: with 1000 clients %s", s, statusOf("postscreen"))
	for _, c := range append(list, one...) {
		c.Close()
	}
	wait(t, "the end of all clients", func() bool { return strings.Count(b.log(), "DISCONNECT") == 1000 })
	t.Logf("%s: after them %s", s, statusOf("postscreen"))
	b.stop()
}

// dialCrowd connects from many addresses 127.NETWORK.x.y.
func dialCrowd(t *testing.T, network byte, clients int) (list []net.Conn) {
	for i := range clients {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, network, byte(i>>8), byte(i))}}
		c, err := d.Dial("tcp", "127.0.0.1:3000")
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, c)
	}
	return list
}

// fillCache makes a cache with clients that have passed.
func fillCache(t *testing.T, s side) {
	var text strings.Builder
	until := time.Now().Add(20 * time.Hour).Unix()
	for i := range 100000 {
		fmt.Fprintf(&text, "127.%d.%d.%d %d;1;1;1;1\n", 9+i>>16, i>>8&255, i&255, until)
	}
	os.Remove("/var/lib/postfix/crowd.db")
	os.Remove("/var/lib/postfix/crowd.cdb")
	os.WriteFile("/var/lib/postfix/crowd", []byte(text.String()), 0o600)
	if out, err := exec.Command(s.command("postmap"), "btree:/var/lib/postfix/crowd").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	exec.Command("sh", "-c", "chown postfix: /var/lib/postfix/crowd*").Run()
}

// statusOf is the memory and the processor time of a program.
func statusOf(name string) string {
	list, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range list {
		stat, _ := os.ReadFile(path)
		if !strings.Contains(string(stat), "("+name+")") {
			continue
		}
		f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if f[0] == "Z" {
			continue // of an earlier test; nobody here waits for it
		}
		var user, system int
		fmt.Sscan(f[11], &user)
		fmt.Sscan(f[12], &system)
		text := fmt.Sprintf("%d ms of processor time", 10*(user+system))
		memory, _ := os.ReadFile(filepath.Dir(path) + "/status")
		for line := range strings.Lines(string(memory)) {
			if w := strings.Fields(line); w[0] == "VmRSS:" || w[0] == "RssAnon:" {
				text += ", " + w[0] + " " + w[1] + " kB"
			}
		}
		return text
	}
	return "no process"
}
