package main

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/mail/address"
	"postrider/lib/mail/record"
	"postrider/lib/net/dns"
	"postrider/lib/net/milter"
	"postrider/lib/service/cleanup"
)

// milters are the mail filters that look at a message: those that smtpd(8) hands
// over, or those of non_smtpd_milters for other mail.
type milters struct {
	session  *milter.Session
	taken    bool // they came from smtpd(8), even if there is none
	emulated bool // we act as the SMTP server
	reply    string
	client   client
	mail     *string // the sender, in external form, while filters are told
	rcpt     *string
	checking bool // milter_header_checks

	edits
}

// client is who has sent the message.
type client struct {
	name, reverse, address, port, family, helo, serverAddress, serverPort string

	method, user, sender string // of a login
}

var (
	localMilters *milter.Set
	resolver     *dns.Resolver
)

// openMilters reads non_smtpd_milters, and what is needed to find their hosts from
// within a chroot.
func openMilters() {
	var err error
	if conf.NonSMTPDMilters != "" {
		if resolver, err = dns.New(dns.Options{}); err != nil {
			msg.Fatal("%v", err)
		}
	}
	if localMilters, err = milter.New(&conf.Milter, conf.NonSMTPDMilters, resolve); err != nil {
		msg.Fatal("parameter non_smtpd_milters: %v", err)
	}
}

// resolve finds the addresses of a filter's host.
func resolve(host string) ([]netip.Addr, error) {
	return resolver.Native(host, dns.Any)
}

// takeMilters takes the connections to filters over from smtpd(8).
func (m *message) takeMilters(s *stream.Stream, fd int, data []byte) error {
	n, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || n < 0 {
		return fmt.Errorf("bad number of mail filters: %q", data)
	}
	m.milters.taken = true
	if n > 0 {
		m.milters.session.Close()
		m.milters.session, err = milter.Receive(s, fd, n, m.macro)
	}
	return err
}

// end closes the connections to filters: the SMTP server goes on with those that
// it has handed over.
func (f *milters) end() {
	if f.emulated {
		f.session.Quit()
	}
	f.session.Close()
	f.lowerLimit()
}

// note keeps what filters may want to know.
func (f *milters) note(name, value string) {
	c := &f.client
	switch name {
	case "client_name":
		c.name = value
	case "reverse_client_name":
		c.reverse = value
	case "client_address":
		c.address = value
	case "client_port":
		c.port = value
	case "client_address_type":
		c.family = value
	case "helo_name":
		c.helo = value
	case "server_address":
		c.serverAddress = value
	case "server_port":
		c.serverPort = value
	case "sasl_method":
		c.method = value
	case "sasl_username":
		c.user = value
	case "sasl_sender":
		c.sender = value
	}
}

// peer is the client, or this machine when there is none.
func (f *milters) peer() client {
	c := f.client
	if c.name == "" {
		c = client{name: "localhost", reverse: "localhost", address: "127.0.0.1", port: "0", family: strconv.Itoa(syscall.AF_INET),
			serverAddress: "127.0.0.1", serverPort: "0"}
	}
	return c
}

// macro is the value of a macro for filters.
func (m *message) macro(name string) (string, bool) {
	c := m.milters.peer()
	switch name {
	case "i":
		return m.id, true
	case "j":
		return conf.MyHostname, true
	case "v":
		return conf.Milter.MacroV, true
	case "_":
		return milter.NameAddr(c.name, c.reverse, c.address), true
	case "{daemon_name}":
		return conf.Milter.MacroDaemonName, true
	case "{daemon_addr}":
		return c.serverAddress, c.serverAddress != ""
	case "{daemon_port}":
		return c.serverPort, c.serverPort != ""
	case "{client_addr}":
		return c.address, true
	case "{client_name}":
		return c.name, true
	case "{client_port}":
		return c.port, c.port != ""
	case "{client_ptr}":
		return c.reverse, c.reverse != ""
	case "{auth_type}":
		return c.method, c.method != ""
	case "{auth_authen}":
		return c.user, c.user != ""
	case "{auth_author}":
		return c.sender, c.sender != ""
	case "{mail_addr}":
		if m.milters.mail != nil {
			return *m.milters.mail, true
		}
	case "{rcpt_addr}":
		if m.milters.rcpt != nil {
			return *m.milters.rcpt, true
		}
	}
	return "", false
}

// hasMilters reports whether filters may look at the message.
func (m *message) hasMilters() bool {
	return m.milters.taken || localMilters != nil && m.flags&cleanup.FlagMilter != 0
}

// emulateMail tells filters of mail that did not come by SMTP.
func (m *message) emulateMail() {
	f := &m.milters
	if f.taken || localMilters == nil || m.flags&cleanup.FlagMilter == 0 || m.status != 0 {
		return
	}
	f.session, f.emulated = localMilters.Open(m.macro), true
	c := f.peer()
	family, _ := strconv.Atoi(c.family)
	name := c.name
	if name == "unknown" {
		name = "[" + c.address + "]"
	}
	m.obey("CONNECT", f.session.Connect(milter.Peer{Name: name, Address: c.address, Port: c.port, Family: family}))
	if c.helo == "" {
		c.helo = c.name
	}
	if m.ongoing() {
		m.obey("EHLO", f.session.Helo(c.helo))
	}
	if !m.ongoing() {
		return
	}
	sender := address.Quote(m.sender)
	f.mail = &sender
	m.obey("MAIL", f.session.Mail(sender))
	f.mail = nil
}

// emulateRcpt does the same for a recipient.
func (m *message) emulateRcpt(internal string) {
	f := &m.milters
	if !f.emulated || f.aside || m.copying || !m.ongoing() {
		return
	}
	to := address.Quote(internal)
	f.rcpt = &to
	v := f.session.Rcpt(to)
	f.rcpt = nil
	m.obey("RCPT", v)
	if v.Action == milter.Refuse && v.Reply[0] == '5' {
		// There is nobody who could do without this recipient.
		msg.Warn("%s: milter configuration error: can't reject recipient in non-smtpd(8) submission", m.id)
		msg.Warn("%s: message not accepted, try again later", m.id)
		m.status = m.status&^cleanup.StatusCont | cleanup.StatusDefer
		m.milters.reply, m.reason = "", "4.3.5 Server configuration error"
	}
}

// ongoing reports whether the message is still one that filters should see.
func (m *message) ongoing() bool { return m.status == 0 && m.flags&cleanup.FlagDiscard == 0 }

// obey carries the decision of a filter out.
func (m *message) obey(stage string, v milter.Verdict) {
	switch v.Action {
	case milter.Discard:
		m.logMilter("milter-discard", stage, "milter triggers DISCARD action")
		m.flags |= cleanup.FlagDiscard
	case milter.Hold:
		if m.flags&cleanup.FlagHold == 0 {
			m.logMilter("milter-hold", stage, "milter triggers HOLD action")
			m.flags |= cleanup.FlagHold
		}
	case milter.Refuse, milter.Shutdown:
		m.status |= cleanup.StatusCont
		if v.Reply[0] == '4' {
			m.status = m.status&^cleanup.StatusCont | cleanup.StatusDefer
		}
		m.milters.reply = strings.ReplaceAll(v.Reply, "\r\n", "\n")
		m.reason = ""
		for line := range strings.SplitSeq(m.milters.reply, "\n") {
			m.reason = strings.TrimSpace(m.reason + " " + line[min(4, len(line)):])
		}
		m.logMilter("milter-reject", stage, v.Reply[min(4, len(v.Reply)):])
	}
}

// logMilter writes what a filter has decided; the form of the line is fixed.
func (m *message) logMilter(action, stage, text string) {
	c := m.milters.peer()
	line := fmt.Sprintf("%s: %s: %s from %s[%s]: %s; from=<%s>", m.id, action, stage, c.name, c.address, text, address.Quote(m.sender))
	if m.lastRecipient != "" {
		line += " to=<" + address.Quote(m.lastRecipient) + ">"
	}
	if m.protocol != "" {
		line += " proto=" + m.protocol
	}
	if m.helo != "" {
		line += " helo=<" + m.helo + ">"
	}
	msg.Info("%s", line)
}

// askMilters shows the message to the filters, when all of it is in the queue
// file and nothing speaks against it.
func (m *message) askMilters() {
	f := &m.milters
	if f.session == nil || !m.ongoing() {
		return
	}
	if f.emulated {
		m.obey("DATA", f.session.Data())
	}
	if !m.ongoing() {
		return
	}
	m.flush() // so that what follows can be read from the file
	v, err := f.session.Message(m, m)
	if err != nil {
		msg.Warn("%s: read the message for mail filters: %v", m.id, err)
		m.status |= cleanup.StatusWrite
		return
	}
	m.obey("END-OF-MESSAGE", v)
	if m.ongoing() {
		m.writeEdits()
	}
}

// putSender writes the sender, with room for a pointer to another one.
func (m *message) putSender() {
	at := m.offset()
	m.put(record.From, m.sender)
	if !m.hasMilters() {
		return
	}
	m.milters.senderAt = at
	if n := m.offset() - at; n < pointerSize {
		m.put(record.Padding, fmt.Sprintf("%*d", max(1, pointerSize-n-2), 0))
	}
	m.milters.senderEnd = m.offset()
}
