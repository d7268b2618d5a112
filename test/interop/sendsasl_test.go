package interop

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"postrider/test/machine"
)

// loginCases are deliveries to servers that want a login: a name; what the server has
// to say in its reply to EHLO; its replies from AUTH on; settings of the transport.
// In settings, HOP is the next hop. A server with "-" takes no logins.
const loginCases = `
plain       | AUTH PLAIN LOGIN      | 235 2.7.0 ok                                  |
login       | AUTH LOGIN            | 334 VXNlcm5hbWU6 / 334 UGFzc3dvcmQ6 / 235 ok  |
cram        | AUTH PLAIN CRAM-MD5   | 334 PDEuMkBteD4= / 235 ok                     |
old         | AUTH=PLAIN LOGIN      | 235 2.7.0 ok                                  |
twice       | AUTH LOGIN PLAIN, AUTH=LOGIN PLAIN | 235 2.7.0 ok                     |
twodiffer   | AUTH PLAIN, AUTH LOGIN CRAM-MD5 | 334 PDEuMkBteD4= / 235 ok           |
lower       | auth plain login      | 235 2.7.0 ok                                  |
none        | X-NOTHING             | -                                             |
nomechs     | AUTH                  | -                                             |
nopassword  | AUTH PLAIN            | -                                             | smtp_sasl_password_maps=inline:{other=a:b}
refused     | AUTH PLAIN            | 535 5.7.8 wrong                               |
refusedhard | AUTH PLAIN            | 535 5.7.8 wrong                               | smtp_sasl_auth_soft_bounce=no
refusedsoft | AUTH PLAIN            | 454 4.7.0 later                               |
refusedcode | AUTH PLAIN            | 535 wrong                                     |
refused432  | AUTH PLAIN            | 432 4.7.12 password transition                |
refusedodd  | AUTH PLAIN            | 354 go ahead                                  |
refusedok   | AUTH PLAIN            | 250 ok                                        |
drop        | AUTH PLAIN            | drop                                          |
loop        | AUTH PLAIN            | 334 / 334 / 334                               |
loopcram    | AUTH CRAM-MD5         | 334 PDEuMkBteD4= / 334 PDEuMkBteD4= / 334 x   |
nonempty    | AUTH PLAIN            | 334 PDEuMkBteD4= / 235 ok                     |
base64      | AUTH CRAM-MD5         | 334 !!!! / 501 cancelled                      |
foo         | AUTH FOO BAR          | -                                             |
noplain     | AUTH PLAIN LOGIN      | -                                             | smtp_sasl_security_options=noplaintext, noanonymous
noplaincram | AUTH PLAIN CRAM-MD5   | 334 PDEuMkBteD4= / 235 ok                     | smtp_sasl_security_options=noplaintext, noanonymous
noactive    | AUTH PLAIN CRAM-MD5   | -                                             | smtp_sasl_security_options=noactive
nodict      | AUTH PLAIN CRAM-MD5   | -                                             | smtp_sasl_security_options=nodictionary
mutual      | AUTH PLAIN CRAM-MD5   | -                                             | smtp_sasl_security_options=mutual_auth
filter      | AUTH PLAIN LOGIN CRAM-MD5 | 235 ok                                    | smtp_sasl_mechanism_filter=plain
filternot   | AUTH PLAIN LOGIN CRAM-MD5 | 334 VXNlcm5hbWU6 / 334 UGFzc3dvcmQ6 / 235 ok | smtp_sasl_mechanism_filter=!plain, !cram-md5, static:rest
filternone  | AUTH PLAIN LOGIN      | -                                             | smtp_sasl_mechanism_filter=cram-md5
hop         | AUTH PLAIN            | 235 ok                                        | smtp_sasl_password_maps=inline:{{HOP=hop:pw}}
host        | AUTH PLAIN            | 235 ok                                        | smtp_sasl_password_maps=inline:{{HOP=hop:pw}, {127.0.0.1=host:pw}}
hostonly    | AUTH PLAIN            | -                                             | smtp_sasl_password_maps=inline:{{[127.0.0.1]=hop:pw}}
sender      | AUTH PLAIN            | 235 ok                                        | smtp_sender_dependent_authentication=yes; smtp_sasl_password_maps=inline:{{from@sender.example=user:pw}, {127.0.0.1=host:pw}}
senderat    | AUTH PLAIN            | 235 ok                                        | smtp_sender_dependent_authentication=yes; smtp_sasl_password_maps=inline:{{@sender.example=user:pw}, {127.0.0.1=host:pw}}
senderother | AUTH PLAIN            | 235 ok                                        | smtp_sender_dependent_authentication=yes; smtp_sasl_password_maps=inline:{{x@sender.example=user:pw}, {127.0.0.1=host:pw}}
senderoff   | AUTH PLAIN            | 235 ok                                        | smtp_sasl_password_maps=inline:{{from@sender.example=user:pw}, {127.0.0.1=host:pw}}
nocolon     | AUTH PLAIN LOGIN      | 235 ok                                        | smtp_sasl_password_maps=static:ann
nouser      | AUTH PLAIN LOGIN      | 235 ok                                        | smtp_sasl_password_maps=static::pw
colons      | AUTH PLAIN LOGIN      | 235 ok                                        | smtp_sasl_password_maps=static:ann:a:b
lookup      | AUTH PLAIN            | -                                             | smtp_sasl_password_maps=hash:/nonexistent
off         | AUTH PLAIN            | -                                             | smtp_sasl_auth_enable=no
offdummy    | AUTH PLAIN            | -                                             | smtp_sasl_auth_enable=no; smtp_send_dummy_mail_auth=yes
dummy       | AUTH PLAIN            | 235 ok                                        | smtp_send_dummy_mail_auth=yes
dummynone   | AUTH PLAIN            | -                                             | smtp_send_dummy_mail_auth=yes; smtp_sasl_password_maps=inline:{other=a:b}
discard     | AUTH PLAIN            | -                                             | smtp_discard_ehlo_keywords=auth
authzid     | AUTH PLAIN            | 235 ok                                        | send_cyrus_sasl_authzid=yes
cache       | AUTH PLAIN            | 535 5.7.8 wrong                               | smtp_sasl_auth_cache_name=proxy:btree:/var/lib/postfix/sasl_cache
cachesoft   | AUTH PLAIN            | 454 4.7.8 wrong                               | smtp_sasl_auth_cache_name=proxy:btree:/var/lib/postfix/sasl_cache; smtp_sasl_password_maps=static:cachesoft:x
cachehard   | AUTH PLAIN            | 535 5.7.8 wrong; very                         | smtp_sasl_auth_cache_name=proxy:btree:/var/lib/postfix/sasl_cache; smtp_sasl_auth_soft_bounce=no; smtp_sasl_password_maps=static:cachehard:x
lmtp        | AUTH PLAIN LOGIN      | 235 2.7.0 ok                                  |
lmtpcram    | AUTH PLAIN CRAM-MD5   | 334 PDEuMkBteD4= / 235 ok                     |
lmtpdummy   | AUTH PLAIN            | 235 ok                                        | smtp_send_dummy_mail_auth=yes
`

// TestClientLogin: smtp and lmtp of both systems log in in the same way, and log and
// report the same when they cannot.
func TestClientLogin(t *testing.T) {
	l := newLoginLab()
	wanted, got := l.run(t, stock), l.run(t, ours)
	same := 0
	for _, c := range l.cases {
		n, differences := compareLines(wanted[c.name], got[c.name])
		same += n
		if len(differences) > 0 {
			t.Errorf("%s (- stock, + ours):\n%s", c.name, report(differences))
		}
	}
	t.Logf("%d lines of %d deliveries are the same", same, len(l.cases))
}

type loginCase struct {
	name, keywords, settings string
	replies                  []string
}

// A loginLab has the servers, and what they were told.
type loginLab struct {
	cases               []loginCase
	transport, services string
	mu                  sync.Mutex
	heard               map[string]string
}

const loginPort = 2700

func newLoginLab() *loginLab {
	l := &loginLab{}
	for line := range strings.Lines(loginCases) {
		fields := strings.SplitN(strings.TrimSpace(line), "|", 4)
		if len(fields) < 4 {
			continue
		}
		for i := range fields {
			fields[i] = strings.TrimSpace(fields[i])
		}
		c := loginCase{name: fields[0], keywords: fields[1], settings: fields[3], replies: strings.Split(fields[2], " / ")}
		l.add(c)
	}
	return l
}

// add makes a transport for a case.
func (l *loginLab) add(c loginCase) {
	nexthop, program := fmt.Sprintf("[127.0.0.1]:%d", loginPort+len(l.cases)), "smtp"
	l.cases = append(l.cases, c)
	settings := "smtp_sasl_auth_enable=yes; smtp_sasl_security_options=noanonymous; smtp_sasl_password_maps=static:ann:secret; " + c.settings
	if strings.HasPrefix(c.name, "lmtp") {
		program = "lmtp"
		l.transport += fmt.Sprintf("%s.example a%s:inet:%s\n", c.name, c.name, nexthop)
	} else {
		l.transport += fmt.Sprintf("%s.example a%s:%s\n", c.name, c.name, nexthop)
	}
	l.services += fmt.Sprintf("a%s unix - - n - 1 %s\n  -o syslog_name=tls/%s\n", c.name, program, c.name)
	for setting := range strings.SplitSeq(strings.TrimSuffix(settings, "; "), "; ") {
		setting = strings.ReplaceAll(strings.ReplaceAll(setting, "HOP", nexthop), "smtp_", program+"_")
		l.services += "  -o { " + strings.Replace(setting, "=", " = ", 1) + " }\n"
	}
}

// run sends a message for each case, twice when it is put off, and returns what the
// servers heard and what the log says.
func (l *loginLab) run(t *testing.T, s side) map[string]string {
	t.Helper()
	l.heard = map[string]string{}
	for i, c := range l.cases {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", loginPort+i))
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		go l.serve(listener, c)
	}
	os.Remove("/var/lib/postfix/sasl_cache.db")
	b := newBed(t, mix{base: s}, "transport_maps=texthash:/etc/postfix/logins", "delay_warning_time=0", "minimal_backoff_time=1h", "maximal_backoff_time=1h",
		"proxy_write_maps=proxy:btree:/var/lib/postfix/sasl_cache")
	entries, err := os.ReadFile("testdata/master.cf")
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile("/etc/postfix/master.cf", append(entries, l.services...), 0o644)
	defer os.WriteFile("/etc/postfix/master.cf", entries, 0o644)
	os.WriteFile("/etc/postfix/logins", []byte(l.transport), 0o644)
	b.start()
	for _, c := range l.cases {
		b.send(letter{tag: c.name, by: "sendmail", to: "-f from@sender.example x@" + c.name + ".example", body: "x\n"})
	}
	b.settle()
	b.run("", "postqueue", "-f")
	time.Sleep(500 * time.Millisecond)
	b.settle()
	refused := func() string {
		out, _ := machine.Run("", "/mix/bin/postmap", "-s", "btree:/var/lib/postfix/sasl_cache")
		return regexp.MustCompile(`\b\d{10}\b`).ReplaceAllString(out, "TIME")
	}
	wait(t, "the table of refused logins", func() bool { return strings.Contains(refused(), "cachehard") })
	b.stop()
	l.heard["cache"] += refused()
	for line := range strings.Lines(b.log()) {
		if strings.Contains(line, "secret") || strings.Contains(line, "AHNlY3Jld") {
			t.Errorf("a password is in the log: %s", line)
		}
		if m := caseName.FindStringSubmatch(line); m != nil && !loginLibrary.MatchString(line) {
			l.heard[m[1]] += strings.ReplaceAll(normal(line, nil), "\n", " \n")
		}
	}
	return l.heard
}

// loginLibrary are lines in which the library of stock speaks, and ours about tables.
var loginLibrary = regexp.MustCompile(`warning: (SASL authentication (problem|failure): |.* lookup error for |table \S+: lookup error|.* is unavailable. open)`)

// serve is one server.
func (l *loginLab) serve(listener net.Listener, c loginCase) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			said := c.talk(conn)
			l.mu.Lock()
			defer l.mu.Unlock()
			l.heard[c.name] += said
		}()
	}
}

// talk is one session; it returns what the client has said.
func (c loginCase) talk(conn net.Conn) string {
	in, said := bufio.NewReader(conn), "(session)\n"
	say := func(text string) { fmt.Fprintf(conn, "%s\r\n", text) }
	say("220 mx.test ESMTP")
	replies, login := c.replies, false
	for {
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		line, err := in.ReadString('\n')
		if err != nil {
			return said
		}
		line = strings.TrimRight(line, "\r\n")
		if line == "*" { // stock gives up without a word
			say("501 5.7.0 cancelled")
			login = false
			continue
		}
		said += mailSize.ReplaceAllString(line, "") + "\n"
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		switch {
		case login || verb == "AUTH":
			if len(replies) == 0 || replies[0] == "drop" {
				return said
			}
			say(replies[0])
			login = strings.HasPrefix(replies[0], "334")
			replies = replies[1:]
		case verb == "EHLO" || verb == "LHLO":
			say("250-mx.test")
			for keyword := range strings.SplitSeq(c.keywords, ", ") {
				say("250-" + keyword)
			}
			say("250 8BITMIME")
		case verb == "DATA":
			say("354 go")
			for line != "." {
				if line, err = in.ReadString('\n'); err != nil {
					return said
				}
				line = strings.TrimRight(line, "\r\n")
			}
			say("250 2.0.0 taken")
		case verb == "QUIT":
			say("221 bye")
			return said
		default:
			say("250 2.0.0 ok")
		}
	}
}

var mailSize = regexp.MustCompile(` SIZE=\d+`)
