package agent

import (
	"strings"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/mail/address"
	"postrider/lib/service/deliver"
	"postrider/lib/service/ipc"
)

// Pass hands one recipient to another transport, "service:nexthop", with the
// next hop of the request when none is given. That agent logs what becomes of
// it, and marks it when its offset is not deliver.NoOffset. Pass returns false
// when the recipient must be tried again.
func (r *Request) Pass(to *Recipient, transport string) bool {
	service, hop, _ := strings.Cut(transport, ":")
	if hop == "" {
		hop = r.NextHop
	}
	msg.Info("%s: passing <%s> to transport=%s", r.QueueID, address.Quote(to.Address), service)
	s, err := ipc.Dial("private/"+service, r.params.DaemonTimeout)
	if err != nil {
		msg.Warn("transport %s: %v", service, err)
		return r.Record(to, "none", Deferred("4.3.0", "mail transport unavailable"))
	}
	defer s.Close()
	if err := ipc.Expect(s, deliver.Protocol); err != nil {
		msg.Warn("transport %s: %v", service, err)
		return r.Record(to, "none", Deferred("4.3.0", "mail transport unavailable"))
	}
	request := r.Request
	request.NextHop, request.RecipientCount = hop, 1
	attr.Write(s, request)
	attr.Write(s, to.Recipient)
	var reply deliver.Reply
	if err := attr.Read(s, &reply); err != nil {
		msg.Warn("transport %s: %v", service, err)
		return r.Record(to, "none", Deferred("4.3.0", "unknown mail transport error"))
	}
	return reply.Status == 0
}
