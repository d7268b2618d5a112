package main

import (
	"fmt"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/base/text"
	"postrider/lib/daemon/agent"
	"postrider/lib/mail/requiretls"
	"postrider/lib/net/dns"
	"postrider/lib/net/starttls"
)

// requiredParams are the parameters for what senders want of TLS. RFC 8689.
type requiredParams struct {
	requiretls.Params

	// What becomes of a message that came with REQUIRETLS. A list of answers, and
	// of tables that have one for the next hop, without brackets and port; for
	// domains, tables without patterns are also asked for ".parent". The first answer
	// counts. "enforce": only servers that prove who they are, and announce
	// REQUIRETLS, get the message; when there is none, it goes back.
	// "opportunistic+starttls": only servers with TLS. "opportunistic": all
	// servers; those that announce it are told REQUIRETLS. "disable":
	// as if nobody had asked. No answer: "enforce".
	Policy string `param:"smtp_requiretls_policy" default:"inline:{{${domain_to_ascii{$mydomain}}=opportunistic}, {.${domain_to_ascii{$mydomain}}=opportunistic}, {localhost=opportunistic}}, cidr:{{0.0.0.0/0 opportunistic}, {::/0 opportunistic}}, enforce" default.lmtp:"opportunistic"`

	// Whether the log says, for each recipient, how TLS was used: "tls=" with the
	// level that was asked for and, behind a colon, the one that it came to;
	// "none" when the server had no TLS, "?" when that is not known.
	LogTLSFeatureStatus bool `param:"smtp_log_tls_feature_status" default:"${{$compatibility_level} <level {3.11} ? {no} : {yes}}"`
}

// A need is what a message that came with REQUIRETLS asks of a server.
type need int

const (
	needNothing need = iota
	needNotice       // tell the server, when it announces REQUIRETLS
	needTLS          // do not send in the clear
	needProof        // only to a server that is the right one, and does the same
)

var needs = map[string]need{"enforce": needProof, "opportunistic+starttls": needTLS, "opportunistic": needNotice, "disable": needNothing}

// A needRule is an answer, or a table that has some.
type needRule struct {
	answer string
	table  table.Table
}

// needRules are smtp_requiretls_policy.
var needRules []needRule

func openNeeds() error {
	name := paramName("smtp_requiretls_policy")
	needRules = nil
	if !conf.Required.RequireTLSEnable {
		return nil
	}
	for _, word := range text.SplitBraces(conf.Required.Policy) {
		if !strings.Contains(word, ":") {
			if _, ok := needs[word]; !ok {
				return fmt.Errorf("parameter %s: unknown policy %q; want enforce, opportunistic+starttls, opportunistic, disable, or a table", name, word)
			}
			needRules = append(needRules, needRule{answer: word})
			continue
		}
		t, err := table.Open(word, table.FoldKey)
		if err != nil {
			return fmt.Errorf("parameter %s: %w", name, err)
		}
		needRules = append(needRules, needRule{table: t})
	}
	return nil
}

// needOf says what a message with REQUIRETLS asks of the servers of a destination.
func needOf(d destination) (need, *agent.Outcome) {
	name := conf.MyHostname
	if d.path == "" {
		name = d.host
	}
	if ascii, err := dns.ToASCII(name); err == nil {
		name = ascii
	}
	for _, rule := range needRules {
		answer, found, err := rule.of(name)
		if err != nil {
			msg.Warn("%s: %v", paramName("smtp_requiretls_policy"), err)
			return needProof, failure("4.7.5", "client TLS configuration problem")
		}
		if !found {
			continue
		}
		if n, ok := needs[answer]; ok {
			return n, nil
		}
		msg.Warn("%s: unknown policy %q for %s", paramName("smtp_requiretls_policy"), answer, name)
		return needProof, failure("4.7.5", "client TLS configuration problem")
	}
	return needProof, nil
}

func (r needRule) of(name string) (string, bool, error) {
	if r.table == nil {
		return r.answer, true, nil
	}
	for key := name; ; {
		answer, found, err := r.table.Lookup(key)
		i := strings.IndexByte(key[min(1, len(key)):], '.')
		if found || err != nil || i < 0 || table.IsPattern(r.table) {
			return answer, found, err
		}
		key = key[i+1:]
	}
}

// prepareNeed finds out what the sender wants of the servers of a destination.
func (d *delivery) prepareNeed(dest destination) bool {
	d.need = needNothing
	if !conf.Required.Wanted(d.req.SMTPUTF8) {
		return true
	}
	n, why := needOf(dest)
	if d.need = n; why != nil {
		d.why = why
		return false
	}
	return true
}

// relaxed is the policy for a message whose sender does not insist on TLS. RFC 8689,
// section 3.
func (d *delivery) relaxed(dest destination, p tlsPolicy, why *agent.Outcome) (tlsPolicy, *agent.Outcome) {
	if tlsEngine == nil || why == nil && p.level <= starttls.May || !conf.Required.Optional(d.req.SMTPUTF8) {
		return p, why
	}
	level := starttls.May
	if conf.TLS.Wrappermode {
		level = starttls.Encrypt
	}
	p = tlsPolicy{level: level, asked: level, nexthop: dest.host}
	return p, p.complete(tlsEngine, dest)
}

// required makes a policy as strict as the message wants it; false when that cannot
// be done.
func (d *delivery) required(dest destination, p tlsPolicy) (tlsPolicy, bool) {
	p.shown = p.level
	switch {
	case d.need < needTLS:
		return p, true
	case p.level == starttls.None:
		d.violated(p, "noencryption")
		d.why = failure("5.7.10", "REQUIRETLS was requested, but TLS is disabled for %s", dest.key())
		return p, false
	case d.need == needProof && (!p.level.Matches() || p.level == starttls.HalfDANE):
		d.violated(p, "nocertmatch")
		d.why = failure("5.7.10", "REQUIRETLS was requested, but no policy for %s says how its servers prove who they are", dest.key())
		return p, false
	case p.level == starttls.May:
		p.level = starttls.Encrypt
	}
	return p, true
}

// unfit ends a session with a server that cannot do what the message must have. When
// there is no other one, the message goes back.
func (d *delivery) unfit(s *session, why *agent.Outcome) {
	if s.final {
		d.failAll(s, why, false)
		return
	}
	msg.Info("%s: %s", d.id(), why.Reason)
	for _, r := range d.open() {
		r.state = kept
	}
	d.why = why
}

// failTLS is failAll for trouble with TLS, where missing says what the server lacks.
func (d *delivery) failTLS(s *session, why *agent.Outcome, missing string) {
	if d.need == needProof || d.need == needTLS && missing == "nostarttls" {
		d.violated(s.policy, missing)
		why.Status, why.Reason = "5.7.10", "REQUIRETLS was requested: "+why.Reason
		d.unfit(s, why)
		return
	}
	level := "!" + s.policy.asked.String()
	if missing == "nostarttls" {
		level += ":none"
	}
	d.noteFeatures(level, "requiretls?")
	d.failAll(s, why, true)
}

// proven tells whether the server is the right one.
func (s *session) proven() bool {
	return s.tls != nil && s.policy.level.Matches() && s.tls.Trust >= starttls.Verified
}

// tellsOn looks whether the server is one that the message may go to.
func (s *session) tellsOn(d *delivery) bool {
	d.noteTLS(s)
	if d.need == needProof && (!s.requireTLS || s.tls == nil) {
		d.violated(s.policy, "none")
		d.unfit(s, failure("5.7.30", "REQUIRETLS was requested, but was not offered by host %s", s.name()))
		return false
	}
	return true
}

// noteUndecided is for the log, when there is no server yet.
func (d *delivery) noteUndecided(p tlsPolicy) {
	mark := "?"
	if p.asked == starttls.None {
		mark = ""
	}
	d.noteFeatures(p.asked.String()+mark, "requiretls?")
}

// noteTLS is for the log: how TLS is used with the server.
func (d *delivery) noteTLS(s *session) {
	p := s.policy
	level, required := p.asked.String(), "requiretls"
	switch {
	case s.tls == nil && p.asked > starttls.None:
		level += ":none"
	case s.tls != nil && p.shown != p.asked:
		level += ":" + p.shown.String()
	}
	switch {
	case s.tls == nil || !s.requireTLS:
		required += ":none"
	case !s.proven():
		required += ":nocertmatch"
	}
	d.noteFeatures(level, required)
}

// violated is for the log: why the message does not go to a server.
func (d *delivery) violated(p tlsPolicy, missing string) {
	d.noteFeatures(p.asked.String(), "!requiretls:"+missing)
}

func (d *delivery) noteFeatures(level, required string) {
	if !conf.Required.LogTLSFeatureStatus {
		return
	}
	d.req.Features = ", tls=" + level
	if d.need != needNothing {
		d.req.Features += "/" + required
	}
}
