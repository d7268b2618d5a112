// Flush remembers which messages wait for which destination, so that all mail
// for one destination can be tried at once.
//
// # DESCRIPTION
//
// For each destination in fast_flush_domains the program keeps a log below the
// directory flush: a list of the IDs of messages whose delivery was deferred. A
// destination is what stands behind the last @ of a recipient.
//
// Requests are:
//
//	add        a message waits for a destination
//	send_site  try all mail for a destination (ETRN, postqueue -s)
//	send_file  try one message (postqueue -i)
//	rfrsh      do what send_site does for each destination that nobody asked
//	           for since $fast_flush_refresh_time, and remove logs that were
//	           empty for $fast_flush_purge_time
//	purge      the same for all destinations
//
// A wake-up by master(8) is a request to refresh. A log is emptied when its mail
// is tried, not when mail is delivered; refreshing keeps logs from growing with
// IDs of messages that are long gone.
//
// All mail that is named in a log is tried, also for its recipients elsewhere.
//
// # SECURITY
//
// Flush talks neither to the network nor to users. It runs at low privilege and
// can run in a chroot jail. A destination becomes the name of a file: only
// letters and digits of it are used.
//
// # FILES
//
//	flush/*  one log for each destination
package main

import (
	"io"
	"syscall"

	"postrider/lib/base/attr"
	"postrider/lib/base/match"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	_ "postrider/lib/base/table/all"
	"postrider/lib/daemon/server"
	"postrider/lib/mail/queue"
	"postrider/lib/service/flush"
	"postrider/lib/service/ipc"
)

// eligible are the destinations that have logs.
var eligible *match.List

func main() {
	server.Main(server.Daemon{
		Name:    "flush",
		Params:  &conf,
		Limit:   server.NoLimit,
		PreJail: prepare,
		Serve:   server.Single(serve),
	})
}

func prepare(*server.Process) {
	var err error
	eligible, err = match.Domains("fast_flush_domains", conf.FastFlushDomains, conf.Include("fast_flush_domains"))
	if err != nil {
		msg.Fatal("%v", err)
	}
}

// serve answers one request. A client that has sent something before we
// announced ourselves is master with a wake-up.
func serve(s *stream.Stream, c server.Client) {
	s.SetTimeout(conf.IPCTimeout)
	if wakeup(c.FD) {
		refresh(conf.RefreshTime)
		return
	}
	ipc.Announce(s, flush.Protocol)
	s.Flush()
	if first, err := s.Peek(1); err == io.EOF || err == nil && first[0] == ipc.Wakeup[0] {
		if err == nil {
			refresh(conf.RefreshTime)
		}
		return
	}
	list, err := attr.ReadList(s, 0)
	if err != nil {
		msg.Warn("read request: %v", err)
		attr.Write(s, flush.Reply{Status: flush.Bad})
		return
	}
	switch request := list.Get("request"); request {
	case "rfrsh", "purge":
		attr.Write(s, flush.Reply{Status: flush.OK})
		s.Flush()
		age := conf.RefreshTime
		if request == "purge" {
			age = 0
		}
		refresh(age)
	default:
		attr.Write(s, flush.Reply{Status: handle(request, list)})
	}
}

// wakeup reports whether one or two bytes wait that are not the begin of a
// request.
func wakeup(fd int) bool {
	var b [3]byte
	n, _, err := syscall.Recvfrom(fd, b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return err == nil && (n == 1 || n == 2)
}

// handle does what the request says.
func handle(request string, list attr.List) flush.Status {
	switch request {
	case "add":
		var r flush.AddRequest
		if err := list.Into(&r); err != nil || !queue.ValidID(r.QueueID) {
			return bad(list, err)
		}
		return withSite(r.Site, func(site string) flush.Status { return add(site, r.QueueID) })
	case "send_site":
		var r flush.SendSiteRequest
		if err := list.Into(&r); err != nil {
			return bad(list, err)
		}
		return withSite(r.Site, func(site string) flush.Status { return sendSite(site) })
	case "send_file":
		var r flush.SendFileRequest
		if err := list.Into(&r); err != nil || !queue.ValidID(r.QueueID) {
			return bad(list, err)
		}
		return sendFile(r.QueueID)
	}
	return bad(list, nil)
}

func bad(list attr.List, err error) flush.Status {
	msg.Warn("malformed request %q (%v)", list, err)
	return flush.Bad
}

// withSite calls do with the file name of an eligible destination.
func withSite(site string, do func(name string) flush.Status) flush.Status {
	domain := canonical(site)
	if domain == "" {
		return flush.Bad
	}
	ok, err := eligible.Match(domain)
	switch {
	case err != nil:
		msg.Warn("destination %s: %v", site, err)
		return flush.Fail
	case !ok:
		return flush.Deny
	}
	name := fileName(domain)
	if !queue.ValidID(name) {
		return flush.Bad
	}
	return do(name)
}
