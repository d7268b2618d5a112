package main

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/mail/record"
	"postrider/lib/net/dialogue"
	"postrider/lib/service/cleanup"
	"postrider/smtpd/access"
)

// A filter is a mail server that looks at each message before it is accepted:
// it gets the commands of the client, and its replies decide. Nothing is
// written to the queue here; the filter hands on what it lets pass.
type filter struct {
	session  *session
	s        *stream.Stream
	replies  dialogue.Reader
	features string // the reply to EHLO, each line between newlines
	mail     string // commands of the client, as it sent them
	err      error
	last     dialogue.Reply
	partial  bool // the text of the message is within a line
	text     bool // the filter waits for the end of the text
	spool    *spool
}

// errFilter says that the filter has refused; its reply is in last.
var errFilter = errors.New("refused by the content filter")

// submitFilter begins a message for the filter.
func submitFilter(s *session) (submission, error) {
	f := &filter{session: s, mail: s.mail.command}
	if s.mail.requireTLS {
		f.mail = requireTLSOption.ReplaceAllString(f.mail, "") // a header says it
	}
	if strings.Contains(strings.ToLower(conf.ProxyOptions), "speed_adjust") {
		f.spool = &spool{}
		return f, f.spool.open()
	}
	return f, f.begin()
}

// requireTLSOption is a parameter of MAIL that filters do not know.
var requireTLSOption = regexp.MustCompile(`(?i) REQUIRETLS\b`)

// filterEndpoint understands "inet:host:port", "host:port", ":port" and
// "unix:path".
func filterEndpoint(text string) (network, address string) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		return "unix", path
	}
	text = strings.TrimPrefix(text, "inet:")
	i := strings.LastIndexByte(text, ':')
	host := "localhost"
	if i > 0 {
		host = strings.Trim(text[:i], "[]")
	}
	return "tcp", net.JoinHostPort(host, text[i+1:])
}

// begin connects and says everything up to MAIL.
func (f *filter) begin() error {
	network, address := filterEndpoint(conf.ProxyFilter)
	conn, err := net.DialTimeout(network, address, conf.ProxyTimeout)
	if err != nil {
		return fmt.Errorf("connect to proxy filter %s: %s", conf.ProxyFilter, access.Reason(err))
	}
	f.s = stream.New(stream.Net(conn))
	f.s.SetTimeout(conf.ProxyTimeout)
	f.replies = dialogue.Reader{Stream: f.s}
	if _, err = f.want(2); err == nil {
		_, err = f.command(2, "EHLO "+conf.ProxyEHLO)
	}
	if err != nil {
		return fmt.Errorf("proxy filter %s: %s", conf.ProxyFilter, f.trouble(err))
	}
	f.features = strings.ToUpper("\n" + strings.Join(f.last.Lines, "\n") + "\n")
	if err := f.forward(); err != nil {
		return fmt.Errorf("proxy filter %s: %s", conf.ProxyFilter, f.trouble(err))
	}
	_, err = f.command(2, f.mail)
	return err
}

func (f *filter) trouble(err error) string {
	if errors.Is(err, errFilter) {
		return f.last.Text()
	}
	return err.Error()
}

// command sends a command and reads a reply, which should be of a class.
func (f *filter) command(class int, text string) (dialogue.Reply, error) {
	f.s.WriteString(text)
	f.s.WriteString("\r\n")
	reply, err := f.want(class)
	if errors.Is(err, errFilter) && text != "." {
		msg.Warn("proxy %s rejected %q: %q", conf.ProxyFilter, text, reply.Text())
	}
	return reply, err
}

func (f *filter) want(class int) (dialogue.Reply, error) {
	reply, err := f.replies.Read()
	f.last = reply
	switch {
	case err != nil:
		f.err = fmt.Errorf("lost connection with proxy %s: %w", conf.ProxyFilter, err)
		return reply, f.err
	case reply.Class() != class:
		return reply, errFilter
	}
	return reply, nil
}

// forward tells where the message comes from, as far as the filter wants to
// know.
func (f *filter) forward() error {
	_, wanted, ok := strings.Cut(f.features, "XFORWARD ")
	if !ok {
		return nil
	}
	wanted, _, _ = strings.Cut(wanted, "\n")
	o := f.session.origin()
	source := strings.ToUpper(f.session.rewriteContext())
	line := "XFORWARD"
	for _, a := range []struct{ name, value string }{{"NAME", o.name}, {"ADDR", o.address}, {"PORT", o.port}, {"HELO", o.helo},
		{"PROTO", o.protocol}, {"IDENT", strings.TrimPrefix(o.ident, noQueue)}, {"SOURCE", source}} {
		if !strings.Contains(" "+wanted+" ", " "+a.name+" ") {
			continue
		}
		if a.value == access.Unknown || a.value == "" {
			a.value = unavailable
		}
		word := " " + a.name + "=" + access.Xtext(a.value)
		if len(line)+len(word) > 510 {
			if _, err := f.command(2, line); err != nil {
				return err
			}
			line = "XFORWARD"
		}
		line += word
	}
	if line == "XFORWARD" {
		return nil
	}
	_, err := f.command(2, line)
	return err
}

// ID stands where others have the queue ID.
func (f *filter) ID() (string, error) { return noQueue, nil }

// Recipient repeats a RCPT command.
func (f *filter) recipient(command string) error {
	if f.spool != nil {
		f.spool.recipients = append(f.spool.recipients, command)
		return nil
	}
	_, err := f.command(2, command)
	return err
}

// Record sends the text of the message; the filter has no use for other records.
func (f *filter) Record(t record.Type, data string) { f.RecordBytes(t, []byte(data)) }

// RecordBytes is Record.
func (f *filter) RecordBytes(t record.Type, data []byte) {
	switch {
	case f.err != nil || t != record.Text && t != record.Continued:
		return
	case f.spool != nil:
		f.err = f.spool.write(t, data)
		return
	}
	if !f.partial && len(data) > 0 && data[0] == '.' {
		f.s.WriteByte('.')
	}
	f.s.Write(data)
	if f.partial = t == record.Continued; !f.partial {
		_, f.err = f.s.WriteString("\r\n")
	}
}

// Raw has the recipients, which the filter knows already.
func (f *filter) Raw([]byte) {}

// Err is the first error.
func (f *filter) Err() error { return f.err }

// data asks the filter to take the text.
func (f *filter) data() error {
	if f.spool != nil {
		return nil
	}
	_, err := f.command(3, "DATA")
	f.text = err == nil
	return err
}

// Finish returns the reply of the filter as the reason.
func (f *filter) Finish() (cleanup.Status, string, error) {
	defer f.Abort()
	if f.spool != nil {
		if err := f.spool.replay(f); errors.Is(err, errFilter) {
			return cleanup.StatusProxy, strings.Join(f.last.Lines, "\n"), nil
		} else if err != nil {
			return cleanup.StatusProxy, "", err
		}
	}
	err := f.err
	if err == nil {
		_, err = f.command(2, ".")
		f.text = false
	}
	switch {
	case errors.Is(err, errFilter):
		return cleanup.StatusProxy, strings.Join(f.last.Lines, "\n"), nil
	case err != nil:
		return cleanup.StatusProxy, "", err
	}
	return 0, strings.Join(f.last.Lines, "\n"), nil
}

// Abort ends the conversation.
func (f *filter) Abort() {
	if f.s != nil {
		if f.partial = f.partial || f.text; f.err == nil && !f.partial {
			f.s.WriteString("QUIT\r\n")
		}
		f.s.Close()
		f.s = nil
	}
	if f.spool != nil {
		f.spool.close()
	}
}

// logFilter writes what the filter has decided; the form of the line is fixed.
func (s *session) logFilter(action, text string) {
	line := action + ": " + s.where + ": " + strings.ReplaceAll(text, "\n", "\r\n") + ";" + s.about()
	msg.Info("%s", line)
}
