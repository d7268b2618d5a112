// Package flush asks flush(8) which messages wait for a destination.
package flush

import (
	"fmt"
	"time"

	"postrider/lib/base/attr"
	"postrider/lib/service/ipc"
)

// Protocol is what the server announces.
const Protocol = "queue_flush_protocol"

// A Status is the answer to a request.
type Status int

// Status values.
const (
	OK   Status = 0
	Fail Status = -1
	Bad  Status = 3
	Deny Status = 4 // the site is not in fast_flush_domains
)

// Requests, each with its attributes.
type (
	AddRequest struct {
		Request string `attr:"request"` // "add"
		Site    string `attr:"site"`
		QueueID string `attr:"queue_id"`
	}
	SendSiteRequest struct {
		Request string `attr:"request"` // "send_site"
		Site    string `attr:"site"`
	}
	SendFileRequest struct {
		Request string `attr:"request"` // "send_file"
		QueueID string `attr:"queue_id"`
	}
	PlainRequest struct {
		Request string `attr:"request"` // "rfrsh", "purge"
	}
)

// A Reply is the answer.
type Reply struct {
	Status Status `attr:"status"`
}

// Params name the service.
type Params struct {
	// The name of the fast flush service, which knows what mail waits for
	// a destination.
	FlushServiceName string `param:"flush_service_name" default:"flush"`
}

// Add remembers that a message waits for a site.
func Add(p Params, site, id string, timeout time.Duration) (Status, error) {
	return call(p, AddRequest{"add", site, id}, timeout)
}

// SendSite makes the queue manager try all mail for a site.
func SendSite(p Params, site string, timeout time.Duration) (Status, error) {
	return call(p, SendSiteRequest{"send_site", site}, timeout)
}

// SendFile makes the queue manager try one message.
func SendFile(p Params, id string, timeout time.Duration) (Status, error) {
	return call(p, SendFileRequest{"send_file", id}, timeout)
}

// Refresh and purge all logs.
func Refresh(p Params, timeout time.Duration) (Status, error) {
	return call(p, PlainRequest{"rfrsh"}, timeout)
}

// Purge makes the queue manager try all mail of all sites.
func Purge(p Params, timeout time.Duration) (Status, error) {
	return call(p, PlainRequest{"purge"}, timeout)
}

func call(p Params, request any, timeout time.Duration) (Status, error) {
	path := "public/" + p.FlushServiceName
	s, err := ipc.Dial(path, timeout)
	if err != nil {
		return Fail, err
	}
	defer s.Close()
	if err := ipc.Expect(s, Protocol); err != nil {
		return Fail, fmt.Errorf("service %s: %w", path, err)
	}
	attr.Write(s, request)
	var r Reply
	if err := attr.Read(s, &r); err != nil {
		return Fail, fmt.Errorf("service %s: %w", path, err)
	}
	return r.Status, nil
}

// Domains are those that the service knows the waiting mail of.
type Domains struct {
	// The destinations whose mail can be tried on request (ETRN, postqueue
	// -s, sendmail -qR): domains, and tables with domains as keys. By default
	// those that this system relays mail to.
	FastFlushDomains string `param:"fast_flush_domains" default:"$relay_domains"`
}
