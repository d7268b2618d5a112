package main

import (
	"fmt"
	"strings"
	"time"

	"postrider/lib/base/macro"
	"postrider/lib/base/match"
	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/base/text"
	"postrider/lib/net/dialogue"
)

// engineRules are the parameters of the conversation after the greeting.
type engineRules struct {
	banner       string
	tls, mustTLS bool
	hidden       map[string]bool // EHLO keywords
	hiddenFrom   *table.List     // EHLO keywords by address
	forbidden    *match.List
	filters      *table.List
	footers      *table.List
	footer       string
	charset      string // of values in footers
}

func (r *engineRules) read() (err error) {
	if err := r.readTLS(); err != nil {
		return err
	}
	r.hidden = keywordSet(conf.DiscardEHLO)
	if r.forbidden, err = match.Strings("postscreen_forbidden_commands", conf.ForbiddenCommands); err != nil {
		return err
	}
	for _, t := range []struct {
		to         **table.List
		name, text string
	}{
		{&r.hiddenFrom, "postscreen_discard_ehlo_keyword_address_maps", conf.DiscardEHLOMaps},
		{&r.filters, "postscreen_command_filter", conf.CommandFilter},
		{&r.footers, "postscreen_reject_footer_maps", conf.RejectFooterMaps},
	} {
		if *t.to, err = table.OpenList(t.text, table.FoldKey); err != nil {
			return fmt.Errorf("parameter %s: %w", t.name, err)
		}
	}
	return nil
}

// readTLS finds out whether TLS is offered, or a must.
func (r *engineRules) readTLS() error {
	switch level := strings.ToLower(conf.TLSLevel); level {
	case "":
		r.tls, r.mustTLS = conf.UseTLS || conf.EnforceTLS, conf.EnforceTLS
	case "none":
	case "may":
		r.tls = true
	case "encrypt":
		r.tls, r.mustTLS = true, true
	case "dane", "dane-only", "fingerprint", "verify", "secure":
		msg.Warn("postscreen_tls_security_level: unsupported TLS level \"%s\", using \"encrypt\"", conf.TLSLevel)
		r.tls, r.mustTLS = true, true
	default:
		return fmt.Errorf("parameter postscreen_tls_security_level: %q: want none, may or encrypt", conf.TLSLevel)
	}
	return nil
}

func keywordSet(list string) map[string]bool {
	set := make(map[string]bool)
	for _, word := range text.Split(list) {
		set[strings.ToLower(word)] = true
	}
	return set
}

// discarded are the keywords that a client does not hear about.
func (r *engineRules) discarded(address string) map[string]bool {
	if !r.hiddenFrom.Empty() {
		value, found, err := r.hiddenFrom.Lookup(address)
		if err != nil {
			msg.Warn("postscreen_discard_ehlo_keyword_address_maps: %v", err)
		} else if found {
			return keywordSet(value)
		}
	}
	return r.hidden
}

// reply sends a reply, whose lines are separated by newlines.
func (c *client) reply(text string) {
	text = c.footer(soften(text))
	var b strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		b.WriteString(msg.Printable(line))
		b.WriteString("\r\n")
	}
	c.send(b.String())
}

// soften turns a permanent failure into a temporary one under soft_bounce.
func soften(text string) string {
	if !conf.SoftBounce || !strings.HasPrefix(text, "5") {
		return text
	}
	b := []byte(text)
	b[0] = '4'
	if len(b) > 5 && b[4] == '5' && b[5] == '.' {
		b[4] = '4'
	}
	return string(b)
}

// footer adds the text that the administrator wants to see after refusals.
func (c *client) footer(text string) string {
	if text[0] != '4' && text[0] != '5' {
		return text
	}
	template := c.engineRules.footer
	if value, found, err := c.engineRules.footers.Lookup(text); err == nil && found {
		template = value
	}
	if template == "" {
		return text
	}
	e := macro.Expander{Filter: c.engineRules.charset, Lookup: c.macro, Unknown: func(name string) {
		msg.Warn("unknown macro name \"%s\" in expansion request", name)
	}}
	words, err := e.Expand(template)
	if err != nil {
		msg.Warn("postscreen_reject_footer: %v", err)
		return text
	}
	return dialogue.Footer(text, words)
}

// macro is what $name stands for in a footer.
func (c *client) macro(name string) (string, bool) {
	switch name {
	case "client_address":
		return c.peer.Addr().String(), true
	case "client_port":
		return fmt.Sprint(c.peer.Port()), true
	case "localtime":
		return time.Now().Format(time.Stamp), true
	case "server_name":
		return conf.MyHostname, true
	}
	return "", false
}
