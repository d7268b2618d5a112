package access

import "strings"

// What is refused, in the words of the replies.
const (
	classClient     = "Client host"
	classReverse    = "Unverified Client host"
	classLogin      = "SASL login name"
	classHelo       = "Helo command"
	classSender     = "Sender address"
	classRecipient  = "Recipient address"
	classETRN       = "Etrn command"
	classData       = "Data command"
	classEndOfData  = "End-of-data"
	endOfDataMarker = "END-OF-MESSAGE"
)

func (c *Checker) walk(f *Facts) *walk {
	if f.Earlier == nil {
		f.Earlier = &Earlier{}
	}
	return &walk{Checker: c, Facts: f}
}

// CheckConnect decides whether to greet a client.
func (c *Checker) CheckConnect(f *Facts) *Refusal {
	if c.conf.DelayReject || c.conf.ClientRestrictions == "" {
		return nil
	}
	w := c.walk(f)
	w.client()
	f.Earlier.client = w.ifPermit
	return w.refusal
}

// CheckHello decides about HELO and EHLO.
func (c *Checker) CheckHello(f *Facts) *Refusal {
	if c.conf.DelayReject || c.conf.HeloRestrictions == "" {
		return nil
	}
	w := c.walk(f)
	w.helo()
	f.Earlier.helo = w.ifPermit
	return w.refusal
}

// CheckMail decides about a sender.
func (c *Checker) CheckMail(f *Facts) *Refusal {
	if c.conf.DelayReject {
		return nil
	}
	w := c.walk(f)
	if w.sender() != refuse {
		w.unlistedSender()
	}
	f.Earlier.sender = w.ifPermit
	return w.refusal
}

// CheckRecipient decides about one recipient, at RCPT and VRFY. It includes what
// was put off at earlier commands.
func (c *Checker) CheckRecipient(f *Facts) *Refusal {
	if strings.EqualFold(*f.Recipient, "postmaster") {
		return nil // always: RFC 5321, section 4.5.1
	}
	if c.fromProbes(*f.Recipient) {
		return nil
	}
	w := c.walk(f)
	for _, earlier := range []*Refusal{f.Earlier.client, f.Earlier.helo, f.Earlier.sender} {
		if w.ifPermit == nil {
			w.ifPermit = earlier
		}
	}
	if c.conf.DelayReject && w.delayed() == refuse {
		return w.refusal
	}
	lists := []string{"smtpd_relay_restrictions", "smtpd_recipient_restrictions"}
	if !c.conf.RelayBeforeRecipient {
		lists[0], lists[1] = lists[1], lists[0]
	}
	for _, list := range lists {
		if w.list(list, *f.Recipient, classRecipient) == refuse {
			return w.refusal
		}
	}
	return w.finish()
}

// delayed evaluates what was put off until the recipient is known.
func (w *walk) delayed() answer {
	for _, part := range []func() answer{w.client, w.helo, w.sender, w.unlistedSender} {
		if part() == refuse {
			return refuse
		}
	}
	return dunno
}

// finish is for the end of the lists, when none has refused.
func (w *walk) finish() *Refusal {
	if w.Transaction != nil && w.Transaction.Discard {
		return nil
	}
	if w.ifPermit != nil {
		w.refusal = w.ifPermit
		w.Log("reject", w.refusal.Reply)
		return w.refusal
	}
	if w.conf.RejectUnlistedRecipient && !w.listed {
		w.name, w.class = *w.Recipient, classRecipient
		w.warnOnly, w.ifReject = false, nil
		rejectUnlistedRecipient(w, "")
	}
	return w.refusal
}

func (w *walk) client() answer {
	return w.list("smtpd_client_restrictions", w.Client.NameAddr(), classClient)
}

func (w *walk) helo() answer {
	if w.Helo == "" {
		return dunno
	}
	return w.list("smtpd_helo_restrictions", w.Helo, classHelo)
}

func (w *walk) sender() answer {
	if w.Sender == nil {
		return dunno
	}
	return w.list("smtpd_sender_restrictions", *w.Sender, classSender)
}

func (w *walk) unlistedSender() answer {
	if !w.conf.RejectUnlistedSender || w.Sender == nil || *w.Sender == "" {
		return dunno
	}
	w.warnOnly, w.ifReject = false, nil
	return rejectUnlistedSender(w, "")
}

// CheckData decides about the DATA command.
func (c *Checker) CheckData(f *Facts) *Refusal {
	return c.last(f, "smtpd_data_restrictions", "DATA", classData)
}

// CheckEndOfData decides about a whole message.
func (c *Checker) CheckEndOfData(f *Facts) *Refusal {
	return c.last(f, "smtpd_end_of_data_restrictions", endOfDataMarker, classEndOfData)
}

func (c *Checker) last(f *Facts, list, name, class string) *Refusal {
	if len(c.lists[list].steps) == 0 || f.Transaction != nil && f.Transaction.Discard {
		return nil
	}
	w := c.walk(f)
	if w.list(list, name, class) != refuse && w.ifPermit != nil {
		w.refusal = w.ifPermit
		w.Log("reject", w.refusal.Reply)
	}
	return w.refusal
}

// CheckETRN decides about a request to flush mail.
func (c *Checker) CheckETRN(f *Facts) *Refusal {
	w := c.walk(f)
	if c.conf.DelayReject && (w.client() == refuse || w.helo() == refuse) {
		return w.refusal
	}
	if w.list("smtpd_etrn_restrictions", *f.ETRN, classETRN) != refuse && w.ifPermit != nil {
		w.refusal = w.ifPermit
		w.Log("reject", w.refusal.Reply)
	}
	return w.refusal
}
