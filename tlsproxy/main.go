// Tlsproxy does TLS for postscreen(8).
//
// # DESCRIPTION
//
// Postscreen has all its clients in one process, and no TLS: to begin with that takes
// a thousand times longer than anything else that it does. When a client wants TLS,
// postscreen hands the connection to tlsproxy, and goes on with what tlsproxy takes
// out of TLS for it. Each process has many clients, each on its own.
//
// The certificates and keys are those of smtpd(8), unless parameters of tlsproxy say
// otherwise. The files are read when a process begins, with all privileges.
//
// # SECURITY
//
// Tlsproxy talks with strangers, and has private keys in its memory. It needs no
// privileges and can run in a chroot jail. What a client has sent before TLS is
// thrown away by postscreen(8).
//
// # STANDARDS
//
// RFC 5246 (TLS 1.2), RFC 8446 (TLS 1.3).
//
// # DIAGNOSTICS
//
// Problems are logged, and with tlsproxy_tls_loglevel = 1, one line for each session.
//
// # BUGS
//
// It does not keep connections of smtp(8) with TLS open, clients are not asked for
// certificates, and there are no session tickets.
package main

import (
	"postrider/lib/base/stream"
	_ "postrider/lib/base/table/all"
	"postrider/lib/daemon/server"
)

func main() {
	server.Main(server.Daemon{
		Name:    "tlsproxy",
		Params:  &conf,
		Limit:   server.NoLimit,
		PreJail: func(*server.Process) { open() },
		Serve:   server.Multi(func(s *stream.Stream, _ server.Client) { serve(s) }),
	})
}
