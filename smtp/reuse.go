package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/match"
	"postrider/lib/net/starttls"
	"postrider/lib/service/deliver"
	"postrider/lib/service/scache"
)

// A conversation with a server may go on with the next message, when the queue
// manager has more mail for the destination, or when main.cf says so. The process
// keeps it for a moment; then scache(8) gets it, where other processes find it.
// Whether the server is still there is found out first. And a conversation that was
// used before has never the last word: what goes wrong with it, other than for
// good, is tried again with a new connection.

// cached are the destinations of smtp_connection_cache_destinations.
var cached *match.List

// openCached reads the list, and gets ready for the cache of all processes.
func openCached(service string) (err error) {
	cacheName, connections = service, scache.New(conf.Cache.Params, conf.IPCIdle)
	cached, err = match.Strings(paramName("smtp_connection_cache_destinations"), conf.Cache.Destinations)
	return err
}

// caching tells whether a conversation with a destination may be an old one, and
// whether it may go on afterwards.
func (d *delivery) caching(dest destination) (load, store bool) {
	if d.need != needNothing || conf.Required.Optional(d.req.SMTPUTF8) {
		return false, false // the next message wants something else of TLS
	}
	name := dest.host
	if dest.path != "" {
		name = dest.path
	}
	if cached != nil {
		if listed, err := cached.Match(name); listed && err == nil {
			return true, true
		}
	}
	flags := d.req.Flags
	return conf.Cache.OnDemand && flags&deliver.FlagCacheLoad != 0, conf.Cache.OnDemand && flags&deliver.FlagCacheStore != 0
}

// A reuse is what a session must know to be used again.
type reuse struct {
	store   bool      // it is wanted
	used    int       // how often it was used again
	until   time.Time // it may be used again
	clean   bool      // no transaction is open
	done    bool      // a transaction was tried: the server is willing to talk
	best    bool      // there is no server that is preferred
	account string    // that we have logged in to
	dest    string    // the next hop
	conn    *conn     // below TLS
}

// reusable notes what must be known to use a new session again.
func (d *delivery) reusable(s *session, dest destination, store, best bool) {
	account, ok := d.account(s.target, dest.key())
	s.dest, s.account, s.store, s.best = dest.key(), account, store && ok, best
	s.until = time.Now().Add(conf.Cache.ReuseTimeLimit)
	s.reuse.conn, _ = s.Conn().(*conn)
}

// mayGoOn tells whether the session can be used for another message.
func (s *session) mayGoOn() bool {
	switch limit := conf.Cache.ReuseCountLimit; {
	case !s.store || s.dead || s.reuse.conn == nil:
		return false
	case limit > 0 && s.used >= limit, !time.Now().Before(s.until):
		return false
	}
	return s.tls == nil || s.policy.reusable()
}

// reusable tells whether connections with TLS may be used again.
func (p *tlsPolicy) reusable() bool {
	if p.reuse == "" {
		return conf.TLS.ConnectionReuse
	}
	return p.reuse == "yes"
}

// leave keeps the session for the next message, or ends it.
func (s *session) leave() {
	if !s.done || !s.mayGoOn() || !s.reset() || s.Buffered() > 0 {
		s.quit()
		return
	}
	s.transcript.mail(s)
	letGo()
	waiting = &keptSession{session: s, stream: s.Conn(), since: time.Now()}
}

// reset makes sure that the server has forgotten the last transaction.
func (s *session) reset() bool {
	if s.clean {
		return true
	}
	reply, err := s.ask("RSET", conf.RsetTimeout)
	s.clean = err == nil && reply.Class() == 2
	return s.clean
}

// account stands for our name and password at a server; empty when there are none.
func (d *delivery) account(t target, nexthop string) (account string, ok bool) {
	if logins == nil {
		return "", true
	}
	who, found, err := logins.find(&session{target: t, nexthop: nexthop}, d.req.Sender)
	if err != nil || !found {
		return "", err == nil
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(who.User+"\x00"+who.Password+"\x00"+who.Authorize))), true
}

// fits tells whether a session with TLS has what a policy asks for: it was begun
// under the same one.
func (s *session) fits(p *tlsPolicy) bool {
	if s.tls == nil {
		return p.level == s.policy.level && p.level <= starttls.May
	}
	return p.reusable() && bytes.Equal(p.digest(), s.policy.digest())
}

// digest stands for all that a policy says.
func (p *tlsPolicy) digest() []byte {
	exclude := ""
	if p.exclude != nil {
		exclude = *p.exclude
	}
	return fmt.Appendf(nil, "%d %q %q %q %q %q %p %q %+v %q %v %q %q", p.level, p.grade, p.protocols, p.servername, p.match, exclude,
		p.anchors, p.reuse, p.sts, p.fingerprints, p.tlsa, p.base, p.nexthop)
}

// alive tells whether the server has neither hung up nor said anything since the
// last answer.
func (c *conn) alive() bool {
	var b [1]byte
	_, _, err := syscall.Recvfrom(int(c.fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return err == syscall.EAGAIN
}

// best are the servers that no other one is preferred to.
func best(targets []target) []target {
	i := slices.IndexFunc(targets, func(t target) bool { return t.pref != targets[0].pref })
	if i < 0 {
		return targets
	}
	return targets[:i]
}

// same tells whether two targets are the same server.
func (t target) same(other target) bool {
	return t.path == other.path && t.addr == other.addr && t.port == other.port && t.host == other.host
}

// mostOld is how many old sessions are tried for a message before there is a new
// one.
const mostOld = 3

// reuse sends the message over sessions that are there already, as far as there
// are any.
func (d *delivery) reuse(net network, dest destination, targets []target) {
	for range mostOld {
		if !d.nextServer() {
			return
		}
		s := d.old(net, dest, targets)
		if s == nil {
			return
		}
		_, s.store = d.caching(dest)
		d.req.Times.Connected, d.req.Times.Done, d.req.Times.Reuse = time.Now(), time.Time{}, s.used
		s.loops = dest.loops()
		quiet := conf.Debug.Begin(s.host, s.address())
		if s.allowed(d) {
			s.transfer(d)
		}
		if d.nextServer() {
			s.store = false // the server may be tired of this one
		}
		s.leave()
		quiet()
	}
}

// old finds a session for a destination: the one that this process keeps, or one
// in the cache of all.
func (d *delivery) old(net network, dest destination, targets []target) *session {
	var policies []tlsPolicy
	targets = best(targets)
	for _, t := range targets {
		p, why := net.policy(dest, t)
		if why != nil {
			return nil // the new connection will tell
		}
		if t.path != "" && p.level == starttls.May {
			p = tlsPolicy{}
		}
		policies = append(policies, p)
	}
	if k := waiting; k != nil {
		for i, t := range targets {
			account, ok := d.account(t, dest.key())
			if ok && t.same(k.target) && account == k.account && k.fits(&policies[i]) {
				waiting = nil
				if k.reuse.conn.alive() && time.Since(k.since) <= conf.Cache.TimeLimit {
					return k.resume(d, dest)
				}
				k.close()
				break
			}
		}
	}
	return d.fetch(dest, targets, policies)
}
