// Smtpd receives mail from the network: it speaks SMTP with one client, decides
// what it may do, and hands each message to cleanup(8).
//
// The server implements HELO, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, BDAT, RSET, NOOP,
// VRFY, ETRN, HELP and QUIT, and the extensions STARTTLS, PIPELINING, SIZE, 8BITMIME, DSN,
// SMTPUTF8, ENHANCEDSTATUSCODES and CHUNKING. EXPN is refused. XCLIENT and
// XFORWARD are for proxies and content filters that the administrator names.
//
// A message is acknowledged only when cleanup(8) has said that it is on disk.
// The envelope is checked by lists of restrictions, such as
// smtpd_recipient_restrictions; see access(5) for tables that they may ask.
//
// TLS is offered with smtpd_tls_security_level = may, and a must with encrypt.
// On port 465, smtpd_tls_wrappermode begins it with the connection. Certificates
// of clients can be asked for; restrictions and policy services learn what they
// say. The certificate files of the server are read when a process begins, with
// all privileges; new ones are in use after "postfix reload", or when the
// processes that have the old ones have served $max_use clients or were idle for
// $max_idle. Sessions are not resumed.
//
// With smtpd_sasl_auth_enable clients can log in (AUTH); Dovecot or saslauthd(8)
// know the passwords. What a login is good for is said in lists of restrictions, by
// permit_sasl_authenticated and the reject_..._login_mismatch restrictions.
//
// Mail filters (milters) of smtpd_milters are asked about each step of a session,
// and may refuse, hold or discard. The message is shown to them by cleanup(8), to
// which the connections are handed over, and which makes the changes that they
// want.
//
// With the option -S the server talks over standard input and output with one
// client that is trusted not more than any user of this machine; mail is then
// submitted through postdrop(1). This is what "sendmail -bs" runs.
//
// # SECURITY
//
// Smtpd talks with strangers. It needs no privileges and can run in a chroot
// jail. All input has limits: line length, message size, errors, time,
// recipients, and, with the help of anvil(8), connections and rates. Text from
// clients is made printable before it reaches the log, and is not expanded.
// What a client sends between STARTTLS and the handshake is thrown away, and the
// session begins anew inside of TLS. The private keys of the server are in the
// memory of processes that talk with strangers.
// Passwords of clients pass through on their way to the program that knows them,
// and are neither kept nor logged.
// Lines that end in a bare newline never end a message, so that no second
// message can hide in the first one. A configuration that would let anybody
// relay mail to anywhere is refused at start.
//
// # STANDARDS
//
// RFC 5321 (SMTP), 1870 (SIZE), 1985 (ETRN), 2034 (status codes), 2920
// (PIPELINING), 3207 (STARTTLS), 4954 (AUTH), 3030 (CHUNKING without BINARYMIME), 3461 (DSN), 3463, 6152
// (8BITMIME), 6531 (SMTPUTF8), 7505 (null MX).
//
// # DIAGNOSTICS
//
// Problems and transactions are logged. The postmaster gets a transcript of
// sessions with trouble of the classes in notify_classes: policy, protocol,
// resource and software.
package main

import (
	"postrider/lib/base/stream"
	_ "postrider/lib/base/table/all"
	"postrider/lib/daemon/server"
)

func main() {
	server.Main(server.Daemon{
		Name:    "smtpd",
		Params:  &conf,
		PreJail: func(p *server.Process) { open(p) },
		Serve:   server.Single(talk),
	})
}

// talk serves one client.
func talk(st *stream.Stream, c server.Client) {
	s := &session{service: daemon, s: st, alone: c.Alone, fd: c.FD, passed: c.Passed != nil}
	if s.readProxyHeader() {
		s.identify(c.Passed)
	}
	s.serve()
}
