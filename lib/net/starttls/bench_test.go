package starttls

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"net"
	"testing"
	"time"

	"postrider/lib/base/stream"
	"postrider/lib/service/tlsmgr"
	"postrider/test/peer/pki"
)

// What both sides together need for a handshake, and for one that takes up a
// session.
func BenchmarkHandshake(b *testing.B) {
	key, _ := rsa.GenerateKey(rand.Reader, 2048)
	for name, request := range map[string]pki.Request{"ecdsa": mx, "rsa": with(func(r *pki.Request) { r.Key = key })} {
		for _, how := range []string{"full", "resumed"} {
			b.Run(name+"/"+how, func(b *testing.B) { handshakes(b, root.Issue(request), how == "resumed") })
		}
	}
}

func handshakes(b *testing.B, cert tls.Certificate, resume bool) {
	o := ServerOptions{Certificates: []tls.Certificate{cert}, Versions: Versions{tls.VersionTLS12, tls.VersionTLS13}, CipherGrade: "medium"}
	co := Options{}
	if resume {
		o.Tickets, co.Sessions = &keyRing{Ring: tlsmgr.NewRing(time.Hour)}, &Memory{}
	}
	server, err := NewServer(&params, o)
	if err != nil {
		b.Fatal(err)
	}
	client, err := NewClient(&params, co)
	if err != nil {
		b.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s := stream.New(stream.Net(conn))
			if session, err := server.Start(s, "client", time.Minute); err == nil {
				session.Write([]byte("x"))
				session.Close()
			}
			conn.Close()
		}
	}()
	peer := &Peer{Name: "mx", Address: "mx", Level: May, Versions: o.Versions, CipherGrade: "medium"}
	for range b.N {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		session, err := client.Start(stream.New(stream.Net(conn)), peer, time.Minute)
		if err != nil {
			b.Fatal(err)
		}
		session.Read(make([]byte, 1))
		conn.Close()
	}
}
