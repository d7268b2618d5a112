// Verify knows which addresses can be delivered to, and finds it out with probes.
//
// # DESCRIPTION
//
// The SMTP server asks verify(8) about an address when it has one of the
// restrictions reject_unverified_sender and reject_unverified_recipient. The
// answer comes from a cache. When the cache has none, or one that is old, verify
// sends a probe: a message without content, which the queue manager and the
// delivery agents treat like any other, except that it ends before something would
// be delivered. The agent then tells verify what would have become of it: the
// address is deliverable, undeliverable, or nobody could say at the moment.
//
// While a probe is on its way the answer is that the verification is in progress.
// An address whose entry is old enough for a new probe, and not old enough to be
// forgotten, keeps its status until the probe ends. The failure of such a probe
// does not touch the entry of an address that was deliverable: it stays so until
// it expires. A probe without a result after 1000 seconds is taken for lost, and
// the next question starts another.
//
// The cache lasts longer than the process when address_verify_map names a table.
// Its entries have the form status:probed:updated:text: 0 for a deliverable
// address, 1 for one that nobody could say anything about, 2 for an undeliverable
// one; the times of the probe that is on its way, or 0, and of the result, in
// seconds since 1970; and what the agent said. A colon in an address is an
// underscore in its key.
//
// Entries that are too old are removed every
// address_verify_cache_cleanup_interval. What changed is in the file a second
// later.
//
// # SECURITY
//
// Verify needs no privileges and can run in a chroot jail: it opens its table
// before. Addresses and texts come from strangers; they are stored and never
// interpreted. Probes tell the server of the probed address that somebody asks,
// and can make others block a site that sends many.
//
// # DIAGNOSTICS
//
// Problems are logged, and the number of entries that a cleanup kept and removed.
//
// # BUGS
//
// A server that takes all recipients and sends mail back later makes all addresses
// deliverable.
package main

import (
	"os"
	"os/signal"
	"syscall"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	_ "postrider/lib/base/table/all"
	"postrider/lib/daemon/server"
)

func main() {
	server.Main(server.Daemon{
		Name:      "verify",
		Params:    &conf,
		Limit:     server.OneProcess,
		UseAlways: true,
		PreJail:   func(*server.Process) { results = openCache() },
		PostJail:  begin,
		Serve:     server.Multi(func(s *stream.Stream, c server.Client) { serve(s) }),
		Leave:     func() { results.close() },
	})
}

// results is the cache of this process.
var results *cache

// begin makes ready what needs no privileges. A persistent table stays open as
// long as the mail system runs: a second process must not write it.
func begin(p *server.Process) {
	if conf.Map != "" {
		p.MaxIdle = forever
	}
	// "postfix stop" reaches all processes of the mail system at once; this one
	// goes into a group of its own, to end in order.
	if !p.Alone {
		if _, err := syscall.Setsid(); err != nil {
			msg.Debug("setsid: %v", err)
		}
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	go func() {
		<-end
		server.Exit()
	}()
	if conf.CleanupInterval > 0 {
		go results.cleanForever()
	}
	p.WatchMaster() // the next process must find in the file what this one knows
}
