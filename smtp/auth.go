package main

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"strings"

	"postrider/lib/base/match"
	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/daemon/agent"
	"postrider/lib/mail/addrmap"
	"postrider/lib/mail/domains"
	"postrider/lib/net/dialogue"
	"postrider/lib/net/sasl"
	"postrider/lib/net/sasl/client"
	"postrider/lib/net/starttls"
)

// logins is what a process has for logins at servers; nil when there are none.
var logins *loginTables

// loginTables are opened before the root directory changes.
type loginTables struct {
	passwords *table.List
	senders   *addrmap.Maps // the same tables, when senders have passwords
	filter    *match.List
	options   [3]sasl.Options // in the clear, inside of TLS, and with a known server
	refused   *refusedLogins
}

// openLogins opens the tables and reads the wishes.
func openLogins() (*loginTables, error) {
	p := &conf.SASL
	if !p.AuthEnable {
		return nil, nil
	}
	if p.Type != "cyrus" {
		return nil, fmt.Errorf("parameter %s: unsupported SASL client implementation: %s", paramName("smtp_sasl_type"), p.Type)
	}
	if p.PasswordMaps == "" {
		return nil, fmt.Errorf("specify a password table via the `%s' configuration parameter", paramName("smtp_sasl_password_maps"))
	}
	l := &loginTables{}
	var err error
	if l.passwords, err = table.OpenList(p.PasswordMaps, table.FoldKey); err != nil {
		return nil, fmt.Errorf("parameter %s: %w", paramName("smtp_sasl_password_maps"), err)
	}
	if p.SenderDependentAuthentication {
		var local *domains.Domains
		if local, err = domains.New(&conf.Domains); err == nil {
			l.senders, err = addrmap.Open(paramName("smtp_sasl_password_maps"), p.PasswordMaps, addrmap.Options{Params: &conf.Address, Domains: local})
		}
		if err != nil {
			return nil, err
		}
	}
	for i, o := range []struct{ name, value string }{{"smtp_sasl_security_options", p.SecurityOptions},
		{"smtp_sasl_tls_security_options", p.TLSSecurityOptions},
		{"smtp_sasl_tls_verified_security_options", p.TLSVerifiedSecurityOptions}} {
		if l.options[i], err = sasl.ParseOptions(o.value); err != nil {
			return nil, fmt.Errorf("parameter %s: %w", paramName(o.name), err)
		}
	}
	if l.filter, err = match.Strings(paramName("smtp_sasl_mechanism_filter"), p.MechanismFilter); err != nil {
		return nil, err
	}
	l.refused, err = openRefused(p)
	return l, err
}

// find looks for our name and password, by sender, server, and next hop. Found is
// false when there is no need to log in.
func (l *loginTables) find(s *session, sender string) (who client.Login, found bool, err error) {
	var value string
	if l.senders != nil && sender != "" {
		value, found, err = l.senders.Lookup(sender)
	}
	for _, key := range []string{s.host, s.nexthop} {
		if err == nil && !found && key != "" {
			value, found, err = l.passwords.Lookup(key)
		}
	}
	if err != nil || !found {
		return who, false, err
	}
	user, password, _ := strings.Cut(value, conf.SASL.PasswordResultDelimiter)
	who = client.Login{User: user, Password: password, Host: s.host, Service: "smtp"}
	if lmtp {
		who.Service = "lmtp"
	}
	if conf.SASL.SendAuthzID {
		who.Authorize = user
	}
	return who, true, nil
}

// hasLogin tells whether we would log in at a server. Then a password is at stake,
// and TLS is not given up as easily.
func (s *session) hasLogin(d *delivery) bool {
	if logins == nil {
		return false
	}
	_, found, err := logins.find(s, d.req.Sender)
	return found || err != nil
}

// login logs in where the server offers that and there is a password for it. False
// means that no mail can be sent.
func (s *session) login(d *delivery) bool {
	if logins == nil || !s.offersAuth {
		return true
	}
	who, found, err := logins.find(s, d.req.Sender)
	if err != nil {
		msg.Warn("%v", err)
		msg.Warn("%s: %s lookup error", s.id, paramName("smtp_sasl_password_maps"))
		d.failAll(s, failure("4.3.0", "local data error while talking to %s", s.name()), false)
		return false
	}
	if !found {
		s.offersAuth = false
		return true
	}
	if why := logins.refused.find(s.host, who); why != nil {
		d.failAll(s, why, true)
		return false
	}
	if why := s.authenticate(who); why != nil {
		d.failAll(s, why, true)
		return false
	}
	return true
}

// mechanisms are those of the server that the administrator wants.
func (s *session) mechanisms() []string {
	var names []string
	for name := range strings.FieldsSeq(s.auth) {
		ok, err := sasl.Filtered(logins.filter, name)
		if err != nil {
			msg.Warn("%v", err)
		}
		if ok {
			names = append(names, name)
		}
	}
	return names
}

// loginOptions are what mechanisms must withstand here.
func (s *session) loginOptions() sasl.Options {
	switch {
	case s.tls == nil:
		return logins.options[0]
	case s.tls.Trust >= starttls.Verified:
		return logins.options[2]
	}
	return logins.options[1]
}

// authenticate does the dialogue. Source: RFC 4954, section 4.
func (s *session) authenticate(who client.Login) *agent.Outcome {
	names := s.mechanisms()
	if len(names) == 0 {
		if s.auth != "" {
			msg.Warn("%s offered no supported AUTH mechanisms: '%s'", s.relay(), s.auth)
		}
		return failure("4.7.0", "SASL authentication failed: server %s offered no compatible authentication mechanisms for this type of connection security", s.name())
	}
	if who.User == "" {
		msg.Warn("SASL authentication failure: the user in %s has no name", paramName("smtp_sasl_password_maps"))
		return s.cannotLogIn("generic failure")
	}
	mechanism, x := client.Choose(names, s.loginOptions(), who)
	if x == nil {
		return s.cannotLogIn("no mechanism available")
	}
	command := "AUTH " + mechanism
	shown := command
	if initial := x.Initial(); initial != nil {
		command, shown = command+" "+cmp.Or(encode(initial), "="), shown+" (not shown)"
	}
	for {
		reply, err := s.askSecret(command, shown, conf.HeloTimeout)
		switch {
		case err != nil:
			return s.broken(err, "performing the EHLO handshake")
		case reply.Class() == 2 && reply.Code != 0:
			if err := x.Done(); err != nil {
				return s.cannotLogIn(err.Error())
			}
			return nil
		case reply.Code != 334 && reply.Class() != 3:
			return s.loginRefused(who, reply)
		}
		answer, why := s.respond(x, reply)
		if why != nil {
			s.askSecret("*", "*", conf.HeloTimeout)
			return why
		}
		command, shown = encode(answer), "(not shown)"
	}
}

func encode(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// respond answers a challenge.
func (s *session) respond(x client.Exchange, reply dialogue.Reply) ([]byte, *agent.Outcome) {
	text := strings.TrimSpace(reply.Lines[0][min(4, len(reply.Lines[0])):])
	challenge, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, s.cannotLogIn("bad protocol / cancel")
	}
	answer, err := x.Next(challenge)
	if err != nil {
		return nil, s.cannotLogIn(err.Error())
	}
	return answer, nil
}

func (s *session) cannotLogIn(why string) *agent.Outcome {
	return failure("4.7.0", "SASL authentication failed; cannot authenticate to server %s: %s", s.name(), why)
}

// loginRefused reports what a server says about our password.
func (s *session) loginRefused(who client.Login, reply dialogue.Reply) *agent.Outcome {
	why := s.refusal(reply, "SASL authentication failed; server %s said: %s", s.name(), reply.Text())
	if reply.Class() == 5 {
		logins.refused.add(s.host, who, reply)
		if conf.SASL.AuthSoftBounce {
			why.Status = why.Status.WithClass('4')
		}
	}
	return why
}
