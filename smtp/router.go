package main

import (
	"fmt"
	"strings"

	"postrider/lib/base/text"
	"postrider/lib/net/dns"
)

// newRouter makes a router as main.cf wants it. It reads the files of the
// resolver and must come before a change of the root directory.
func newRouter() (*router, error) {
	r := &router{exchangers: !conf.DisableDNSLookups}
	var err error
	if err = r.hostLookup(); err != nil {
		return nil, err
	}
	switch v4, v6 := conf.Domains.Protocols(); {
	case v4 && v6:
	case v4:
		r.family = dns.IPv4
	case v6:
		r.family = dns.IPv6
	default:
		return nil, fmt.Errorf("inet_protocols = %s: all network protocols are disabled", conf.Domains.InetProtocols)
	}
	switch strings.ToLower(conf.AddressPreference) {
	case "any":
	case "ipv4":
		r.first = dns.IPv4
	case "ipv6":
		r.first = dns.IPv6
	default:
		return nil, fmt.Errorf("bad smtp_address_preference value: %s", conf.AddressPreference)
	}
	if r.own, err = conf.Domains.Addresses(); err != nil {
		return nil, err
	}
	proxies, err := conf.Domains.Proxies()
	if err != nil {
		return nil, err
	}
	r.own = append(r.own, proxies...)
	drop, err := dns.ReplyFilter(paramName("smtp_dns_reply_filter"), conf.DNSReplyFilter)
	if err != nil {
		return nil, err
	}
	r.resolver, err = dns.New(dns.Options{Secure: strings.EqualFold(conf.DNSSupportLevel, "dnssec"), Drop: drop})
	return r, err
}

// hostLookup takes over how to look up hosts.
func (r *router) hostLookup() error {
	switch strings.ToLower(conf.DNSSupportLevel) {
	case "":
	case "disabled":
		r.exchangers = false
	case "enabled", "dnssec":
		r.exchangers = true
	default:
		return fmt.Errorf("invalid smtp_dns_support_level: %q", conf.DNSSupportLevel)
	}
	for _, word := range text.Split(conf.HostLookup) {
		switch strings.ToLower(word) {
		case "dns":
			r.useDNS = true
		case "native":
			r.useNative = true
		default:
			return fmt.Errorf("invalid smtp_host_lookup: %q; want dns, native, or both", conf.HostLookup)
		}
	}
	if !r.exchangers {
		r.useDNS, r.useNative = false, true
	}
	for _, word := range text.Split(conf.DNSResolverOptions) {
		switch strings.ToLower(word) {
		case "res_defnames", "res_dnsrch":
			r.searchNames = true
		default:
			return fmt.Errorf("invalid smtp_dns_resolver_options: %q; want res_defnames, res_dnsrch, or both", conf.DNSResolverOptions)
		}
	}
	return nil
}
