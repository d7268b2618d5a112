package main

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/net/dialogue"
	"postrider/lib/net/starttls"
	"postrider/lib/service/scache"
)

// waiting is the session that this process keeps for the next message, or nil.
var waiting *keptSession

// connections is the cache of all processes, or nil; cacheName is our name there,
// that of the service.
var (
	connections *scache.Client
	cacheName   string
)

// A keptSession is one between two messages.
type keptSession struct {
	*session
	stream stream.Conn
	since  time.Time
}

// resume goes on with the next message.
func (k *keptSession) resume(d *delivery, dest destination) *session {
	s := k.session
	s.Stream = shared
	s.Reset(k.stream)
	s.renew(d, dest)
	return s
}

// renew forgets the last message.
func (s *session) renew(d *delivery, dest destination) {
	s.id, s.nexthop, s.final, s.plain, s.mayGoPlain, s.done = d.id(), dest.key(), false, false, false, false
	s.dest = dest.key()
	s.used++
	s.transcript = nil
	if wantTranscript() {
		s.transcript = &transcript{}
	}
	s.replies = dialogue.Reader{Stream: s.Stream, Junk: s.junk, Filter: s.filter, Strict: s.pipelining}
}

// close ends a conversation without waiting for the answer.
func (k *keptSession) close() {
	k.stream.SetTimeout(time.Second)
	k.stream.Write([]byte("QUIT\r\n"))
	k.stream.Close()
}

// idle lets go of the kept session when no request has come for a moment, or when
// the queue manager is gone: other processes may want it. One with TLS cannot be
// given away; it waits here.
func idle(gone bool) time.Duration {
	if waiting == nil {
		return 0
	}
	left := conf.Cache.TimeLimit - time.Since(waiting.since)
	if waiting.tls != nil && !gone && left > 0 {
		return left + time.Millisecond
	}
	letGo()
	return 0
}

// letGo gives the kept session to the cache of all processes, or ends it.
func letGo() {
	k := waiting
	if waiting = nil; k == nil {
		return
	}
	if k.tls != nil || !k.reuse.conn.alive() || !k.save() {
		k.close()
		return
	}
	k.stream.Close() // ours only: the cache has its own
}

// save stores a session under its server and, when there is no better server, under
// its destination.
func (k *keptSession) save() bool {
	if connections == nil {
		return false
	}
	ttl, endpoint := conf.Cache.TimeLimit, endpointLabel(k.target, k.policy.level, k.account)
	if err := connections.Save(ttl, endpoint, k.property(), int(k.reuse.conn.fd)); err != nil {
		msg.Debug("%v", err)
		return false
	}
	if k.best {
		if err := connections.Bind(ttl, destinationLabel(k.dest, k.policy.level, k.account), propertyMagic, endpoint); err != nil {
			msg.Debug("%v", err)
		}
	}
	return true
}

// propertyMagic begins what we know about a session. Another system's labels and
// properties are never like ours.
const propertyMagic = "postrider1"

// The labels of a server and of a destination, for this service: another one may
// say another name, or come from another address. Sessions in the clear are not for
// mail that wants TLS where the server has it, and not for another account.
func endpointLabel(t target, level starttls.Level, account string) string {
	return fmt.Sprintf("%s\nendpoint\n%s\n%s\n%s\n%d\n%s\n%s", propertyMagic, cacheName, t.host, t.address(), t.port, level, account)
}

func destinationLabel(dest string, level starttls.Level, account string) string {
	return fmt.Sprintf("%s\ndestination\n%s\n%s\n%s\n%s", propertyMagic, cacheName, dest, level, account)
}

// bits are the features of a server that are yes or no.
func (s *session) bits() []*bool {
	return []*bool{&s.esmtp, &s.pipelining, &s.eightBit, &s.dsn, &s.smtputf8, &s.size, &s.starttls, &s.offersAuth, &s.pixESMTP, &s.pixDot}
}

// property is what the next user of the session must know: the number of uses, the
// end of its life, features, the limit of messages, the words of XFORWARD, the
// server's address and name.
func (s *session) property() string {
	var features strings.Builder
	for _, bit := range s.bits() {
		features.WriteByte("01"[btoi(*bit)])
	}
	words := []string{"-"}
	for word := range s.xforward {
		words = append(words, word)
	}
	return fmt.Sprintf("%s %d %d %s %d %s %s %d %s", propertyMagic, s.used, s.until.Unix(), &features, s.sizeLimit,
		strings.Join(words, ","), s.address(), s.port, s.host)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// restore takes over a property; it returns false when that makes no sense, or when
// the session has become too old. The server is one of the targets.
func (s *session) restore(property string, targets []target) bool {
	f := strings.Fields(property)
	if len(f) != 9 || f[0] != propertyMagic || len(f[3]) != len(s.bits()) {
		return false
	}
	var numbers [3]int64
	for i, text := range []string{f[1], f[2], f[4]} {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return false
		}
		numbers[i] = n
	}
	s.used, s.until, s.sizeLimit = int(numbers[0]), time.Unix(numbers[1], 0), numbers[2]
	for i, bit := range s.bits() {
		*bit = f[3][i] == '1'
	}
	for word := range strings.SplitSeq(f[5], ",") {
		if word != "-" {
			if s.xforward == nil {
				s.xforward = map[string]bool{}
			}
			s.xforward[word] = true
		}
	}
	for _, t := range targets {
		if t.address() == f[6] && strconv.Itoa(t.port) == f[7] && t.host == f[8] {
			s.target = t
			return time.Now().Before(s.until)
		}
	}
	return false
}

// fetch takes a session out of the cache of all processes: one with any server of
// the destination, or with one of those that are preferred.
func (d *delivery) fetch(dest destination, targets []target, policies []tlsPolicy) *session {
	if connections == nil || len(targets) == 0 || policies[0].level > starttls.May {
		return nil
	}
	account, ok := d.account(targets[0], dest.key())
	if !ok {
		return nil
	}
	if fd, _, property, err := connections.FindDestination(destinationLabel(dest.key(), policies[0].level, account)); err != nil {
		msg.Debug("%v", err)
		return nil
	} else if s := d.adopt(fd, property, dest, targets, policies, account); s != nil {
		return s
	}
	for i, t := range targets {
		account, ok := d.account(t, dest.key())
		if !ok || policies[i].level > starttls.May {
			continue
		}
		fd, property, err := connections.Find(endpointLabel(t, policies[i].level, account))
		if err != nil {
			msg.Debug("%v", err)
			return nil
		}
		if s := d.adopt(fd, property, dest, targets[i:i+1], policies[i:i+1], account); s != nil {
			return s
		}
	}
	return nil
}

// adopt goes on with a session of another process, when the server still answers.
func (d *delivery) adopt(fd int, property string, dest destination, targets []target, policies []tlsPolicy, account string) *session {
	if fd < 0 {
		return nil
	}
	c := &conn{fd: stream.FD(fd), recv: -1, send: -1}
	s := newSession(target{}, c, d.id())
	if !s.restore(property, targets) {
		syscall.Close(fd)
		return nil
	}
	for i, t := range targets {
		if t.same(s.target) {
			s.policy = policies[i]
		}
	}
	s.reuse.conn, s.account, s.best = c, account, true
	s.renew(d, dest)
	if mine, ok := d.account(s.target, dest.key()); !ok || mine != account || s.policy.level != policies[0].level || !s.reset() {
		c.Close()
		return nil
	}
	return s
}
