package dns

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"

	mdns "github.com/miekg/dns"
)

// ask sends one question to the servers, one after the other, until one of
// them answers it. The answer may say that the name does not exist, when it
// also has an alias; secure tells whether it was validated.
func (r *Resolver) ask(name string, t Type) (reply *mdns.Msg, secure bool, err error) {
	servers := r.conf.servers
	first := r.first.Load()
	if r.conf.rotate {
		first = r.first.Add(1)
	}
	var last error = tryAgain(name, t)
	for range r.conf.attempts {
		for i := range servers {
			n := (int(first) + i) % len(servers)
			reply, err := r.askServer(servers[n], name, t)
			if err != nil {
				continue
			}
			switch reply.Rcode {
			case mdns.RcodeSuccess:
			case mdns.RcodeNameError:
				if len(reply.Answer) == 0 {
					return nil, false, notFound(name, t).lasting(reply)
				}
			case mdns.RcodeServerFailure, mdns.RcodeRefused, mdns.RcodeNotImplemented:
				continue // this server cannot; another one may
			default:
				last = refused(name, t)
				continue
			}
			if !r.conf.rotate && n != int(first) {
				r.first.Store(uint32(n))
			}
			return reply, reply.AuthenticatedData && r.conf.trusted(servers[n]), nil
		}
	}
	return nil, false, last
}

// askServer asks one server: over UDP, and again over TCP when the answer did
// not fit. A server that does not know EDNS is asked without it.
func (r *Resolver) askServer(server netip.AddrPort, name string, t Type) (*mdns.Msg, error) {
	reply, err := r.exchange(server, question(name, t, r.edns, r.secure), r.conf.useTCP)
	if err == nil && r.edns && (reply.Rcode == mdns.RcodeFormatError || reply.Rcode == mdns.RcodeNotImplemented) {
		reply, err = r.exchange(server, question(name, t, false, r.secure), r.conf.useTCP)
	}
	return reply, err
}

func question(name string, t Type, edns, secure bool) *mdns.Msg {
	m := new(mdns.Msg)
	m.SetQuestion(mdns.Fqdn(name), uint16(t))
	// Asking with this bit means: say whether you validated. RFC 6840, section 5.7.
	m.AuthenticatedData = secure
	if edns {
		m.SetEdns0(udpSize, secure)
	}
	return m
}

func (r *Resolver) exchange(server netip.AddrPort, q *mdns.Msg, tcp bool) (*mdns.Msg, error) {
	packed, err := q.Pack()
	if err != nil {
		return nil, err
	}
	l, err := connect(server, tcp, r.conf.timeout)
	if err != nil {
		return nil, err
	}
	defer l.close()
	if err := l.send(packed); err != nil {
		return nil, err
	}
	reply, err := l.answer(q)
	if err == nil && reply.Truncated && !tcp {
		return r.exchange(server, q, true)
	}
	return reply, err
}

// answer waits for the answer to q. What is not an answer to it, by ID and by
// question, is skipped: it may be late, or a forgery.
func (l *link) answer(q *mdns.Msg) (*mdns.Msg, error) {
	for {
		packet, err := l.receive()
		if err != nil {
			return nil, err
		}
		reply := new(mdns.Msg)
		err = reply.Unpack(packet)
		if !answers(reply, q) {
			if l.stream {
				return nil, errors.New("the answer is to another question")
			}
			continue
		}
		if err != nil && !reply.Truncated {
			return nil, err
		}
		return reply, nil
	}
}

func answers(reply, q *mdns.Msg) bool {
	if reply.Id != q.Id || !reply.Response || reply.Opcode != mdns.OpcodeQuery {
		return false
	}
	if len(reply.Question) == 0 {
		// Servers that could not read the question send none back.
		return reply.Rcode == mdns.RcodeFormatError || reply.Rcode == mdns.RcodeNotImplemented
	}
	a, b := reply.Question[0], q.Question[0]
	return len(reply.Question) == 1 && a.Qtype == b.Qtype && a.Qclass == b.Qclass && sameName(a.Name, b.Name)
}

func typeName(t uint16) string { return mdns.Type(t).String() }

func fromHex(text string) ([]byte, bool) {
	data, err := hex.DecodeString(text)
	return data, err == nil
}

// unescape undoes the \DDD and \X of text in zone files, which the library
// uses for the strings of TXT records.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\' || i+1 == len(s):
			b.WriteByte(s[i])
		case i+3 < len(s) && isDigit(s[i+1]) && isDigit(s[i+2]) && isDigit(s[i+3]):
			b.WriteByte((s[i+1]-'0')*100 + (s[i+2]-'0')*10 + s[i+3] - '0')
			i += 3
		default:
			i++
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
