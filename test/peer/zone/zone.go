// Package zone is a name server for tests: it answers from a zone file, and
// for some names with the trouble that their first label asks for.
//
//	servfail.*   SERVFAIL
//	refused.*    REFUSED
//	formerr.*    FORMERR, when the question has EDNS; the data without it
//	timeout.*    no answer
//	truncated.*  over UDP an empty answer with the TC bit, the data over TCP
//	forged.*     first an answer to another question, then the right one
//	garbage.*    bytes that are no message
//	insecure.*   the data, never with the AD bit; also at the end of an alias
package zone

import (
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/miekg/dns"
)

// A Server answers questions about its records.
type Server struct {
	Addr    string // "127.0.0.1:port", for UDP and TCP
	Queries atomic.Int64
	Secure  atomic.Bool // answers have the AD bit

	mu      sync.RWMutex
	records map[string][]dns.RR // by name, in lower case
	servers []*dns.Server
}

// Start starts a server on addr, such as "127.0.0.1:0", with the records of a
// zone file's text. Names without a dot at the end are below the root.
func Start(addr, text string) (*Server, error) {
	s := &Server{}
	if err := s.Set(text); err != nil {
		return nil, err
	}
	packets, listener, err := listen(addr)
	if err != nil {
		return nil, err
	}
	s.Addr = packets.LocalAddr().String()
	s.serve(&dns.Server{PacketConn: packets, Handler: dns.HandlerFunc(s.answerUDP), MsgAcceptFunc: acceptAll})
	s.serve(&dns.Server{Listener: listener, Handler: dns.HandlerFunc(s.answerTCP), MsgAcceptFunc: acceptAll})
	return s, nil
}

// listen takes the same port for both protocols.
func listen(addr string) (net.PacketConn, net.Listener, error) {
	for try := 0; ; try++ {
		packets, err := net.ListenPacket("udp", addr)
		if err != nil {
			return nil, nil, err
		}
		listener, err := net.Listen("tcp", packets.LocalAddr().String())
		if err == nil {
			return packets, listener, nil
		}
		packets.Close()
		if try == 10 {
			return nil, nil, err
		}
	}
}

func acceptAll(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept }

func (s *Server) serve(server *dns.Server) {
	ready := make(chan struct{})
	server.NotifyStartedFunc = func() { close(ready) }
	go server.ActivateAndServe()
	<-ready
	s.servers = append(s.servers, server)
}

// Set replaces the records.
func (s *Server) Set(text string) error {
	records := map[string][]dns.RR{}
	parser := dns.NewZoneParser(strings.NewReader(text), ".", "zone")
	parser.SetDefaultTTL(300)
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		name := strings.ToLower(rr.Header().Name)
		records[name] = append(records[name], rr)
	}
	if err := parser.Err(); err != nil {
		return fmt.Errorf("zone: %w", err)
	}
	s.mu.Lock()
	s.records = records
	s.mu.Unlock()
	return nil
}

// Close stops the server.
func (s *Server) Close() {
	for _, server := range s.servers {
		server.Shutdown()
	}
}

// Resolv writes a resolv.conf that names this server, for programs that run
// where its port is 53.
func (s *Server) Resolv(path string) error {
	host, _, err := net.SplitHostPort(s.Addr)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte("nameserver "+host+"\noptions timeout:1 attempts:2\n"), 0o644)
}

func (s *Server) answerUDP(w dns.ResponseWriter, q *dns.Msg) { s.answer(w, q, false) }
func (s *Server) answerTCP(w dns.ResponseWriter, q *dns.Msg) { s.answer(w, q, true) }

func (s *Server) answer(w dns.ResponseWriter, q *dns.Msg, tcp bool) {
	s.Queries.Add(1)
	m := new(dns.Msg)
	m.SetReply(q)
	m.RecursionAvailable = true
	m.AuthenticatedData = s.Secure.Load()
	if len(q.Question) != 1 {
		m.Rcode = dns.RcodeFormatError
		w.WriteMsg(m)
		return
	}
	if s.trouble(w, q, m, tcp) {
		return
	}
	s.fill(m, q.Question[0])
	if opt := q.IsEdns0(); opt != nil {
		m.SetEdns0(1232, opt.Do())
	}
	if !tcp {
		size := dns.MinMsgSize
		if opt := q.IsEdns0(); opt != nil {
			size = int(opt.UDPSize())
		}
		m.Truncate(size)
	}
	w.WriteMsg(m)
}

// trouble does what the first label asks for, and tells whether that was all.
func (s *Server) trouble(w dns.ResponseWriter, q, m *dns.Msg, tcp bool) bool {
	label, _, _ := strings.Cut(strings.ToLower(q.Question[0].Name), ".")
	switch label {
	case "servfail":
		m.Rcode = dns.RcodeServerFailure
	case "refused":
		m.Rcode = dns.RcodeRefused
	case "formerr":
		if q.IsEdns0() == nil {
			return false
		}
		m.Rcode = dns.RcodeFormatError
	case "timeout":
		return true
	case "truncated":
		if tcp {
			return false
		}
		m.Truncated = true
	case "forged":
		other := m.Copy()
		other.Question[0].Name = "other.example."
		if rr, err := dns.NewRR("other.example. 1 A 192.0.2.66"); err == nil {
			other.Answer = []dns.RR{rr}
		}
		w.WriteMsg(other)
		return false
	case "garbage":
		w.Write([]byte{1, 2, 3})
		return true
	default:
		return false
	}
	w.WriteMsg(m)
	return true
}

// fill looks up the answer, along aliases.
func (s *Server) fill(m *dns.Msg, q dns.Question) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	name := strings.ToLower(q.Name)
	for range 16 {
		list, exists := s.find(name)
		if strings.HasPrefix(name, "insecure.") {
			m.AuthenticatedData = false
		}
		if !exists {
			m.Rcode = dns.RcodeNameError
			s.authority(m, name)
			return
		}
		alias := ""
		for _, rr := range list {
			t := rr.Header().Rrtype
			if t == q.Qtype || q.Qtype == dns.TypeANY || t == dns.TypeCNAME {
				m.Answer = append(m.Answer, withName(rr, name))
			}
			if c, ok := rr.(*dns.CNAME); ok && q.Qtype != dns.TypeCNAME {
				alias = strings.ToLower(c.Target)
			}
		}
		if alias == "" {
			if len(m.Answer) == 0 {
				s.authority(m, name)
			}
			return
		}
		name = alias
	}
}

// authority adds the SOA record of the zone that a name would be in, which says how
// long it is good that there is nothing.
func (s *Server) authority(m *dns.Msg, name string) {
	for ; name != ""; _, name, _ = strings.Cut(name, ".") {
		for _, rr := range s.records[name] {
			if rr.Header().Rrtype == dns.TypeSOA {
				m.Ns = append(m.Ns, rr)
				return
			}
		}
	}
}

// find gives the records of a name, by a wildcard if need be. A name exists
// also when there is only something below it.
func (s *Server) find(name string) ([]dns.RR, bool) {
	if list, ok := s.records[name]; ok {
		return list, true
	}
	for other := range s.records {
		if strings.HasSuffix(other, "."+name) {
			return nil, true
		}
	}
	for rest := name; rest != ""; {
		_, rest, _ = strings.Cut(rest, ".")
		if list, ok := s.records["*."+rest]; ok {
			return list, true
		}
	}
	return nil, false
}

func withName(rr dns.RR, name string) dns.RR {
	rr = dns.Copy(rr)
	rr.Header().Name = name
	return rr
}
