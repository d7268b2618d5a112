// Package notice has the texts of delivery status notifications: built-in
// templates, the file of bounce_template_file, and the parameters in them.
//
// A template has a few headers, an empty line, and a text with $parameters.
// Source: bounce(5).
package notice

import (
	"fmt"
	"io"
	"strings"
)

// A Template is one kind of notice.
type Template struct {
	Name string // "failure"

	Charset           string // of the text; "us-ascii" when the file names none
	From              string
	Subject           string
	PostmasterSubject string // of the postmaster's copy; not all kinds have one
	Text              string // lines, not yet expanded

	Origin  string // the file, or "built-in"
	OwnFrom bool   // the file chose the From: text
}

// Templates are all kinds of notices.
type Templates struct {
	Failure Template // mail that is returned
	Delay   Template // mail that is late
	Success Template // mail that arrived, when the sender asked for it
	Verify  Template // results of an address or delivery test
}

func (t *Templates) all() []*Template {
	return []*Template{&t.Failure, &t.Delay, &t.Success, &t.Verify}
}

func (t *Templates) find(name string) *Template {
	for _, candidate := range t.all() {
		if name == candidate.Name+"_template" {
			return candidate
		}
	}
	return nil
}

const builtinFrom = "Mail Delivery System <MAILER-DAEMON>"

// ObsoleteFrom is the same in the form that header_from_format calls obsolete.
const ObsoleteFrom = "MAILER-DAEMON (Mail Delivery System)"

// Builtin returns the templates that are used when no file replaces them.
func Builtin() Templates {
	build := func(name, subject, postmaster, text string) Template {
		return Template{Name: name, Charset: "us-ascii", From: builtinFrom, Subject: subject,
			PostmasterSubject: postmaster, Text: text, Origin: "built-in"}
	}
	return Templates{
		Failure: build("failure", "Undelivered Mail Returned to Sender", "Postmaster Copy: Undelivered Mail", failureText),
		Delay:   build("delay", "Delayed Mail (still being retried)", "Postmaster Warning: Delayed Mail", delayText),
		Success: build("success", "Successful Mail Delivery Report", "", successText),
		Verify:  build("verify", "Mail Delivery Status Report", "", verifyText),
	}
}

// The first line of each text is what people and programs know a notice of
// this family of mail systems by.
const (
	failureText = `This is the mail system at host $myhostname.

Your message could not be delivered to the recipients that are
listed below, and no further attempt will be made. The reason is
given for each of them, and your message is attached.

If you do not know what to do about it, write to <postmaster>.
Please include this report; the attached message can be left out.

                   The mail system
`
	delayText = `This is the mail system at host $myhostname.

**********************************************************************
*  This is only a warning. There is no need to send your mail again. *
**********************************************************************

Your message is still waiting to be delivered to the recipients that
are listed below, since more than $delay_warning_time_hours hour(s).
Attempts go on until it is $maximal_queue_lifetime_days day(s) old.

If you do not know what to do about it, write to <postmaster>.
Please include this report; the attached message can be left out.

                   The mail system
`
	successText = `This is the mail system at host $myhostname.

Your message was delivered to the recipients that are listed below.
Where that was a mailbox, nothing more will follow. Where it was
another mail system, that system may still report trouble.

                   The mail system
`
	verifyText = `This is the mail system at host $myhostname.

This is the report about mail delivery that you asked for.

                   The mail system
`
)

// Dump writes the templates in the form of the file that replaces them.
func (t *Templates) Dump(w io.Writer) {
	for i, kind := range t.all() {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s_template = <<EOF\nCharset: %s\nFrom: %s\nSubject: %s\n", kind.Name, kind.Charset, kind.From, kind.Subject)
		if kind.PostmasterSubject != "" {
			fmt.Fprintf(w, "Postmaster-Subject: %s\n", kind.PostmasterSubject)
		}
		fmt.Fprintf(w, "\n%sEOF\n", kind.Text)
	}
}

// DumpExpanded writes the texts as a sender would see them.
func (t *Templates) DumpExpanded(w io.Writer, values Values) {
	for i, kind := range t.all() {
		if i > 0 {
			fmt.Fprintln(w)
		}
		text := strings.Join(kind.Lines(values), "\n")
		fmt.Fprintf(w, "expanded_%s_text = <<EOF\n%s\nEOF\n", kind.Name, text)
	}
}
