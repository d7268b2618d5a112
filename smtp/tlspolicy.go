package main

import (
	"fmt"
	"slices"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/text"
	"postrider/lib/daemon/agent"
	"postrider/lib/net/dns"
	"postrider/lib/net/starttls"
)

// A tlsPolicy says how to do TLS with one server. What a table does not say is
// filled in from main.cf.
type tlsPolicy struct {
	level      starttls.Level
	asked      starttls.Level // what the configuration says
	shown      starttls.Level // what it came to, with the records of the destination
	grade      string         // of ciphers
	protocols  string
	servername string
	match      []string
	exclude    *string           // ciphers; nil: not said
	anchors    *starttls.Anchors // nil: not said
	reuse      string
	rpk        string

	sts          // of an MTA-STS plug-in
	fingerprints [][]byte
	tlsa         []dns.TLSA
	base         string // the name below which these are
	nexthop      string // in the names to match
}

// An sts is what a plug-in says about the MTA-STS policy of a destination. RFC
// 8461.
type sts struct {
	kind     string   // "sts", "no-policy-found", or nothing
	failure  string   // that is to be taken for one of TLS
	patterns []string // of servers
	reports  bool     // there are attributes for reports

	policyDomain string
	policy       []string // its lines
}

// configTrouble defers mail whose policy nobody can understand.
func configTrouble() *agent.Outcome { return failure("4.7.5", "client TLS configuration problem") }

// key is the destination in tables of policies: the next hop as it was written.
func (d destination) key() string {
	if d.path != "" {
		return d.path
	}
	if lmtp {
		return strings.TrimPrefix(d.text, "inet:")
	}
	return d.text
}

// policyLookup asks smtp_tls_policy_maps for a next hop. A domain is looked for
// with its parents, anything else only as it is.
func (e *engine) policyLookup(p *tlsPolicy, nexthop string) *agent.Outcome {
	for key := nexthop; ; {
		where := fmt.Sprintf("%s, next-hop destination \"%s\"", paramName("smtp_tls_policy_maps"), key)
		value, found, err := e.policies.Lookup(key)
		switch {
		case err != nil:
			msg.Warn("%s: policy table lookup error", where)
			return configTrouble()
		case found:
			return e.read(p, value, where)
		}
		i := strings.IndexByte(key[min(1, len(key)):], '.')
		if i < 0 || !dns.ValidHostname(nexthop) {
			return nil
		}
		key = key[i+1:]
	}
}

// read takes over a value of the table: a level, and attributes.
func (e *engine) read(p *tlsPolicy, value, where string) *agent.Outcome {
	words := text.SplitBraces(value)
	if len(words) == 0 {
		msg.Warn("%s: invalid empty policy", where)
		return configTrouble()
	}
	level, err := starttls.ParseLevel(words[0])
	if err != nil {
		msg.Warn("%s: invalid security level \"%s\"", where, words[0])
		return configTrouble()
	}
	*p = tlsPolicy{level: level}
	for _, word := range words[1:] {
		if level == starttls.None {
			msg.Warn("%s: ignoring attribute \"%s\" with TLS disabled", where, word)
			continue
		}
		if why := e.attribute(p, word); why != "" {
			msg.Warn("%s: %s", where, why)
			return configTrouble()
		}
	}
	if p.kind != "sts" && p.reports {
		msg.Warn("%s: attributes of MTA-STS without \"policy_type=sts\"", where)
		return configTrouble()
	}
	return nil
}

// attribute takes over one attribute, or says what is wrong with it.
func (e *engine) attribute(p *tlsPolicy, word string) string {
	if strings.HasPrefix(word, "{") {
		word, _ = text.Unbrace(word)
	}
	name, value, ok := strings.Cut(word, "=")
	name, value = text.Trim(name), text.Trim(value)
	switch {
	case !ok:
		return fmt.Sprintf("malformed attribute/value pair \"%s\": missing '=' after attribute name", word)
	case name == "":
		return fmt.Sprintf("malformed attribute/value pair \"%s\": missing attribute name", word)
	}
	once := func(to *string) string {
		switch {
		case value == "":
			return fmt.Sprintf("attribute \"%s\" has empty value", name)
		case *to != "":
			return fmt.Sprintf("attribute \"%s\" is specified multiple times", name)
		}
		*to = value
		return ""
	}
	switch strings.ToLower(name) {
	case "ciphers":
		return once(&p.grade)
	case "protocols":
		return once(&p.protocols)
	case "servername":
		if !specialName(value) && value != "" && !dns.ValidHostname(value) {
			return fmt.Sprintf("\"%s=%s\" specifies an invalid hostname", name, value)
		}
		return once(&p.servername)
	case "exclude":
		if p.exclude != nil {
			return fmt.Sprintf("attribute \"%s\" is specified multiple times", name)
		}
		p.exclude = &value
		return ""
	case "match":
		return p.addMatch(name, value)
	case "tafile":
		return e.addAnchors(p, name, value)
	case "connection_reuse":
		return p.choice(&p.reuse, name, value, "")
	case "enable_rpk":
		return p.choice(&p.rpk, name, value, "raw public keys are not available")
	}
	return p.stsAttribute(name, value)
}

// specialName tells whether a server name is to be replaced.
func specialName(name string) bool { return name == "hostname" || name == "nexthop" }

func (p *tlsPolicy) invalidHere(name string) string {
	return fmt.Sprintf("attribute \"%s\" invalid at security level \"%s\"", name, p.level)
}

func (p *tlsPolicy) addMatch(name, value string) string {
	separators := ":"
	switch {
	case value == "":
		return fmt.Sprintf("attribute \"%s\" has empty value", name)
	case p.level == starttls.Fingerprint:
		separators = "|"
	case p.level != starttls.Verify && p.level != starttls.Secure:
		return p.invalidHere(name)
	}
	p.match = append(p.match, strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(separators, r) })...)
	return ""
}

// addAnchors reads a trust anchor file; each one is read once in the life of a
// process.
func (e *engine) addAnchors(p *tlsPolicy, name, path string) string {
	switch {
	case p.level != starttls.Verify && p.level != starttls.Secure:
		return p.invalidHere(name)
	case path == "":
		return fmt.Sprintf("attribute \"%s\" has empty value", name)
	}
	found, ok := e.files[path]
	if !ok {
		var err error
		if found, err = starttls.LoadAnchors(path); err != nil {
			return err.Error()
		}
		e.files[path] = found
	}
	p.anchors = p.anchors.With(found)
	return ""
}

// choice takes a yes or no for what this system does not have.
func (p *tlsPolicy) choice(to *string, name, value, missing string) string {
	switch {
	case *to != "":
		return fmt.Sprintf("attribute \"%s\" is specified multiple times", name)
	case !strings.EqualFold(value, "yes") && !strings.EqualFold(value, "no"):
		return fmt.Sprintf("attribute \"%s\" has bad value: \"%s\"", name, value)
	}
	if *to = strings.ToLower(value); *to == "yes" && missing != "" {
		msg.Warn("%s: attribute \"%s\" is ignored", missing, name)
	}
	return ""
}

func (p *tlsPolicy) stsAttribute(name, value string) string {
	word := strings.ToLower(name)
	known := []string{"policy_type", "policy_domain", "policy_ttl", "policy_string", "mx_host_pattern", "policy_failure"}
	switch {
	case !slices.Contains(known, word):
		return fmt.Sprintf("invalid attribute name: \"%s\"", name)
	case value == "":
		return fmt.Sprintf("attribute \"%s\" has empty value", name)
	}
	switch word {
	case "policy_type":
		if value != "sts" && value != "no-policy-found" {
			return fmt.Sprintf("attribute \"%s\" has bad value: \"%s\"", name, value)
		}
		p.kind = value
		return ""
	case "policy_domain":
		p.policyDomain = value
	case "policy_string":
		p.policy = append(p.policy, value)
	case "mx_host_pattern":
		p.patterns = append(p.patterns, value)
	case "policy_failure":
		if !slices.Contains([]string{"sts-policy-fetch-error", "sts-policy-invalid", "sts-webpki-invalid", "validation-failure"}, value) {
			return fmt.Sprintf("attribute \"%s\" has bad value: \"%s\"", name, value)
		}
		p.failure = value
	}
	p.reports = p.reports || word != "policy_domain" && word != "policy_ttl"
	return ""
}
