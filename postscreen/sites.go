package main

import (
	"fmt"
	"strconv"
	"strings"

	"postrider/lib/base/text"
	"postrider/lib/net/dns"
)

// A site is a list in the DNS as postscreen_dnsbl_sites names it: one domain, with
// all filters and weights that it stands there with.
type site struct {
	domain string
	public string // the name in replies
	rules  []siteRule
}

// A siteRule adds to the score when an answer fits.
type siteRule struct {
	filter *octets // nil: any answer
	weight int
}

// octets are the numbers that each part of an address may have.
type octets [4][256]bool

// parseSites reads postscreen_dnsbl_sites. What is wrong with one item is an error.
func parseSites(list string, public func(domain string) (string, error)) ([]*site, error) {
	var sites []*site
	byName := make(map[string]*site)
	for _, item := range text.Split(list) {
		domain, rule, err := parseSite(item)
		if err != nil {
			return nil, err
		}
		s := byName[domain]
		if s == nil {
			s = &site{domain: domain}
			if s.public, err = public(domain); err != nil {
				return nil, err
			}
			byName[domain] = s
			sites = append(sites, s)
		}
		s.rules = append(s.rules, rule)
	}
	return sites, nil
}

// parseSite reads domain=filter*weight.
func parseSite(item string) (domain string, r siteRule, err error) {
	r.weight = 1
	domain, weight, found := strings.Cut(item, "*")
	if found {
		if r.weight, err = strconv.Atoi(weight); err != nil {
			return "", r, fmt.Errorf("bad DNSBL weight factor %q in %q", weight, item)
		}
	}
	domain, filter, found := strings.Cut(domain, "=")
	if found {
		if r.filter, err = parseOctets(filter); err != nil {
			return "", r, fmt.Errorf("bad DNSBL filter syntax: %w", err)
		}
	}
	if !dns.ValidHostname(domain) {
		return "", r, fmt.Errorf("bad DNSBL domain name %q in %q", domain, item)
	}
	return domain, r, nil
}

// parseOctets reads four parts with dots between: a number, or numbers and ranges
// in brackets, such as 127.0.0.[2;4..8].
func parseOctets(pattern string) (*octets, error) {
	var o octets
	rest := pattern
	for i := range o {
		part := rest
		if strings.HasPrefix(rest, "[") {
			end := strings.IndexByte(rest, ']')
			if end < 0 {
				return nil, fmt.Errorf("no ] in %q", pattern)
			}
			part, rest = rest[1:end], rest[end+1:]
			if part == "" {
				return nil, fmt.Errorf("nothing in brackets in %q", pattern)
			}
		} else {
			end := strings.IndexAny(rest+".", ".[")
			part, rest = rest[:end], rest[end:]
			if strings.ContainsAny(part, ";") {
				return nil, fmt.Errorf("%q without brackets in %q", part, pattern)
			}
		}
		for choice := range strings.SplitSeq(part, ";") {
			low, high, ok := parseRange(choice)
			if !ok {
				return nil, fmt.Errorf("bad number %q in %q", choice, pattern)
			}
			for n := low; n <= high; n++ {
				o[i][n] = true
			}
		}
		if i < len(o)-1 {
			if !strings.HasPrefix(rest, ".") {
				return nil, fmt.Errorf("%q has fewer than four parts", pattern)
			}
			rest = rest[1:]
		}
	}
	if rest != "" {
		return nil, fmt.Errorf("%q has more than four parts", pattern)
	}
	return &o, nil
}

func parseRange(s string) (low, high int, ok bool) {
	first, last, isRange := strings.Cut(s, "..")
	a, err := strconv.ParseUint(first, 10, 8)
	if err != nil {
		return 0, 0, false
	}
	if !isRange {
		return int(a), int(a), true
	}
	b, err := strconv.ParseUint(last, 10, 8)
	return int(a), int(b), err == nil && a <= b
}

// match reports whether one of the addresses of an answer fits.
func (o *octets) match(addresses []string) bool {
	if o == nil {
		return len(addresses) > 0
	}
next:
	for _, address := range addresses {
		i := 0
		for part := range strings.SplitSeq(address, ".") {
			n, err := strconv.ParseUint(part, 10, 8)
			if err != nil || i == len(o) || !o[i][n] {
				continue next
			}
			i++
		}
		if i == len(o) {
			return true
		}
	}
	return false
}
