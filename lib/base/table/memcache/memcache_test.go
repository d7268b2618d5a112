package memcache

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"postrider/lib/base/table"
	_ "postrider/lib/base/table/inline"
	_ "postrider/lib/base/table/memory"
)

// A server is a small memcached.
type server struct {
	mu      sync.Mutex
	values  map[string]string
	log     []string
	replies map[string]string // what to answer to a get instead
}

func (s *server) serve(t *testing.T, path string) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			go s.session(c)
		}
	}()
}

func (s *server) session(c net.Conn) {
	for r := bufio.NewReader(c); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		word := strings.Fields(line)
		s.mu.Lock()
		s.log = append(s.log, strings.TrimSpace(line))
		reply := ""
		switch word[0] {
		case "get":
			reply = "END\r\n"
			if value, found := s.values[word[1]]; found {
				reply = fmt.Sprintf("VALUE %s 0 %d\r\n%s\r\nEND\r\n", word[1], len(value), value)
			}
			if other, found := s.replies[word[1]]; found {
				reply = other
			}
		case "set":
			var n int
			fmt.Sscan(word[4], &n)
			data := make([]byte, n+2)
			io.ReadFull(r, data)
			s.values[word[1]] = string(data[:n])
			reply = "STORED\r\n"
		case "delete":
			reply = "NOT_FOUND\r\n"
			if _, found := s.values[word[1]]; found {
				delete(s.values, word[1])
				reply = "DELETED\r\n"
			}
		}
		s.mu.Unlock()
		if reply == "" {
			c.Close()
			return
		}
		io.WriteString(c, reply)
	}
}

func connect(t *testing.T, s *server, parameters string, flags table.Flags) table.Table {
	t.Helper()
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	if s != nil {
		if s.values == nil {
			s.values = make(map[string]string)
		}
		s.serve(t, socket)
	}
	name := filepath.Join(dir, "memcache.cf")
	os.WriteFile(name, []byte("# a comment\nmemcache = unix:"+socket+"\n"+parameters), 0o600)
	tab, err := table.Open("memcache:"+name, flags)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tab.(io.Closer).Close() })
	return tab
}

func want(t *testing.T, tab table.Table, key, value string) {
	t.Helper()
	got, found, err := tab.Lookup(key)
	if got != value || found != (value != "") || err != nil {
		t.Errorf("%q: got %q %v %v, want %q", key, got, found, err, value)
	}
}

func TestUpdate(t *testing.T) {
	s := &server{}
	tab := connect(t, s, "ttl = 7\nflags = 3\nkey_format = v:%s\n", table.Writable).(table.Updater)
	if err := tab.Update("a", "text\r\nEND\r\n\x00"); err != nil {
		t.Fatal(err)
	}
	want(t, tab, "a", "text\r\nEND\r\n\x00")
	if found, err := tab.Delete("a"); !found || err != nil {
		t.Error(found, err)
	}
	if found, err := tab.Delete("a"); found || err != nil {
		t.Error(found, err)
	}
	want(t, tab, "a", "")
	want(t, tab, "two words", "")
	if got := strings.Join(s.log, "|"); got != "set v:a 3 7 12|get v:a|delete v:a|delete v:a|get v:a" {
		t.Error(got)
	}
	if err := tab.Update("big", strings.Repeat("x", 10241)); err == nil {
		t.Error("no error")
	}
}

func TestBackup(t *testing.T) {
	s := &server{}
	tab := connect(t, s, "backup = internal:x\n", table.Writable)
	u := tab.(table.Updater)
	if err := u.Update("a", "1"); err != nil {
		t.Fatal(err)
	}
	u.Update("two words", "2")
	delete(s.values, "a")
	want(t, tab, "a", "1") // from the backup,
	if s.values["a"] != "1" {
		t.Error("what the backup has is not brought to the server")
	}
	want(t, tab, "two words", "2")
	var keys []string
	for key := range tab.(table.Sequencer).All() {
		keys = append(keys, key)
	}
	if fmt.Sprint(keys) != "[a two words]" {
		t.Error(keys)
	}
	if found, err := u.Delete("a"); !found || err != nil || len(s.values) != 0 {
		t.Error(found, err, s.values)
	}
	want(t, tab, "a", "")
}

// Without a server there is the backup, or an error.
func TestNoServer(t *testing.T) {
	want(t, connect(t, nil, "backup = inline:{a=1}\n", 0), "a", "1")
	if _, _, err := connect(t, nil, "", 0).Lookup("a"); err == nil {
		t.Error("no error")
	}
}

func TestKeys(t *testing.T) {
	s := &server{values: map[string]string{
		"joe/example.com/com/example": "1", "100%x@y": "2", "plain": "3",
	}}
	tab := connect(t, s, "key_format = %u/%d/%1/%2\n", 0)
	want(t, tab, "joe@example.com", "1")
	for _, key := range []string{"joe@com", "joe", "@example.com", "joe@"} {
		want(t, tab, key, "")
	}
	want(t, connect(t, s, "key_format = 100%%%s\n", 0), "x@y", "2")
	if len(s.log) != 2 {
		t.Error(s.log)
	}
	ours := connect(t, &server{values: map[string]string{"a@b.c": "1", "a@d.e": "2", "a": "3"}}, "domain = b.c, x.y\n", 0)
	want(t, ours, "a@b.c", "1")
	want(t, ours, "a@d.e", "")
	want(t, ours, "a", "")
	want(t, ours, "@b.c", "")
}

// Hostile and broken replies give an error, and the next question a new
// connection.
func TestBadReplies(t *testing.T) {
	s := &server{values: map[string]string{"good": "yes"}, replies: map[string]string{
		"long": strings.Repeat("x", 5000), "huge": "VALUE huge 0 99999999999\r\n", "big": "VALUE big 0 20000\r\n",
		"minus": "VALUE minus 0 -1\r\n\r\nEND\r\n", "other": "VALUE else 0 1\r\nx\r\nEND\r\n", "half": "VALUE half 0 10\r\nabc",
		"tail": "VALUE tail 0 1\r\nxyz\r\nEND\r\n", "more": "VALUE more 0 1\r\nx\r\nVALUE more 0 1\r\nx\r\nEND\r\n",
		"error": "SERVER_ERROR out of memory\r\n", "close": "", "binary": "\x00\xff\n", "short": "VALUE short\r\n",
	}}
	tab := connect(t, s, "", 0)
	c := inside(tab)
	for key := range s.replies {
		if value, found, err := c.Lookup(key); err == nil || found {
			t.Errorf("%s: %q %v %v", key, value, found, err)
		}
		want(t, c, "good", "yes")
	}
}

// inside returns a client with the settings of tab that does not wait long.
func inside(tab table.Table) *client {
	s, source, err := readSettings(strings.TrimPrefix(tab.(interface{ Name() string }).Name(), "memcache:"))
	if err != nil {
		panic(err)
	}
	c := &client{settings: s, source: source}
	c.server.Endpoint, c.server.Timeout, c.server.Tries, c.server.Pause = s.endpoint, 100*time.Millisecond, 2, time.Millisecond
	return c
}

func TestSettings(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"memcache = tcp:x\n": "bad server address", "ttl = x\nmax_try = 0\n": "max_try", "key_format = %x\n": "key_format",
		"key_format = a%\n": "key_format", "text\n": "line 1: need name = value", "backup = x\n": "backup",
	} {
		name := filepath.Join(dir, "cf")
		os.WriteFile(name, []byte(text), 0o600)
		if _, err := table.Open("memcache:"+name, 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := table.Open("memcache:"+dir+"/none", 0); err == nil {
		t.Error("no error")
	}
	if _, err := table.Open("memcache:x", table.NoUnauth); err == nil || !strings.Contains(err.Error(), "not allowed") {
		t.Error(err)
	}
}

// The parameters of a table whose name is no path stand in main.cf.
func TestMainCf(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	s := &server{values: map[string]string{"v:a": "one"}}
	s.serve(t, socket)
	before := table.Surroundings()
	t.Cleanup(func() { table.Surround(before) })
	values := map[string]string{"memcache": "unix:" + socket, "key_format": "v:%s", "backup": "inline:{b=two}"}
	table.Surround(table.Environment{Parameters: func(prefix string) map[string]string {
		if prefix != "cache_" {
			return nil
		}
		return values
	}})
	tab, err := table.Open("memcache:cache", 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tab.(io.Closer).Close() })
	want(t, tab, "a", "one")
	want(t, tab, "b", "two")
	values["ttl"] = "x"
	if _, err := table.Open("memcache:cache", table.FoldKey); err == nil || !strings.Contains(err.Error(), "cache_ttl") {
		t.Error(err)
	}
}
