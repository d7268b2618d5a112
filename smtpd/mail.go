package main

import (
	"strconv"
	"strings"
	"syscall"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/mail/address"
	"postrider/lib/mail/dsn"
	"postrider/smtpd/access"
)

// A transaction is one message, from MAIL to the end of its data. Ending it is
// s.mail = nil.
type transaction struct {
	sender    string   // internal form
	command   string   // the whole line, for a content filter
	arguments []string // address and parameters, for mail filters
	arrived   time.Time
	size      int64 // as declared, then as received
	encoding  string
	envID     string
	ret       dsn.Return
	utf8      bool   // the client asked for SMTPUTF8
	auth      bool   // the client has told who has sent it
	verp      string // delimiters
	instance  string

	requireTLS bool // the message must have TLS on all of its way

	recipients int     // accepted
	first      string  // the first of them, for the Received: header
	recipient  *string // the one that is being decided about
	overshoot  int
	envelope   []byte // records of the recipients

	actions access.Transaction
	id      string // of the queue file, once it is known
	queue   submission
	bdat    *content // the message so far, when it comes in chunks
}

// external is the form of an address in headers and log lines.
func external(internal string) string { return address.Quote(internal) }

func (s *session) mailCommand(args string) reply {
	switch {
	case s.helo == "" && conf.HeloRequired:
		return refuse("policy", "503 5.5.1 Error: send HELO/EHLO first")
	case s.mail != nil:
		return refuse("protocol", "503 5.5.1 Error: nested MAIL command")
	case s.skipping:
		return refuse("protocol", "503 5.5.1 Error: MAIL after BDAT")
	}
	if r := s.limitMessages(); r.bad {
		return r
	}
	request, valid := parseRequest(args, "FROM:")
	if !valid {
		return refuse("protocol", "501 5.5.4 Syntax: MAIL FROM:<address>")
	}
	rule := pathRule{empty: true, strict: conf.StrictEnvelopes, dash: conf.AllowMinUser, utf8: asksUTF8(request.params)}
	sender, valid := rule.parsePath(request.path)
	if !s.charactersAllowed(request.path, request.params) {
		return refuse("protocol", undeclared)
	}
	if !valid {
		s.illegal("MAIL", request.path)
		return refuse("protocol", "501 5.1.7 Bad sender address syntax")
	}
	s.sasl.Sender = ""
	m := &transaction{sender: sender, command: "MAIL " + args, arrived: time.Now()}
	if s.filters != nil {
		m.arguments = append([]string{request.path}, request.params...)
	}
	for _, p := range request.params {
		if r := s.mailParameter(m, p); r.bad {
			return r
		}
	}
	return s.beginMail(m)
}

// illegal logs an address that is none.
func (s *session) illegal(command, path string) {
	if strings.HasPrefix(path, "<") && !strings.Contains(path, ">") {
		return // not even a path
	}
	msg.Warn("Illegal address syntax from %s in %s command: %s", s.nameAddr(), command, path)
}

// undeclared is the reply to an address in UTF-8 that was not announced. Source:
// RFC 6531, section 3.5.
const undeclared = "553 5.6.7 Must declare SMTPUTF8 to send unicode address"

// charactersAllowed refuses addresses in UTF-8 from clients that did not ask
// for SMTPUTF8, when the administrator is strict.
func (s *session) charactersAllowed(addr string, params []string) bool {
	if !conf.StrictSMTPUTF8 || !conf.Address.SMTPUTF8Enable || isASCII(addr) {
		return true
	}
	return asksUTF8(params) || s.mail != nil && s.mail.utf8
}

func asksUTF8(params []string) bool {
	for _, p := range params {
		if strings.EqualFold(p, "SMTPUTF8") {
			return true
		}
	}
	return false
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// beginMail decides about a sender and begins a transaction.
func (s *session) beginMail(m *transaction) reply {
	s.mail = m
	m.instance = s.instance()
	if !s.alone {
		refusal := s.checkSize(m.size)
		if refusal == nil {
			refusal = s.checker.CheckMail(s.facts())
		}
		if refusal != nil {
			s.mail = nil
			return refused(refusal)
		}
	}
	if !conf.DelayOpen {
		if r := s.open(); r.bad {
			s.abort()
			return r
		}
		s.queueID()
	}
	if r, refused := s.mailMilters(); refused {
		s.abort()
		return r
	}
	return ok("250 2.1.0 Ok")
}

// mailParameter understands one parameter of MAIL.
func (s *session) mailParameter(m *transaction, p string) reply {
	keyword, value, hasValue := splitParam(p)
	switch keyword {
	case "BODY":
		switch strings.ToUpper(value) {
		case "8BITMIME":
			m.encoding = "8bit"
			return ok("")
		case "7BIT":
			m.encoding = "7bit"
			return ok("")
		}
	case "SIZE":
		if !hasValue {
			break
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err == nil && n >= 0 && value[0] != '+' {
			m.size = n
			return ok("")
		}
		if allDigits(value) {
			return refuse("policy", "552 5.3.4 Message size exceeds file system imposed limit")
		}
		return refuse("protocol", "501 5.5.4 Bad message size syntax")
	case "SMTPUTF8":
		if conf.Address.SMTPUTF8Enable && !hasValue && s.mask&maskSMTPUTF8 == 0 {
			m.utf8 = true
			return ok("")
		}
	case "REQUIRETLS":
		if s.mayRequireTLS() && !hasValue && s.mask&maskRequireTLS == 0 {
			m.requireTLS = true
			return ok("")
		}
	case "AUTH":
		if hasValue {
			return s.mailAuth(m, value)
		}
	case "RET", "ENVID":
		return s.mailDSN(m, keyword, value)
	case "XVERP":
		if s.inList(s.verpClients, "smtpd_authorized_verp_clients") {
			return s.mailVerp(m, value, hasValue)
		}
	}
	return refuse("protocol", "555 5.5.4 Unsupported option: "+p)
}

// mayRequireTLS tells whether clients may ask for TLS on all of the way of a message:
// only when they have it themselves. RFC 8689, section 2.
func (s *session) mayRequireTLS() bool { return conf.RequireTLS.RequireTLSEnable && s.secret != nil }

func allDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// mailDSN reads RET and ENVID. Source: RFC 3461, sections 4.3 and 4.4.
func (s *session) mailDSN(m *transaction, keyword, value string) reply {
	if s.mask&maskDSN != 0 {
		return refuse("protocol", "501 5.7.1 DSN support is disabled")
	}
	if keyword == "RET" {
		ret, valid := dsn.ParseReturn(value)
		if !valid || m.ret != 0 {
			return refuse("protocol", "501 5.5.4 Bad RET parameter syntax")
		}
		m.ret = ret
		return ok("")
	}
	id, valid := decodeXtext(value)
	if !valid || m.envID != "" || id == "" || !printable(id) {
		return refuse("protocol", "501 5.5.4 Bad ENVID parameter syntax")
	}
	m.envID = id
	return ok("")
}

// mailVerp reads the extension of some mailing list managers.
func (s *session) mailVerp(m *transaction, value string, hasValue bool) reply {
	switch {
	case !hasValue:
		value = conf.VerpDelimiters
	case len(value) != 2 || strings.Trim(value, conf.Verp.VerpDelimiterFilter) != "":
		return refuse("protocol", "501 5.5.4 Error: XVERP needs two characters from "+conf.Verp.VerpDelimiterFilter)
	}
	m.verp = value
	return ok("")
}

// checkSize refuses what is too large, or does not fit on the disk.
func (s *session) checkSize(size int64) *access.Refusal {
	limit := conf.MessageSizeLimit
	if limit > 0 && size > limit {
		return s.refuseNow("policy", "552 5.3.4 Message size exceeds fixed limit")
	}
	var fs syscall.Statfs_t
	if conf.QueueMinfree <= 0 && limit <= 0 || syscall.Statfs(".", &fs) != nil {
		return nil
	}
	free := int64(fs.Bavail) * fs.Bsize
	switch {
	case free < conf.QueueMinfree:
		msg.Warn("not enough free space in mail queue: %d bytes < queue_minfree %d", free, conf.QueueMinfree)
	case free/3*2 < limit:
		msg.Warn("not enough free space in mail queue: %d bytes < 1.5*message size limit", free)
	default:
		return nil
	}
	return s.refuseNow("resource", "452 4.3.1 Insufficient system storage")
}

// refuseNow makes a refusal and logs it like those of package access.
func (s *session) refuseNow(trouble access.Trouble, text string) *access.Refusal {
	text = s.soften(text)
	s.log("reject", text)
	return &access.Refusal{Reply: text, Trouble: trouble}
}
