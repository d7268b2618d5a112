// Package scache gives connections that may be used again to scache(8), and takes
// them from there.
package scache

import (
	"fmt"
	"syscall"
	"time"

	"postrider/lib/base/attr"
	"postrider/lib/base/stream"
	"postrider/lib/service/ipc"
)

// Protocol is what the server announces.
const Protocol = "connection_cache_protocol"

// A Status is how a request went.
type Status int

// Status values.
const (
	OK   Status = 0
	Bad  Status = 1 // no such request
	Fail Status = 2 // nothing found
)

// A SaveEndpoint asks to keep a connection with one server. The server answers with
// a Dummy, then the descriptor follows, then comes a Reply.
type SaveEndpoint struct {
	Request  string `attr:"request"` // "save_endp"
	Seconds  int    `attr:"ttl"`     // to keep it
	Label    string `attr:"label"`   // of the server, as the client names it
	Property string `attr:"property"`
}

// A FindRequest asks for a connection with a server, or with any server of a
// destination. After a reply with status 0 the client sends a Dummy, the descriptor
// follows, and the client sends another Dummy.
type FindRequest struct {
	Request string `attr:"request"` // "find_endp" or "find_dest"
	Label   string `attr:"label"`
}

// A SaveDestination says which server is one of a destination.
type SaveDestination struct {
	Request  string `attr:"request"` // "save_dest"
	Seconds  int    `attr:"ttl"`
	Label    string `attr:"label"` // of the destination
	Property string `attr:"property"`
	Endpoint string `attr:"label"` // of the server
}

// An EndpointReply is the answer to "find_endp".
type EndpointReply struct {
	Status   Status `attr:"status"`
	Property string `attr:"property"`
}

// A DestinationReply is the answer to "find_dest".
type DestinationReply struct {
	Status   Status `attr:"status"`
	Property string `attr:"property"` // of the destination
	Endpoint string `attr:"property"` // of the server
}

// A Reply is the answer to the others.
type Reply struct {
	Status Status `attr:"status"`
}

// A Dummy says that the other side is ready for a descriptor, or to receive it.
type Dummy struct {
	Dummy string `attr:"dummy"`
}

// Params are for all who use the service.
type Params struct {
	// The name of the scache service in master.cf.
	ConnectionCacheServiceName string `param:"connection_cache_service_name" default:"scache"`

	// The time limit for each step of a conversation with scache(8).
	ConnectionCacheProtocolTimeout time.Duration `param:"connection_cache_protocol_timeout" default:"5s" min:"1s"`
}

// A Client keeps its connection with the service. It is for one goroutine. When the
// service does not answer, it is left alone for a while: mail does not need it.
type Client struct {
	params Params
	idle   time.Duration
	s      *stream.Stream
	open   bool
	used   time.Time
	away   time.Time
}

// New returns a client; a connection that was not used for idle is not used again.
func New(p Params, idle time.Duration) *Client { return &Client{params: p, idle: idle} }

// awayTime is how long a service that did not answer is left alone.
const awayTime = time.Minute

// do runs one conversation, with a connection that is kept or a new one.
func (c *Client) do(talk func(*stream.Stream) error) error {
	if !c.away.IsZero() && time.Since(c.away) < awayTime {
		return fmt.Errorf("service %s does not answer", c.params.ConnectionCacheServiceName)
	}
	c.away = time.Time{}
	if c.open && time.Since(c.used) > c.idle {
		c.Close()
	}
	c.used = time.Now()
	if c.open {
		if talk(c.s) == nil {
			return nil
		}
		c.Close()
	}
	err := c.connect()
	if err == nil {
		err = talk(c.s)
	}
	if err != nil {
		c.Close()
		c.away = time.Now()
	}
	return err
}

func (c *Client) connect() error {
	if c.s == nil {
		c.s = stream.New(nil)
	}
	if err := ipc.DialInto(c.s, "private/"+c.params.ConnectionCacheServiceName, c.params.ConnectionCacheProtocolTimeout); err != nil {
		return err
	}
	c.open = true
	return ipc.Expect(c.s, Protocol)
}

// Close ends the conversation with the service.
func (c *Client) Close() {
	if c.open {
		c.s.Close()
		c.open = false
	}
}

// Save gives a connection with a server away. The caller closes its own descriptor.
func (c *Client) Save(ttl time.Duration, label, property string, fd int) error {
	return c.do(func(s *stream.Stream) error {
		attr.Write(s, SaveEndpoint{"save_endp", seconds(ttl), label, property})
		if err := attr.Read(s, &Dummy{}); err != nil {
			return err
		}
		if err := ipc.SendDescriptor(s.Conn(), fd); err != nil {
			return err
		}
		return expectOK(s)
	})
}

// Bind says which server is one of a destination.
func (c *Client) Bind(ttl time.Duration, destination, property, endpoint string) error {
	return c.do(func(s *stream.Stream) error {
		attr.Write(s, SaveDestination{"save_dest", seconds(ttl), destination, property, endpoint})
		return expectOK(s)
	})
}

// Find takes a connection with a server; -1 when there is none.
func (c *Client) Find(label string) (fd int, property string, err error) {
	fd = -1
	err = c.do(func(s *stream.Stream) error {
		attr.Write(s, FindRequest{"find_endp", label})
		var r EndpointReply
		if err := attr.Read(s, &r); err != nil || r.Status != OK {
			return err
		}
		property = r.Property
		fd, err = fetch(s)
		return err
	})
	return fd, property, err
}

// FindDestination takes a connection with any server of a destination; -1 when
// there is none.
func (c *Client) FindDestination(label string) (fd int, property, endpoint string, err error) {
	fd = -1
	err = c.do(func(s *stream.Stream) error {
		attr.Write(s, FindRequest{"find_dest", label})
		var r DestinationReply
		if err := attr.Read(s, &r); err != nil || r.Status != OK {
			return err
		}
		property, endpoint = r.Property, r.Endpoint
		fd, err = fetch(s)
		return err
	})
	return fd, property, endpoint, err
}

// fetch takes the descriptor that follows a reply.
func fetch(s *stream.Stream) (int, error) {
	attr.Write(s, Dummy{})
	if err := s.Flush(); err != nil {
		return -1, err
	}
	fd, err := ipc.ReceiveDescriptor(s.Conn())
	if err != nil {
		return -1, err
	}
	syscall.SetNonblock(fd, false)
	attr.Write(s, Dummy{})
	s.Flush() // when this fails we have what we want, and the next request finds out
	return fd, nil
}

func expectOK(s *stream.Stream) error {
	var r Reply
	err := attr.Read(s, &r)
	if err == nil && r.Status != OK {
		err = fmt.Errorf("the connection cache refuses: status %d", r.Status)
	}
	return err
}

func seconds(d time.Duration) int { return max(1, int(d/time.Second)) }
