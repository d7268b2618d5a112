// Package tlsmgr asks tlsmgr(8) for what all processes with TLS must have in
// common: saved sessions, and the keys of session tickets.
package tlsmgr

import (
	"fmt"
	"time"

	"postrider/lib/service/ipc"
)

// Protocol is what the server announces.
const Protocol = "tlsmgr_protocol"

// A Status is how a request went.
type Status int

// Status values.
const (
	OK       Status = 0
	NotFound Status = -1
	Fail     Status = -2 // a bad request, or there is no such cache
)

// Types of caches: of servers, and of clients.
const (
	SMTPD = "smtpd"
	SMTP  = "smtp"
	LMTP  = "lmtp"
)

// MaxSeed is how many random bytes one request may ask for.
const MaxSeed = 255

// A SeedRequest asks for random bytes.
type SeedRequest struct {
	Request string `attr:"request"` // "seed"
	Size    int    `attr:"size"`    // 1 to 255
}

// A SeedReply has them.
type SeedReply struct {
	Status Status `attr:"status"`
	Seed   []byte `attr:"seed"`
}

// A PolicyRequest asks whether there is a cache.
type PolicyRequest struct {
	Request string `attr:"request"` // "policy"
	Type    string `attr:"cache_type"`
}

// A PolicyReply says so.
type PolicyReply struct {
	Status  Status `attr:"status"`
	Keeps   bool   `attr:"cachable"` // there is a cache
	Timeout int    `attr:"timeout"`  // seconds for which sessions may be used
}

// A SessionRequest is about one saved session.
type SessionRequest struct {
	Request string `attr:"request"` // "lookup" or "delete"
	Type    string `attr:"cache_type"`
	ID      string `attr:"cache_id"` // which the client has made up
}

// A LookupReply is the answer to "lookup".
type LookupReply struct {
	Status  Status `attr:"status"`
	Session []byte `attr:"session"`
}

// An UpdateRequest saves a session.
type UpdateRequest struct {
	Request string `attr:"request"` // "update"
	Type    string `attr:"cache_type"`
	ID      string `attr:"cache_id"`
	Session []byte `attr:"session"`
}

// A Reply is the answer to "update" and "delete".
type Reply struct {
	Status Status `attr:"status"`
}

// A KeyRequest asks for a key of session tickets.
type KeyRequest struct {
	Request string `attr:"request"` // "tktkey"
	Name    []byte `attr:"keyname"` // empty: the one for new tickets
}

// A KeyReply has the key; see ParseKey.
type KeyReply struct {
	Status Status `attr:"status"`
	Key    []byte `attr:"keybuf"`
}

// Params are for all who ask the service.
type Params struct {
	// The name of the tlsmgr service in master.cf.
	TlsmgrServiceName string `param:"tlsmgr_service_name" default:"tlsmgr"`
}

// Server are the parameters of sessions with clients of smtpd(8).
type Server struct {
	// With a table here, as type:name, tlsmgr(8) saves sessions for servers that
	// ask it to. Ours do without: clients get tickets. Nothing is written to
	// the file of this name.
	SMTPDCache string `param:"smtpd_tls_session_cache_database" default:""`

	// How long a client may resume a session. 0: no session is resumed, and no
	// tickets are handed out.
	SMTPDTimeout time.Duration `param:"smtpd_tls_session_cache_timeout" default:"3600s" min:"0" max:"8640000s"`
}

// Client are the parameters of sessions with servers.
type Client struct {
	// With a table here, as type:name, sessions are saved, and used again with
	// the same server. They are in the memory of tlsmgr(8), for all
	// processes; nothing is written to the file of this name.
	Cache string `param:"smtp_tls_session_cache_database" default:""`

	// How long a saved session may be used.
	Timeout time.Duration `param:"smtp_tls_session_cache_timeout" default:"3600s" min:"0" max:"8640000s"`
}

// A Manager is the service, as a process of one goroutine asks it. One that does
// not answer is left alone for a while: TLS works without it.
type Manager struct {
	service ipc.Client
	away    time.Time // when it did not answer
}

const (
	// awayTime is how long a service that did not answer is left alone.
	awayTime = time.Minute

	// patience is how long an answer may take. Mail should not wait for what it
	// can do without.
	patience = 10 * time.Second
)

// New returns a Manager for the service "private/<name>". Idle and life are those
// of connections between daemons.
func New(name string, idle, life time.Duration) *Manager {
	return &Manager{service: ipc.Client{Path: "private/" + name, Protocol: Protocol, Timeout: patience, Idle: idle, Life: life}}
}

func (m *Manager) call(request, reply any) error {
	if !m.away.IsZero() && time.Since(m.away) < awayTime {
		return fmt.Errorf("service %s does not answer", m.service.Path)
	}
	m.away = time.Time{}
	err := m.service.Call(request, reply)
	if err != nil {
		m.away = time.Now()
	}
	return err
}

// Policy asks whether there is a cache of a type, and how long sessions last.
func (m *Manager) Policy(kind string) (keeps bool, timeout time.Duration, err error) {
	var r PolicyReply
	if err = m.call(PolicyRequest{"policy", kind}, &r); err == nil && r.Status != OK {
		err = fmt.Errorf("policy of the %s cache: status %d", kind, r.Status)
	}
	return r.Keeps, time.Duration(r.Timeout) * time.Second, err
}

// Lookup finds a saved session; nil when there is none.
func (m *Manager) Lookup(kind, id string) ([]byte, error) {
	var r LookupReply
	if err := m.call(SessionRequest{"lookup", kind, id}, &r); err != nil || r.Status != OK {
		return nil, err
	}
	return r.Session, nil
}

// Update saves a session.
func (m *Manager) Update(kind, id string, session []byte) error {
	return m.call(UpdateRequest{"update", kind, id, session}, &Reply{})
}

// Delete forgets a session.
func (m *Manager) Delete(kind, id string) error {
	return m.call(SessionRequest{"delete", kind, id}, &Reply{})
}

// TicketKey asks for the key with a name or, without one, for the key of new
// tickets.
func (m *Manager) TicketKey(name []byte) (Key, error) {
	var r KeyReply
	if err := m.call(KeyRequest{"tktkey", name}, &r); err != nil {
		return Key{}, err
	}
	if r.Status != OK {
		return Key{}, fmt.Errorf("ticket key: status %d", r.Status)
	}
	return ParseKey(r.Key)
}
