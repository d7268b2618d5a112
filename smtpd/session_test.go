package main

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/mail/domains"
	"postrider/lib/mail/param"
	"postrider/lib/mail/record"
	"postrider/lib/net/dns"
	"postrider/lib/service/cleanup"
	"postrider/lib/service/flush"
	"postrider/lib/service/rewrite"
	"postrider/smtpd/access"
	"postrider/test/peer/zone"
	"postrider/test/script"
)

// S2.2, S4.3, S4.4.6, S6.6: conversations as stock Postfix 3.7.11 has them.
func TestSession(t *testing.T) { script.Run(t, "testdata/*.smtp", connect) }

// settings are those of the machine on which the expected replies were taken.
var settings = map[string]string{
	"compatibility_level":      "3.6",
	"myhostname":               "mail.example.com",
	"mydomain":                 "example.com",
	"mydestination":            "example.com, localhost",
	"mynetworks":               "127.0.0.2/32",
	"inet_interfaces":          "127.0.0.1",
	"inet_protocols":           "ipv4",
	"mail_name":                "Postfix",
	"alias_maps":               "",
	"local_recipient_maps":     "inline:{{joe=1},{ann=1},{postmaster=1}}",
	"relay_domains":            "relay.example",
	"relay_recipient_maps":     "inline:{{u@relay.example=1}}",
	"virtual_mailbox_domains":  "vmbox.example",
	"virtual_mailbox_maps":     "inline:{{v@vmbox.example=1}}",
	"virtual_alias_domains":    "valias.example",
	"virtual_alias_maps":       "inline:{{v@valias.example=joe@example.com}}",
	"smtpd_error_sleep_time":   "0",
	"smtpd_forbidden_commands": "CONNECT GET POST",
	"smtpd_timeout":            "10s",
	"notify_classes":           "",
}

const zoneText = `
good.test.               MX 10 mx.good.test.
good.test.               A 192.0.2.10
mx.good.test.            A 192.0.2.11
null.test.               MX 0 .
bad.test.                A 192.0.2.66
bad.test.                MX 10 mx.bad.test.
mx.bad.test.             A 192.0.2.67
bad.test.                NS ns.bad.test.
ns.bad.test.             A 192.0.2.68
backup.test.             MX 10 mx.good.test.
backup.test.             MX 20 self.test.
primary.test.            MX 10 self.test.
self.test.               A 127.0.0.1
2.2.0.192.rbl.test.      A 127.0.0.2
2.2.0.192.rbl.test.      TXT "listed here"
3.2.0.192.rbl.test.      A 127.0.0.3
bad.test.rhsbl.test.     A 127.0.0.2
`

// A peer is a session in this process, with daemons that are made up.
type peer struct {
	fd   stream.FD
	done chan struct{}

	mu    sync.Mutex
	log   []string
	queue []string
}

func (p *peer) Read(b []byte) (int, error)  { return p.fd.Read(b) }
func (p *peer) Write(b []byte) (int, error) { return p.fd.Write(b) }
func (p *peer) Close() error                { return p.fd.Close() }

func (p *peer) Finish() map[string]string {
	<-p.done
	p.mu.Lock()
	defer p.mu.Unlock()
	return map[string]string{"log": strings.Join(p.log, "\n"), "queue": strings.Join(p.queue, "\n")}
}

// connect starts a session as the script says: section client is the name and
// address of the client, section daemons says what the other daemons answer.
func connect(t *testing.T, s *script.Script) script.Peer {
	t.Helper()
	set := param.New(t.TempDir())
	for name, value := range settings {
		set.Override(name, value)
	}
	for name, value := range s.Settings() {
		set.Override(name, value)
	}
	conf = params{}
	if err := set.Load(&conf); err != nil {
		t.Fatal(err)
	}
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{fd: stream.FD(fds[1]), done: make(chan struct{})}
	p.fd.SetTimeout(20 * time.Second)
	t.Cleanup(msg.SetOutput(func(level msg.Level, text string) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.log = append(p.log, level.Prefix()+text)
	}))
	sv := testService(t, set, p, answers(s.Sections["daemons"]))
	server := stream.New(stream.FD(fds[0]))
	session := &session{service: sv, s: server, fd: fds[0]}
	session.become(s.Sections["client"])
	go func() {
		session.serve()
		server.Close()
		close(p.done)
	}()
	return p
}

// become sets who the client is: "mail.client.example 192.0.2.9".
func (s *session) become(client string) {
	fields := strings.Fields(client)
	s.client = unknownClient()
	s.client.Port, s.server = "1024", access.Endpoint{Address: "127.0.0.1", Port: "25"}
	address := "127.0.0.1"
	if len(fields) == 2 {
		address = fields[1]
		if fields[0] != access.Unknown {
			s.client.Name, s.client.NameStatus = fields[0], access.NameOK
			s.client.Reverse, s.client.ReverseStatus = fields[0], access.NameOK
		}
	}
	s.setAddress(netip.MustParseAddr(address))
}

func answers(text string) map[string]string {
	found := make(map[string]string)
	for line := range strings.SplitSeq(text, "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok {
			found[name] = strings.TrimSpace(value)
		}
	}
	return found
}

func testService(t testing.TB, set *param.Settings, p *peer, answers map[string]string) *service {
	t.Helper()
	z, err := zone.Start("127.0.0.1:0", zoneText)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { z.Close() })
	hosts := t.TempDir() + "/hosts"
	os.WriteFile(hosts, nil, 0o600)
	names, err := dns.New(dns.Options{Servers: []string{z.Addr}, Hosts: hosts, Resolv: hosts})
	if err != nil {
		t.Fatal(err)
	}
	sv := &service{name: "smtp", names: names, pat: func() {}}
	sv.flush = func(domain string) (flush.Status, error) {
		if domain == "relay.example" {
			return flush.OK, nil
		}
		return flush.Deny, nil
	}
	count := 0
	sv.submit = func(s *session) (submission, error) {
		count++
		return &recorder{peer: p, id: fmt.Sprintf("QUEUEID%d", count), flags: s.flags(), reply: answers["cleanup"]}, nil
	}
	if err := sv.openLists(); err != nil {
		t.Fatal(err)
	}
	if err := sv.openTLS(); err != nil {
		t.Fatal(err)
	}
	if err := sv.openSASL(); err != nil {
		t.Fatal(err)
	}
	ours, err := domains.New(&conf.Domains)
	if err != nil {
		t.Fatal(err)
	}
	sv.checker, err = access.New(&conf.Access, access.Services{
		Domains: ours, Parents: conf.Domains.Parents, Names: names, Value: set.Value, Resolver: resolving{ours},
		Maps: conf.Maps, Address: conf.Address, Mail: access.MailName{Hostname: conf.MyHostname, Name: conf.MailName},
	})
	if err == nil {
		err = sv.openRewriteClients(ours)
	}
	if err != nil {
		t.Fatal(err)
	}
	return sv
}

// A recorder takes a message in place of cleanup(8) and writes its records
// down.
type recorder struct {
	*peer
	id, reply string
	flags     int
	records   []string
}

func (r *recorder) ID() (string, error) { return r.id, nil }
func (r *recorder) Err() error          { return nil }
func (r *recorder) Record(t record.Type, data string) {
	r.records = append(r.records, string(t)+" "+data)
}
func (r *recorder) RecordBytes(t record.Type, data []byte) { r.Record(t, string(data)) }
func (r *recorder) Raw(records []byte) {
	for len(records) > 0 {
		t, data, n, err := record.Parse(records)
		if err != nil || n == 0 {
			panic("broken record")
		}
		r.RecordBytes(t, data)
		records = records[n:]
	}
}

func (r *recorder) Finish() (cleanup.Status, string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = append(r.queue, fmt.Sprintf("%s flags=%d", r.id, r.flags))
	r.queue = append(r.queue, r.records...)
	if status, reason, ok := strings.Cut(r.reply, " "); ok {
		n := 0
		fmt.Sscan(status, &n)
		return cleanup.Status(n), reason, nil
	}
	return 0, "", nil
}

func (r *recorder) Abort() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = append(r.queue, r.id+" aborted")
}

// resolving stands for trivial-rewrite(8): it takes local domains away and
// looks at what routing operators are left.
type resolving struct{ ours *domains.Domains }

func (r resolving) Resolve(_, address string) rewrite.ResolveReply {
	local, domain, routed := address, "", false
	at := strings.LastIndexByte(address, '@')
	if at >= 0 {
		local, domain = address[:at], strings.TrimSuffix(address[at+1:], ".")
	} else {
		domain = "mail.example.com" // myorigin
		if i := strings.IndexByte(local, '!'); i > 0 {
			local, domain = local[i+1:], local[:i]
		} else if i := strings.LastIndexByte(local, '%'); i > 0 {
			local, domain = local[:i], local[i+1:]
		}
	}
	if strings.ContainsAny(local, "@%!") {
		routed = true
	}
	class, err := r.ours.Class(domain)
	reply := rewrite.ResolveReply{Recipient: local + "@" + domain}
	if err != nil {
		reply.Flags = rewrite.FlagFail
		return reply
	}
	if routed && class == domains.Local { // the real one goes on with what is left
		inner := local
		if i := strings.LastIndexByte(local, '@'); i >= 0 {
			inner = local[i+1:]
		} else if i := strings.LastIndexByte(local, '%'); i >= 0 {
			inner = local[i+1:]
		} else if i := strings.IndexByte(local, '!'); i >= 0 {
			inner = local[:i]
		}
		class, _ = r.ours.Class(inner)
	}
	reply.Flags = map[domains.Class]rewrite.Flags{domains.Default: rewrite.ClassDefault, domains.Local: rewrite.ClassLocal,
		domains.VirtualAlias: rewrite.ClassAlias, domains.VirtualMailbox: rewrite.ClassMailbox, domains.Relay: rewrite.ClassRelay}[class]
	if routed {
		reply.Flags |= rewrite.FlagRouted
	}
	return reply
}
