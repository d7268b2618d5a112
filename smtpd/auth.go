package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"postrider/lib/base/match"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/net/sasl"
	"postrider/lib/net/sasl/dovecot"
	"postrider/lib/net/sasl/saslauthd"
	"postrider/lib/service/anvil"
	"postrider/smtpd/access"
)

// A saslService is who knows the passwords of clients, and which mechanisms they
// may use.
type saslService struct {
	server     sasl.Server // nil: there are no logins
	plain      sasl.Options
	secure     sasl.Options // inside of TLS
	filter     *match.List
	exceptions *match.List
	unknown    string // what to say about a mechanism that is none of them
}

// openSASL reads the settings. Dovecot is asked later: it may start after us.
func (sv *service) openSASL() (err error) {
	p, v := &conf.SASL, &sv.sasl
	if !p.AuthEnable {
		return nil
	}
	switch p.Type {
	case "dovecot":
		v.server, v.unknown = dovecot.New(p.Path), "Invalid authentication mechanism"
	case "cyrus":
		dirs := []string{conf.ConfigDirectory + "/sasl", "/etc/sasl2", "/usr/lib/sasl2"}
		if p.CyrusConfigPath != "" {
			dirs = strings.Split(p.CyrusConfigPath, ":")
		}
		v.unknown = "no mechanism available"
		if v.server, err = saslauthd.New(dirs, p.Path); err != nil {
			return fmt.Errorf("SASL per-process initialization failed: %w", err)
		}
	default:
		msg.Warn("unsupported SASL server implementation: %s", p.Type)
		return errors.New("SASL per-process initialization failed")
	}
	if v.plain, err = sasl.ParseOptions(p.SecurityOptions); err != nil {
		return fmt.Errorf("parameter smtpd_sasl_security_options: %w", err)
	}
	if v.secure, err = sasl.ParseOptions(p.TLSSecurityOptions); err != nil {
		return fmt.Errorf("parameter smtpd_sasl_tls_security_options: %w", err)
	}
	if v.filter, err = match.Strings("smtpd_sasl_mechanism_filter", p.MechanismFilter); err != nil {
		return err
	}
	const name = "smtpd_sasl_exceptions_networks"
	v.exceptions, err = match.Clients(name, p.ExceptionsNetworks, conf.Domains.Parents.Include(name))
	return err
}

// startSASL finds out how the client may log in: at the begin of a session, and
// once more inside of TLS. Where logins are wanted and there are none at all, the
// process ends, so that the client comes again and the administrator notices.
func (s *session) startSASL() {
	v := &s.service.sasl
	s.sasl = access.SASL{Active: v.server != nil}
	s.mechanisms = nil
	if v.server == nil || s.alone || s.secret == nil && (conf.TLS.AuthOnly || s.tls.enforced) {
		return
	}
	options := v.plain
	if s.secret != nil {
		options = v.secure
	}
	all, err := v.server.Mechanisms()
	if err != nil {
		msg.Warn("%v", err)
	}
	names, _ := sasl.Names(all, options, nil)
	if len(names) == 0 {
		msg.Fatal("no SASL authentication mechanisms")
	}
	if s.mechanisms, err = sasl.Names(all, options, v.filter); err != nil {
		msg.Warn("smtpd_sasl_mechanism_filter: %v", err)
	}
	if len(s.mechanisms) == 0 {
		msg.Fatal("smtpd_sasl_mechanism_filter discards all mechanisms in '%s'", strings.Join(names, " "))
	}
}

// authKeywords are the lines of the reply to EHLO that offer logins.
func (s *session) authKeywords() []string {
	if len(s.mechanisms) == 0 || s.inList(s.service.sasl.exceptions, "smtpd_sasl_exceptions_networks") {
		return nil
	}
	names := strings.Join(s.mechanisms, " ")
	if conf.SASL.BrokenClients {
		return []string{"AUTH " + names, "AUTH=" + names}
	}
	return []string{"AUTH " + names}
}

// authCommand lets the client log in. Source: RFC 4954, section 4.
func (s *session) authCommand(args string) reply {
	if r := s.limitEvent(anvil.Auth, conf.SASL.ClientAuthRateLimit, "AUTH command", "AUTH commands"); r.bad {
		return r
	}
	words := strings.Fields(args)
	s.afterAuth = true
	switch {
	case s.helo == "" && conf.HeloRequired:
		return refuse("policy", "503 5.5.1 Error: send HELO/EHLO first")
	case len(s.mechanisms) == 0 || s.mask&maskAuth != 0:
		return refuse("protocol", "503 5.5.1 Error: authentication not enabled")
	case s.mail != nil:
		return refuse("protocol", "503 5.5.1 Error: MAIL transaction in progress")
	case s.sasl.User != "":
		return refuse("protocol", "503 5.5.1 Error: already authenticated")
	case len(words) < 1 || len(words) > 2:
		return refuse("protocol", "501 5.5.4 Syntax: AUTH mechanism")
	}
	var initial *string
	if len(words) == 2 {
		initial = &words[1]
	}
	return s.authenticate(words[0], initial)
}

// authenticate carries the dialogue between the client and who knows its password.
func (s *session) authenticate(mechanism string, initial *string) reply {
	var x sasl.Exchange
	r := sasl.Result{Text: s.service.sasl.unknown}
	for _, name := range s.mechanisms {
		if strings.EqualFold(name, mechanism) {
			x, r = s.service.sasl.server.Begin(s.saslSession(), name, initial)
		}
	}
	for r.Status == sasl.More {
		s.say("334 " + r.Text)
		response, refusal := s.readResponse()
		switch {
		case refusal != "" || s.failure != nil:
			return refuse("protocol", refusal)
		case response == "*":
			msg.Warn("%s: SASL %.100s authentication aborted", s.nameAddr(), mechanism)
			return refuse("protocol", "501 5.7.0 Authentication aborted")
		}
		r = x.Next(response)
	}
	if r.Status == sasl.Done && !printable(*r.User) {
		r = sasl.Result{Text: "the name of the user has control characters", User: r.User}
	}
	if r.Status != sasl.Done {
		return s.authFailed(mechanism, r)
	}
	s.sasl.Method, s.sasl.User = mechanism, *r.User
	return ok("235 2.7.0 Authentication successful")
}

// authFailed logs and words a failure.
func (s *session) authFailed(mechanism string, r sasl.Result) reply {
	user := "(unavailable)"
	if r.User != nil {
		user = *r.User
	}
	if r.Text == "" {
		r.Text = "(reason unavailable)"
	}
	msg.Warn("%s: SASL %.100s authentication failed: %s, sasl_username=%.100s", s.nameAddr(), mechanism, r.Text, user)
	if r.Status == sasl.Temporary {
		return refuse("protocol", "454 4.7.0 Temporary authentication failure: "+r.Text)
	}
	return refuse("protocol", "535 5.7.8 Error: authentication failed: "+r.Text)
}

// saslSession is what who decides may want to know about the client.
func (s *session) saslSession() sasl.Session {
	return sasl.Session{Service: conf.SASL.Service, Realm: conf.SASL.LocalDomain, Secure: s.secret != nil,
		Client: known(s.client.Address), ClientPort: known(s.client.Port), Server: known(s.server.Address), HostPort: known(s.server.Port)}
}

// known is a value, or nothing when it is not known.
func known(value string) string {
	if value == access.Unknown {
		return ""
	}
	return value
}

// readResponse reads a line of the dialogue, which is no command. What goes wrong
// with the connection ends the session; it is in s.failure.
func (s *session) readResponse() (line, refusal string) {
	if conf.PerRequestDeadline {
		s.s.SetDeadline(time.Now().Add(conf.Timeout))
	}
	limit := conf.SASL.ResponseLimit
	raw, err := s.s.ReadSlice('\n', limit)
	line = string(raw)
	long := errors.Is(err, stream.ErrTooLong)
	for errors.Is(err, stream.ErrTooLong) {
		_, err = s.s.ReadSlice('\n', limit)
	}
	if err != nil {
		s.failure = s.lost(err)
		return "", ""
	}
	msg.Debug("< %s: %s", s.nameAddr(), hidden)
	s.history.add("In:  ", hidden)
	if long {
		msg.Warn("%s: request longer than %d: %s", s.nameAddr(), limit, hidden)
		return "", "500 5.5.6 SASL response limit exceeded"
	}
	return strings.TrimRight(line, "\r\n"), ""
}

// hidden stands where a password might be.
const hidden = "(not shown)"

// mayBeLong tells whether the begin of a line is that of AUTH with a long response,
// such as a token. Source: RFC 4954, section 4.
func (s *session) mayBeLong(line string) bool {
	return len(s.mechanisms) > 0 && len(line) > 5 && strings.EqualFold(line[:5], "AUTH ")
}

// shown is a line from the client, fit for logs and transcripts. A client whose AUTH
// was refused may go on as if it were not.
func (s *session) shown(line string) string {
	word, _, _ := strings.Cut(strings.TrimLeft(line, " \t"), " ")
	if s.afterAuth && find(word) == nil {
		return hidden
	}
	return withoutSecrets(line)
}

// withoutSecrets is what a client has said, fit for logs: all that follows on the
// mechanism in an AUTH command may be a password.
func withoutSecrets(said string) string {
	const blank = " \t\r\n"
	for i := 0; i+4 < len(said); i++ {
		if said[i]|0x20 != 'a' || !strings.EqualFold(said[i:i+4], "auth") {
			continue
		}
		mechanism := strings.TrimLeft(said[i+4:], blank)
		end := strings.IndexAny(mechanism, blank)
		if len(mechanism) == len(said)-i-4 || end < 0 || strings.Trim(mechanism[end:], blank) == "" {
			continue
		}
		return said[:len(said)-len(mechanism)+end+1] + hidden
	}
	return said
}

// mailAuth takes who has sent a message, as another server has found out. Nobody
// believes it; it is noted for those who look at the log. RFC 4954, section 5.
func (s *session) mailAuth(m *transaction, value string) reply {
	if m.auth {
		return refuse("protocol", "503 5.5.4 Error: multiple AUTH= options")
	}
	if value != "<>" {
		m.auth, s.sasl.Sender = true, value
	}
	return ok("")
}
