package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"postrider/lib/base/attr"
	"postrider/lib/base/stream"
	"postrider/lib/base/table"
	"postrider/lib/service/ipc"
	"postrider/lib/service/proxymap"
)

// start runs both services in a queue directory of their own, and makes that the
// current one.
func start(t *testing.T, read, write string) {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("MAIL_CONFIG", dir)
	os.Mkdir("private", 0o700)
	os.WriteFile("main.cf", []byte("queue_directory = "+dir+"\nipc_idle = 100s\n"), 0o600)
	listen(t, "private/proxymap", approve(read, "proxy_read_maps", false))
	listen(t, "private/proxywrite", approve(write, "proxy_write_maps", true))
}

func listen(t *testing.T, path string, tables *approved) {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	syscall.Listen(fd, 5)
	var all sync.WaitGroup
	var clients []int
	stopped := make(chan bool)
	go func() {
		defer close(stopped)
		for {
			client, _, err := syscall.Accept(fd)
			if err != nil {
				return
			}
			clients = append(clients, client)
			all.Add(1)
			go func() {
				defer all.Done()
				s := stream.New(stream.FD(client))
				serve(tables, s, 10*time.Second)
			}()
		}
	}()
	t.Cleanup(func() {
		syscall.Shutdown(fd, syscall.SHUT_RDWR)
		<-stopped
		for _, client := range clients {
			syscall.Shutdown(client, syscall.SHUT_RDWR)
		}
		all.Wait()
		for _, client := range append(clients, fd) {
			syscall.Close(client)
		}
		tables.mu.Lock()
		for _, tab := range tables.open {
			closeTable(tab)
		}
		tables.mu.Unlock()
	})
}

func open(t *testing.T, spec string, flags table.Flags) table.Table {
	t.Helper()
	tab, err := table.Open(spec, flags)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeTable(tab) })
	return tab
}

func want(t *testing.T, tab table.Table, key, value string) {
	t.Helper()
	got, found, err := tab.Lookup(key)
	if err != nil || found != (value != "") || got != value {
		t.Errorf("%q: got %q, %v, %v", key, got, found, err)
	}
}

func TestLookup(t *testing.T) {
	start(t, "x proxy:inline:{a=b}, { inner proxy:fail:x, proxy:regexp:r } proxy:static:", "")
	os.WriteFile("r", []byte("/^(.*)@/ $1\n"), 0o600)
	tab := open(t, "proxy:inline:{a=b}", table.FoldKey)
	want(t, tab, "A", "b")
	want(t, tab, "x", "")
	if table.IsPattern(tab) {
		t.Error("inline is a pattern")
	}
	re := open(t, "proxy:regexp:r", 0)
	want(t, re, "joe@x", "joe")
	if !table.IsPattern(re) {
		t.Error("regexp is no pattern")
	}
	if _, _, err := open(t, "proxy:fail:x", 0).Lookup("a"); err == nil {
		t.Error("no error")
	}
	for _, bad := range []string{"proxy:inline:{a=c}", "proxy:unix:passwd.byname", "proxy:x", "proxy:proxy:static:a"} {
		if _, err := table.Open(bad, 0); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
	if _, err := table.Open("proxy:inline:{a=b}", table.NoProxy); err == nil {
		t.Error("no error")
	}
}

func TestWrite(t *testing.T) {
	name := filepath.Join(t.TempDir(), "cache")
	start(t, "", "proxy:btree:"+name)
	tab := open(t, "proxy:btree:"+name, table.Writable).(table.Updater)
	for i := range 5 {
		if err := tab.Update(fmt.Sprint("k", i), "v"); err != nil {
			t.Fatal(err)
		}
	}
	want(t, tab, "k3", "v")
	if found, err := tab.Delete("k3"); !found || err != nil {
		t.Error(found, err)
	}
	if found, err := tab.Delete("k3"); found || err != nil {
		t.Error(found, err)
	}
	all := ""
	for key := range tab.(table.Sequencer).All() {
		all += key
		tab.Delete(key) // may be done while the list goes on
	}
	if all != "k0k1k2k4" || tab.(table.Sequencer).Err() != nil {
		t.Error(all)
	}
	if _, err := table.Open("proxy:btree:"+name, 0); err == nil {
		t.Error("the reading service answers for a table of the other")
	}
}

// When a file changes, the next lookup sees the new one.
func TestChanged(t *testing.T) {
	name := filepath.Join(t.TempDir(), "t")
	os.WriteFile(name, []byte("a b\n"), 0o600)
	start(t, "proxy:pipemap:{texthash:"+name+"}", "")
	tab := open(t, "proxy:pipemap:{texthash:"+name+"}", 0)
	want(t, tab, "a", "b")
	os.WriteFile(name+".new", []byte("a c\n"), 0o600)
	os.Rename(name+".new", name)
	want(t, tab, "a", "c")
}

// Both forms of request on the wire, and what makes no sense. Formats 4.14.
func TestWire(t *testing.T) {
	start(t, "proxy:inline:{a=b}", "")
	s, err := ipc.Dial("private/proxymap", 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := ipc.Expect(s, proxymap.Protocol); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ request, reply string }{
		{"request=open table=inline:{a=b} flags=64", "[{status 0} {flags 80}]"},
		{"request=lookup table=inline:{a=b} flags=64 key=a", "[{status 0} {value b}]"},
		{"request=lookup table=inline:{a=b} flags=64 key=x", "[{status 1} {value }]"},
		{"request=lookup table=inline:{a=c} flags=64 key=x", "[{status 4} {value }]"},
		{"request=update table=inline:{a=b} flags=64 key=x value=y", "[{status 4}]"},
		{"request=delete table=inline:{a=b} flags=64 key=x", "[{status 4}]"},
		{"request=sequence table=inline:{a=b} flags=64 function=0", "[{status 0} {key a} {value b}]"},
		{"request=sequence table=inline:{a=b} flags=64 function=1", "[{status 1} {key } {value }]"},
		{"request=lookup table=inline:{a=b} instance_flags=64 flags=0 key=a", "[{status 0} {flags 64} {value b}]"},
		{"request=open table=inline:{a=b} instance_flags=64", "[{status 0} {flags 80}]"},
		{"request=lookup table=inline:{a=b}", "[{status 3}]"},
		{"request=other", "[{status 3}]"},
	} {
		for _, word := range strings.Fields(c.request) {
			s.WriteString(strings.Replace(word, "=", "\x00", 1) + "\x00")
		}
		s.WriteByte(0)
		reply, err := attr.ReadList(s, 0)
		if err != nil || fmt.Sprint(reply) != c.reply {
			t.Errorf("%s: got %v, %v; want %s", c.request, reply, err, c.reply)
		}
	}
}
