// Package milter talks with mail filters: programs that a mail server asks about
// each step of an SMTP session and about each message, and that may change the
// message. It is the server's side of the protocol of Sendmail 8 (versions 2, 3,
// 4 and 6).
//
// A Set is a list of filters from main.cf, a Session the connections to them for
// one SMTP client. The SMTP server reports what the client does. Then it hands
// the connections over to cleanup(8), which shows the message to each filter and
// carries out what the filter asks for.
//
// A filter is a stranger: lengths are limited, and one that breaks the protocol,
// goes away or is silent for too long is not asked again in this session. What
// happens to mail then is what milter_default_action says.
package milter

import "time"

// Params are the parameters of all programs that talk with filters.
type Params struct {
	// MAIL FILTERS

	// The time to wait for a connection to a mail filter, and for the
	// negotiation of options with it.
	ConnectTimeout time.Duration `param:"milter_connect_timeout" default:"30s" min:"1s"`

	// The time to wait for the answer of a mail filter to an SMTP command.
	CommandTimeout time.Duration `param:"milter_command_timeout" default:"30s" min:"1s"`

	// The time to wait for the answer of a mail filter to a header, to a part
	// of the body, and to the end of a message. A filter that needs longer may
	// ask for more time.
	ContentTimeout time.Duration `param:"milter_content_timeout" default:"300s" min:"1s"`

	// The version of the mail filter protocol: 2, 3, 4 or 6. With the word
	// no_header_reply behind it, filters do not answer each header.
	Protocol string `param:"milter_protocol" default:"6"`

	// What to do when a mail filter cannot be asked: accept mail without it;
	// reject mail for good; tempfail, reject it for now; quarantine, accept
	// it and put it on hold; shutdown, also end the session.
	DefaultAction string `param:"milter_default_action" default:"shutdown"`

	// The macros that mail filters get when a client connects.
	ConnectMacros string `param:"milter_connect_macros" default:"j {daemon_name} {daemon_addr} v _"`

	// The macros that mail filters get with HELO or EHLO.
	HeloMacros string `param:"milter_helo_macros" default:"{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}"`

	// The macros that mail filters get with MAIL.
	MailMacros string `param:"milter_mail_macros" default:"i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} {mail_mailer}"`

	// The macros that mail filters get with RCPT.
	RcptMacros string `param:"milter_rcpt_macros" default:"i {rcpt_addr} {rcpt_host} {rcpt_mailer}"`

	// The macros that mail filters get with DATA or the first BDAT.
	DataMacros string `param:"milter_data_macros" default:"i"`

	// The macros that mail filters get with headers and their end.
	EndOfHeaderMacros string `param:"milter_end_of_header_macros" default:"i"`

	// The macros that mail filters get with the body and its end.
	EndOfDataMacros string `param:"milter_end_of_data_macros" default:"i"`

	// The macros that mail filters get with an unknown command.
	UnknownCommandMacros string `param:"milter_unknown_command_macros" default:""`

	// Macros, name=value, for filters that want some that are not known
	// here. The braces around a long name can be left out.
	MacroDefaults string `param:"milter_macro_defaults" default:""`

	// The macro {daemon_name}.
	MacroDaemonName string `param:"milter_macro_daemon_name" default:"$myhostname"`

	// The macro v, the name and version of the mail system.
	MacroV string `param:"milter_macro_v" default:"$mail_name $mail_version"`
}

// lists are the macro lists of main.cf.
func (p *Params) lists() macroLists {
	return macroLists{p.ConnectMacros, p.HeloMacros, p.MailMacros, p.RcptMacros, p.DataMacros, p.EndOfHeaderMacros,
		p.EndOfDataMacros, p.UnknownCommandMacros}
}
