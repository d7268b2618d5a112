// Tlsmgr keeps what processes with TLS have in common: saved sessions, and the
// keys of session tickets.
//
// # DESCRIPTION
//
// To begin with TLS takes longer than to send a message. A client and a server that
// have met before can take up the session where they left it, without certificates
// and signatures. But the processes of a mail system do not live long, and the
// next connection seldom meets the same one: so tlsmgr remembers for all of them.
//
// For smtpd(8) it has the keys of session tickets. A ticket is what a server must
// know about a session, locked with such a key; the client keeps it, and shows it
// the next time. New tickets get one key for half of
// smtpd_tls_session_cache_timeout; then there is a new one, and the old one only
// opens tickets for the other half. The keys are made when they are first asked
// for, and are gone when the process ends: with "postfix reload", too.
//
// For smtp(8) and lmtp(8) it saves sessions, when smtp_tls_session_cache_database
// or lmtp_tls_session_cache_database is not empty. They are in memory only. A cache
// that has grown to 32 megabytes makes room for new sessions by forgetting some of
// the others, those that are too old first.
//
// There is a cache for servers too, when smtpd_tls_session_cache_database is not
// empty. It is for servers that cannot hand out tickets; smtpd(8) does not use it.
//
// Whoever needs random numbers gets those of the system.
//
// # SECURITY
//
// Whoever knows a session or a key can read what was said in some sessions: those
// of TLS 1.2, and what tickets hold. None of it is written to a file. Tlsmgr talks
// with the daemons of the mail system only, needs no privileges, and can run in a
// chroot jail. A session is saved under a name that its client has made up; that it
// stands for all that counts, such as what the server had to prove, is the
// client's business.
//
// # DIAGNOSTICS
//
// Problems are logged. With smtp_tls_loglevel, lmtp_tls_loglevel or
// smtpd_tls_loglevel of 2 or more, what happens to the sessions of the cache is
// logged.
package main

import (
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/base/table"
	"postrider/lib/daemon/server"
	"postrider/lib/mail/param"
	"postrider/lib/net/starttls"
	"postrider/lib/service/tlsmgr"
)

func main() {
	var m *manager
	server.Main(server.Daemon{
		Name:       "tlsmgr",
		Params:     &conf,
		LoadParams: load,
		Limit:      server.OneProcess,
		Endless:    true,
		PostJail: func(p *server.Process) {
			m = newManager(p.Settings)
			p.WatchMaster()
		},
		Serve: server.Multi(func(s *stream.Stream, c server.Client) { m.serve(s) }),
	})
}

// load reads the parameters of the SMTP client also as those of the LMTP client.
func load(s *param.Settings) error {
	if err := s.Load(&conf); err != nil {
		return err
	}
	return s.LoadPrefixed(&lmtpConf, "smtp_", "lmtp_")
}

// newManager makes the caches that main.cf wants.
func newManager(s *param.Settings) *manager {
	m := &manager{caches: map[string]*cache{}, keys: tlsmgr.NewRing(conf.SMTPDTimeout)}
	for _, c := range []struct {
		kind, database, log string
		client              tlsmgr.Client
	}{
		{tlsmgr.SMTPD, "smtpd_tls_session_cache_database", s.Value("smtpd_tls_loglevel"), tlsmgr.Client{Cache: conf.SMTPDCache, Timeout: conf.SMTPDTimeout}},
		{tlsmgr.SMTP, "smtp_tls_session_cache_database", s.Value("smtp_tls_loglevel"), conf.Client},
		{tlsmgr.LMTP, "lmtp_tls_session_cache_database", s.Value("lmtp_tls_loglevel"), lmtpConf.Client},
	} {
		log, _ := starttls.ParseLog(c.log)
		m.caches[c.kind] = newCache(c.kind, c.client, log.Has(starttls.LogCache))
		if c.client.Cache == "" {
			continue
		}
		if _, _, err := table.Split(c.client.Cache); err != nil {
			msg.Fatal("parameter %s: %v", c.database, err)
		}
	}
	return m
}
