package starttls

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"postrider/lib/base/msg"
)

// Sessions is where a client keeps sessions to use again. What is kept under a key
// is a secret.
type Sessions interface {
	Name() string           // in the log
	Ready() bool            // sessions can be kept
	Load(key string) []byte // nil: there is none
	Save(key string, session []byte)
	Drop(key string)
}

// Memory keeps sessions in this process, for some time; 0 for no limit.
type Memory struct {
	Time  time.Duration
	saved map[string]remembered
}

type remembered struct {
	data  []byte
	since time.Time
}

// mostSaved is how many sessions are kept in memory.
const mostSaved = 1000

// Name is the name in the log.
func (m *Memory) Name() string { return "memory" }

// Ready tells that sessions can be kept.
func (m *Memory) Ready() bool { return true }

// Load finds a session.
func (m *Memory) Load(key string) []byte {
	s, ok := m.saved[key]
	if ok && m.Time > 0 && time.Since(s.since) > m.Time {
		delete(m.saved, key)
		return nil
	}
	return s.data
}

// Save keeps a session.
func (m *Memory) Save(key string, session []byte) {
	if m.saved == nil || len(m.saved) >= mostSaved {
		m.saved = map[string]remembered{}
	}
	m.saved[key] = remembered{session, time.Now()}
}

// Drop forgets a session.
func (m *Memory) Drop(key string) { delete(m.saved, key) }

// Any tells whether any session is kept.
func (m *Memory) Any() bool { return len(m.saved) > 0 }

// key is the name of a saved session: one for each server, by the name that it
// gives itself, and for each way to talk with it. All that decides what a server
// has to prove, and what it learns about us, is in it, so that no session begun
// under other rules is ever taken up.
func (c *Client) key(peer *Peer, ciphers string) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %q %q %d %v %q %q", sessionMagic, peer.Helo, peer.ServerName, peer.Level, peer.Versions, ciphers, c.params.CurvesAuto)
	for _, r := range c.anchorsFor(peer) {
		fmt.Fprintf(&b, " %q", r.Data)
	}
	fmt.Fprintf(&b, " %q %q %v", peer.Names, peer.Fingerprints, peer.TLSA)
	for _, cert := range c.options.Certificates {
		fmt.Fprintf(&b, " %q", cert.Certificate)
	}
	sum := sha256.Sum256(b.Bytes())
	return peer.Address + "&" + strings.ToUpper(hex.EncodeToString(sum[:]))
}

// A cache gives crypto/tls the session of one key, for one connection.
type cache struct {
	*Client
	key        string
	connection *Session
	young      bool // the session that was found was saved not long ago
}

// youngTime is how long a session that is taken up is not saved again, although
// the server hands out another ticket with each connection: most servers take the
// first one more than once, and one that does not gets a full handshake, after
// which there is a new session.
const youngTime = 10 * time.Minute

func (c *cache) Get(string) (*tls.ClientSessionState, bool) {
	kept := c.options.Sessions
	log := c.options.Log.Has(LogCache)
	if log {
		msg.Info("looking for session %s in %s cache", c.key, kept.Name())
	}
	data := kept.Load(c.key)
	if data == nil {
		return nil, false
	}
	session, since, err := parseSession(data)
	if err != nil {
		msg.Debug("saved session %s: %v", c.key, err)
		kept.Drop(c.key)
		return nil, false
	}
	c.young = time.Since(since) < youngTime
	if log {
		msg.Info("reloaded session %s from %s cache", c.key, kept.Name())
	}
	return session, true
}

func (c *cache) Put(_ string, session *tls.ClientSessionState) {
	kept := c.options.Sessions
	if session == nil {
		kept.Drop(c.key)
		return
	}
	if c.young && c.connection.State.DidResume {
		return
	}
	data, err := sessionBytes(session, time.Now())
	if err != nil {
		msg.Debug("session %s is not saved: %v", c.key, err)
		return
	}
	if c.options.Log.Has(LogCache) {
		msg.Info("save session %s to %s cache", c.key, kept.Name())
	}
	kept.Save(c.key, data)
}

// sessionMagic begins a session of ours in a cache that others may use too.
const sessionMagic = "postrider session 2\n"

// sessionBytes is the form in which a session is kept: the magic, the time in
// seconds since 1970 as a 64-bit number, the length of the ticket as a 32-bit
// number, the ticket, the state.
func sessionBytes(session *tls.ClientSessionState, now time.Time) ([]byte, error) {
	ticket, state, err := session.ResumptionState()
	if err != nil {
		return nil, err
	}
	secret, err := state.Bytes()
	if err != nil {
		return nil, err
	}
	b := binary.BigEndian.AppendUint64([]byte(sessionMagic), uint64(now.Unix()))
	b = binary.BigEndian.AppendUint32(b, uint32(len(ticket)))
	return append(append(b, ticket...), secret...), nil
}

func parseSession(data []byte) (session *tls.ClientSessionState, since time.Time, err error) {
	rest, ok := bytes.CutPrefix(data, []byte(sessionMagic))
	if !ok || len(rest) < 12 {
		return nil, since, fmt.Errorf("%d bytes are not a session of this program", len(data))
	}
	since = time.Unix(int64(binary.BigEndian.Uint64(rest)), 0)
	n := binary.BigEndian.Uint32(rest[8:])
	if rest = rest[12:]; uint64(n) > uint64(len(rest)) {
		return nil, since, fmt.Errorf("a ticket of %d bytes in %d", n, len(rest))
	}
	state, err := tls.ParseSessionState(rest[n:])
	if err == nil {
		session, err = tls.NewResumptionState(rest[:n:n], state)
	}
	return session, since, err
}
