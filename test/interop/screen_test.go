package interop

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"postrider/test/peer/zone"
	"postrider/test/script"
)

// A screening is what clients of one postscreen(8) do, one after the other.
//
//	@127.0.0.2     another client connects; it is the one that acts now
//	?2             the second client acts again
//	=              a whole reply is read
//	-              a line is read
//	<              all that comes is read, until the end
//	+ text         sent as it is; \r \n are understood
//	time           a whole reply is read, and how long that takes is written down
//	tls            begins TLS
//	close          the client hangs up
//	log PATTERN    waits for a line of the log
//	text           a line is sent, and a whole reply is read
type screening struct {
	name     string
	settings []string
	lines    []string
}

func screenings(t *testing.T) (list []screening) {
	text, err := os.ReadFile("testdata/screen.txt")
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq("\n"+strings.TrimSpace(string(text)), "\n-- ") {
		head, body, _ := strings.Cut(strings.TrimSpace(block), "\n")
		name, settings, _ := strings.Cut(head, ": ")
		if name == "" || strings.HasPrefix(name, "#") {
			continue
		}
		s := screening{name: name, lines: strings.Split(body, "\n")}
		for setting := range strings.SplitSeq(settings, "; ") {
			if setting != "" {
				s.settings = append(s.settings, setting)
			}
		}
		list = append(list, s)
	}
	if only := os.Getenv("INTEROP_SCREEN"); only != "" {
		list = slices.DeleteFunc(list, func(s screening) bool { return !regexp.MustCompile(only).MatchString(s.name) })
	}
	return list
}

// A screened is what a screening left: transcript, log and cache of each.
type screened struct{ transcripts, logs, caches []string }

// TestScreen: postscreen(8) treats clients as stock's does, with the same words in
// replies and in the log, and remembers the same about them; also when its helpers
// or the SMTP server are of the other system.
func TestScreen(t *testing.T) {
	list := screenings(t)
	startBlockLists(t)
	want := screen(t, mix{base: stock}, list)
	if os.Getenv("INTEROP_SHOW") != "" {
		for i, s := range list {
			t.Logf("%s\n%s\n%s\n%s", s.name, want.transcripts[i], want.logs[i], want.caches[i])
		}
	}
	for _, m := range []mix{{base: ours}, {stock, []string{"dnsblog", "smtpd", "tlsproxy"}}, {stock, []string{"postscreen"}}} {
		t.Run(m.String(), func(t *testing.T) {
			list, want := list, want
			if len(m.swapped) > 0 { // these talk with each other
				list, want = pick(list, want, regexp.MustCompile(`^(new|keep|no-|dnsbl|starttls|tls-|proxy$|post-queue)`))
			}
			got := screen(t, m, list)
			same, lines := 0, 0
			for i, s := range list {
				a := want.transcripts[i] + "LOG\n" + want.logs[i] + "CACHE\n" + want.caches[i]
				b := got.transcripts[i] + "LOG\n" + got.logs[i] + "CACHE\n" + got.caches[i]
				if a == b || clientsAtOnce(s) && sorted(a) == sorted(b) {
					same++
					lines += strings.Count(a, "\n")
					continue
				}
				t.Errorf("%s: stock has\n%s\n%v has\n%s", s.name, a, m, b)
			}
			t.Logf("%d of %d screenings are the same, %d lines", same, len(list), lines)
		})
	}
}

// pick takes some of the screenings with what they left.
func pick(list []screening, left screened, names *regexp.Regexp) (some []screening, s screened) {
	for i := range list {
		if names.MatchString(list[i].name) {
			some = append(some, list[i])
			s.transcripts = append(s.transcripts, left.transcripts[i])
			s.logs = append(s.logs, left.logs[i])
			s.caches = append(s.caches, left.caches[i])
		}
	}
	return some, s
}

// clientsAtOnce reports whether the order of events is up to chance.
func clientsAtOnce(s screening) bool { return slices.Contains(s.lines, "?2") }

// startBlockLists starts a name server with block lists.
func startBlockLists(t *testing.T) {
	text, err := os.ReadFile("testdata/blocklists.txt")
	if err != nil {
		t.Fatal(err)
	}
	names, err := zone.Start("127.0.0.1:53", string(text))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(names.Close)
	os.WriteFile("/etc/resolv.conf", []byte("nameserver 127.0.0.1\n"), 0o644)
	t.Cleanup(func() { os.WriteFile("/etc/resolv.conf", nil, 0o644) })
}

// screen has all screenings with one system, each with a postscreen of its own.
func screen(t *testing.T, m mix, list []screening) screened {
	t.Helper()
	settings, err := os.ReadFile("testdata/screen.cf")
	if err != nil {
		t.Fatal(err)
	}
	files := certificates(t)
	b := newBed(t, m, strings.Split(files.expand(strings.TrimSpace(string(settings))), "\n")...)
	entries, err := os.ReadFile("testdata/master.cf")
	if err != nil {
		t.Fatal(err)
	}
	entries = append(entries, "smtpd pass - - n - - smtpd\nbusy pass - - n - 1 smtpd\ndnsblog unix - - n - 0 dnsblog\ntlsproxy unix - - n - 0 tlsproxy\ntlsmgr unix - - n 1000? 1 tlsmgr\n"...)
	for i, s := range list {
		os.Remove(fmt.Sprintf("/var/lib/postfix/screen%d.db", i))
		os.Remove(fmt.Sprintf("/var/lib/postfix/screen%d.cdb", i))
		entries = append(entries, fmt.Sprintf("127.0.0.1:%d inet n - n - 1 postscreen\n  -o syslog_name=postfix/%s\n  -o postscreen_cache_map=btree:/var/lib/postfix/screen%d\n", 3000+i, s.name, i)...)
		for _, setting := range s.settings {
			name, value, _ := strings.Cut(setting, "=")
			entries = append(entries, files.expand(fmt.Sprintf("  -o { %s = %s }\n", name, value))...)
		}
	}
	if err := os.WriteFile("/etc/postfix/master.cf", entries, 0o644); err != nil {
		t.Fatal(err)
	}
	defer func() {
		text, _ := os.ReadFile("testdata/master.cf")
		os.WriteFile("/etc/postfix/master.cf", text, 0o644)
	}()
	b.start()
	r := screened{transcripts: make([]string, len(list)), logs: make([]string, len(list)), caches: make([]string, len(list))}
	ended := make([]int64, len(list))
	var all sync.WaitGroup
	places := make(chan bool, 16)
	for i, s := range list {
		all.Go(func() {
			places <- true
			r.transcripts[i] = s.run(b, fmt.Sprintf("127.0.0.1:%d", 3000+i))
			ended[i] = time.Now().Unix()
			<-places
		})
	}
	all.Wait()
	b.settle()
	time.Sleep(1500 * time.Millisecond) // caches are written a moment later
	b.stop()
	log := b.log()
	for i, s := range list {
		r.logs[i] = screenLog(log, s.name)
		r.caches[i] = screenCache(m.of("postscreen"), i, ended[i])
	}
	return r
}

var screenChance = rules(
	`(?m)^.*?/postscreen\[\d+\]: `, ``,
	`\[(127\.[\d.]+)\]:\d{4,5}`, `[$1]:P`,
	`(?m)^cache .* full cleanup: .*\n`, ``,
	`psc_\w+: `, ``,
	`after \d[\d.e-]* from`, `after T from`,
	`HANGUP after \d[\d.e-]*`, `HANGUP after T`,
)

func screenLog(log, name string) string {
	text := ""
	for line := range strings.Lines(log) {
		if strings.Contains(line, "postfix/"+name+"/postscreen[") {
			text += line
		}
	}
	for _, r := range screenChance {
		text = r.pattern.ReplaceAllString(text, r.text)
	}
	return text
}

// screenCache is the content of a cache, with times from the end of the screening on.
func screenCache(s side, i int, ended int64) string {
	out, err := exec.Command(s.command("postmap"), "-s", fmt.Sprintf("btree:/var/lib/postfix/screen%d", i)).Output()
	var list []string
	if err != nil {
		list = append(list, err.Error()+"\n")
	}
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if strings.HasPrefix(key, "_LAST_CACHE_CLEANUP") {
			continue
		}
		f := strings.Split(value, ";")
		for i, text := range f {
			if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 1000 {
				n -= ended
				f[i] = fmt.Sprintf("%+d", (n+30)/60*60)
			}
		}
		list = append(list, key+"\t"+strings.Join(f, ";")+"\n")
	}
	slices.Sort(list)
	return strings.Join(list, "")
}

// run does what the clients do and returns the transcript.
func (s screening) run(b *bed, addr string) string {
	var out strings.Builder
	var clients []*client
	var now *client
	for _, line := range s.lines {
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "@"):
			c, err := dialFrom(line[1:], addr)
			if err != nil {
				return err.Error()
			}
			defer c.conn.Close()
			clients, now = append(clients, c), c
			fmt.Fprintf(&out, "%s\n", line)
		case strings.HasPrefix(line, "?"):
			n, _ := strconv.Atoi(line[1:])
			now = clients[n-1]
			fmt.Fprintf(&out, "%s\n", line)
		case line == "=":
			now.record(&out, -1)
		case line == "-":
			now.record(&out, 1)
		case line == "<":
			now.record(&out, -2)
		case line == "time":
			begin := time.Now()
			now.record(&out, -1)
			fmt.Fprintf(&out, "(%d seconds)\n", int(time.Since(begin).Round(time.Second).Seconds()))
		case line == "tls":
			now.encrypt(&out, &tls.Config{InsecureSkipVerify: true})
		case line == "close":
			now.conn.Close()
		case line == "halfclose":
			now.conn.(*net.TCPConn).CloseWrite()
		case word == "sleep":
			d, _ := time.ParseDuration(rest)
			time.Sleep(d)
		case word == "log":
			pattern := regexp.MustCompile(`(?m)postfix/` + s.name + `/postscreen\[\d+\]: .*` + rest)
			for end := time.Now().Add(8 * time.Second); !pattern.MatchString(b.log()); time.Sleep(5 * time.Millisecond) {
				if time.Now().After(end) {
					fmt.Fprintf(&out, "(no log line %s)\n", rest)
					break
				}
			}
		case word == "+":
			text := script.Unescape(rest)
			fmt.Fprintf(&out, "C: %.300q\n", text)
			io.WriteString(now.conn, text)
		default:
			fmt.Fprintf(&out, "C: %.300q\n", line)
			io.WriteString(now.conn, line+"\r\n")
			now.record(&out, -1)
		}
	}
	return endPort.ReplaceAllString(out.String(), "$1:P")
}

// endPort is the end of a client in a transcript.
var endPort = regexp.MustCompile(`(127\.0\.0\.\d+):\d+`)
