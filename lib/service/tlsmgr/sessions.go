package tlsmgr

import (
	"time"

	"postrider/lib/base/msg"
)

// Sessions is the cache of one type, for one client. Without the service, or when
// that keeps no such cache, there are no saved sessions.
type Sessions struct {
	manager *Manager
	kind    string
	asked   time.Time // about the policy; zero: not yet
	keeps   bool
}

// NewSessions returns the cache of a type.
func NewSessions(m *Manager, kind string) *Sessions { return &Sessions{manager: m, kind: kind} }

// Name is the name of the cache in the log.
func (s *Sessions) Name() string { return s.kind }

// Ready tells whether sessions are kept.
func (s *Sessions) Ready() bool {
	if !s.asked.IsZero() && (s.keeps || time.Since(s.asked) < awayTime) {
		return s.keeps
	}
	var err error
	s.asked = time.Now()
	if s.keeps, _, err = s.manager.Policy(s.kind); err != nil {
		msg.Debug("no saved TLS sessions: %v", err)
		s.keeps = false
	}
	return s.keeps
}

// Load finds a session; nil when there is none.
func (s *Sessions) Load(id string) []byte {
	session, err := s.manager.Lookup(s.kind, id)
	if err != nil {
		msg.Debug("%v", err)
	}
	return session
}

// Save keeps a session.
func (s *Sessions) Save(id string, session []byte) {
	if err := s.manager.Update(s.kind, id, session); err != nil {
		msg.Debug("%v", err)
	}
}

// Drop forgets a session.
func (s *Sessions) Drop(id string) {
	if err := s.manager.Delete(s.kind, id); err != nil {
		msg.Debug("%v", err)
	}
}

// Keys are the keys of session tickets, as a server uses them: with those that it
// knows it does not ask.
type Keys struct {
	manager *Manager
	ring    *Ring // nil: there are no tickets
	asked   time.Time
}

// NewKeys returns the keys.
func NewKeys(m *Manager) *Keys { return &Keys{manager: m} }

// Ready tells whether tickets are handed out.
func (k *Keys) Ready() bool {
	if k.ring != nil || !k.asked.IsZero() && time.Since(k.asked) < awayTime {
		return k.ring != nil
	}
	k.asked = time.Now()
	_, life, err := k.manager.Policy(SMTPD)
	if err != nil {
		msg.Debug("no TLS session tickets: %v", err)
	} else if life > time.Second {
		k.ring = NewRing(life)
	}
	return k.ring != nil
}

// Current is the key for new tickets.
func (k *Keys) Current() (Key, bool) {
	if key, ok := k.ring.Current(time.Now()); ok {
		return key, true
	}
	key, err := k.manager.TicketKey(nil)
	if err != nil {
		msg.Debug("no TLS session ticket: %v", err)
		return key, false
	}
	k.ring.Add(key)
	return key, true
}

// Find is the key with a name.
func (k *Keys) Find(name []byte) (Key, bool) {
	if key, ok := k.ring.Find(name, time.Now()); ok {
		return key, true
	}
	key, err := k.manager.TicketKey(name)
	if err != nil { // too old, or of another system
		msg.Debug("TLS session ticket: %v", err)
		return key, false
	}
	if string(key.Name[:]) != string(name) {
		return key, false
	}
	k.ring.Add(key)
	return key, true
}
