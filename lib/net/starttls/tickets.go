package starttls

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"strconv"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/service/tlsmgr"
)

// TicketKeys are the keys of session tickets.
type TicketKeys interface {
	Ready() bool                 // tickets can be handed out
	Current() (tlsmgr.Key, bool) // for new tickets
	Find(name []byte) (tlsmgr.Key, bool)
}

// A ticket is the name of its key, a nonce, and the session, sealed with
// AES-256-GCM. The key of the cipher is derived from that of tlsmgr(8), which may
// also be used by servers whose tickets have another form: theirs do not open
// here, nor ours there, and the handshake is a full one.

const (
	ticketLabel = "postrider session ticket 1"
	nameSize    = len(tlsmgr.Key{}.Name)
)

func sealer(k *tlsmgr.Key) (cipher.AEAD, error) {
	secret, err := hkdf.Key(sha256.New, append(k.Cipher[:len(k.Cipher):len(k.Cipher)], k.MAC[:]...), k.Name[:], ticketLabel, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func seal(k *tlsmgr.Key, plain []byte) ([]byte, error) {
	aead, err := sealer(k)
	if err != nil {
		return nil, err
	}
	ticket := append(make([]byte, 0, nameSize+aead.NonceSize()+len(plain)+aead.Overhead()), k.Name[:]...)
	ticket = ticket[:nameSize+aead.NonceSize()]
	rand.Read(ticket[nameSize:])
	return aead.Seal(ticket, ticket[nameSize:], plain, k.Name[:]), nil
}

func unseal(k *tlsmgr.Key, ticket []byte) ([]byte, error) {
	aead, err := sealer(k)
	if err != nil {
		return nil, err
	}
	if len(ticket) < nameSize+aead.NonceSize() {
		return nil, fmt.Errorf("ticket of %d bytes", len(ticket))
	}
	nonce := ticket[nameSize : nameSize+aead.NonceSize()]
	return aead.Open(nil, nonce, ticket[nameSize+aead.NonceSize():], k.Name[:])
}

// context is what a session that is taken up must have in common with the one
// that is offered: a ticket of another service, for another name, or from a time
// with other rules is none. The list stands in the ticket.
func (s *Server) context(state *tls.ConnectionState) []byte {
	return []byte(ticketLabel + "\n" + s.identity + "\n" + strings.ToLower(state.ServerName))
}

// identify sums up the rules of a server.
func (s *Server) identify() {
	o := &s.options
	h := sha256.New()
	fmt.Fprintf(h, "%q %v %q %v %d", o.Service, o.Versions, s.ciphers, o.Ask, o.Depth)
	for _, c := range o.Certificates {
		for _, der := range c.Certificate {
			fmt.Fprintf(h, " %q", der)
		}
	}
	s.identity = fmt.Sprintf("%x", h.Sum(nil))
}

// The other things in a ticket.
const (
	ticketShown = "postrider shown " // and the number of the certificate that the client saw
	ticketNamed = "postrider named"  // it was one for the name that it asked for
)

// tickets lets clients take up sessions.
func (s *Server) tickets(config *tls.Config, session *ServerSession, name string) {
	log := s.options.Log.Has(LogCache)
	config.SessionTicketsDisabled = false
	config.WrapSession = func(state tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
		key, ok := s.options.Tickets.Current()
		if !ok {
			return []byte{0}, nil // that opens nothing
		}
		if log {
			msg.Info("%s: Issuing session ticket, key expiration: %d", name, key.Expires.Unix())
		}
		ss.Extra = append(ss.Extra[:0:0], s.context(&state), session.shown(s.options.Certificates))
		plain, err := ss.Bytes()
		if err != nil {
			return nil, err
		}
		return seal(&key, plain)
	}
	config.UnwrapSession = func(ticket []byte, state tls.ConnectionState) (*tls.SessionState, error) {
		ss := s.open(ticket, &state, session, name)
		return ss, nil
	}
}

// open finds the session in a ticket; nil when there is none that can be taken up.
func (s *Server) open(ticket []byte, state *tls.ConnectionState, session *ServerSession, name string) *tls.SessionState {
	if len(ticket) < nameSize {
		return nil
	}
	key, ok := s.options.Tickets.Find(ticket[:nameSize])
	if !ok {
		return nil
	}
	plain, err := unseal(&key, ticket)
	if err != nil {
		return nil
	}
	if s.options.Log.Has(LogCache) {
		msg.Info("%s: Decrypting session ticket, key expiration: %d", name, key.Expires.Unix())
	}
	ss, err := tls.ParseSessionState(plain)
	if err != nil || len(ss.Extra) != 2 || !bytes.Equal(ss.Extra[0], s.context(state)) {
		return nil
	}
	session.restore(string(ss.Extra[1]), s.options.Certificates, state.ServerName)
	return ss
}

// shown notes which certificate the client has seen.
func (s *ServerSession) shown(list []tls.Certificate) []byte {
	if s.named != "" {
		return []byte(ticketNamed)
	}
	for i := range list {
		if &list[i] == s.ours {
			return []byte(ticketShown + strconv.Itoa(i))
		}
	}
	return []byte(ticketShown)
}

// restore finds it again, for the log.
func (s *ServerSession) restore(shown string, list []tls.Certificate, wanted string) {
	if shown == ticketNamed {
		s.named = wanted
		return
	}
	if i, err := strconv.Atoi(strings.TrimPrefix(shown, ticketShown)); err == nil && i >= 0 && i < len(list) {
		s.ours = &list[i]
	}
}
