package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
	"postrider/lib/net/dns"
	"postrider/lib/net/starttls"
)

// reportParams are the parameters for reports about TLS. RFC 8460.
type reportParams struct {
	// Whether to tell a collector on this machine how TLS went with servers of domains
	// that want to know: they have a TXT record _smtp._tls.domain. The collector is
	// another program; it sends a summary each day.
	Enable bool `param:"smtp_tlsrpt_enable" default:"no"`

	// The socket of the collector, which is one for datagrams. A name that does not
	// begin with "/" is below the queue directory.
	SocketName string `param:"smtp_tlsrpt_socket_name" default:""`

	// Whether nothing is told about sessions that take up an earlier one of TLS.
	SkipReusedHandshakes bool `param:"smtp_tlsrpt_skip_reused_handshakes" default:"no"`
}

// A tlsReport says how TLS went with one server. Source: libtlsrpt.
type tlsReport struct {
	Domain   string         `json:"d"`
	Record   string         `json:"pr"` // where the domain wants summaries
	Policies []reportPolicy `json:"policies"`
}

type reportPolicy struct {
	Type     int            `json:"policy-type"`
	Domain   string         `json:"policy-domain,omitempty"`
	Strings  []string       `json:"policy-string,omitempty"`
	MX       []string       `json:"mx-host,omitempty"`
	Failures []reportDetail `json:"failure-details,omitempty"`
	Count    int            `json:"t"` // of failures
	Final    int            `json:"f"` // 0: success; 1: failure
}

type reportDetail struct {
	Code   int    `json:"c"`
	From   string `json:"s,omitempty"` // our address
	Host   string `json:"n,omitempty"`
	Helo   string `json:"h,omitempty"`
	Addr   string `json:"r,omitempty"`
	Reason string `json:"f,omitempty"`
}

// Types of policies.
const (
	policyTLSA = 1
	policySTS  = 2
	policyNone = 9
)

// failureCodes are the results of RFC 8460, section 4.3, with the names that the log
// has for them.
var failureCodes = map[string]int{
	"starttls_not_supported": 201, "certificate_host_mismatch": 202, "certificate_not_trusted": 203,
	"certificate_expired": 204, "validation_failure": 205, "sts_policy_fetch_error": 301,
	"sts_policy_invalid": 302, "sts_webpki_invalid": 303, "tlsa_invalid": 304, "dnssec_invalid": 305, "dane_required": 306,
}

// reportPolicyOf finds the record with which a domain asks for reports. RFC 8460,
// section 3: more than one is none.
func reportPolicyOf(resolver *dns.Resolver, domain string) string {
	answer, err := resolver.Lookup("_smtp._tls."+domain, dns.TypeTXT)
	if err != nil {
		return ""
	}
	found := ""
	for _, record := range answer.Records {
		if !strings.HasPrefix(record.Text, "v=TLSRPTv1;") {
			continue
		}
		if found != "" {
			return ""
		}
		found = record.Text
	}
	return found
}

// reports gives the domain of a destination, and where it wants reports; the record is
// empty when it wants none.
func (r *router) reports(d destination) (domain, record string) {
	domain, err := dns.ToASCII(d.host)
	if err != nil {
		return "", ""
	}
	return domain, reportPolicyOf(r.resolver, domain)
}

// wantsReports tells whether a destination may be one that wants reports.
func wantsReports(d destination) bool { return conf.Report.Enable && d.mx }

// reportSuccess and reportFailure tell the collector how TLS went with a server; each
// server counts once in a session.
func (d *delivery) reportSuccess(s *session) {
	if s.reported || d.rptRecord == "" || conf.Report.SkipReusedHandshakes && s.tls.State.DidResume {
		return
	}
	s.reported = true
	d.sendReport(s.policy, s.target, "", reportDetail{})
}

func (d *delivery) reportFailure(s *session, kind, reason string) {
	if s.reported || d.rptRecord == "" || s.policy.asked == starttls.None ||
		conf.Report.SkipReusedHandshakes && s.tls != nil && s.tls.State.DidResume {
		return
	}
	s.reported = true
	d.sendReport(s.policy, s.target, kind, reportDetail{From: localAddress(s), Host: s.host, Helo: s.helo, Addr: s.address(), Reason: reason})
}

// sendReport sends a report, and logs it. The kind of a success is empty.
func (d *delivery) sendReport(p tlsPolicy, t target, kind string, failed reportDetail) {
	policy := p.reported(d.rptDomain, t)
	text, about := "success", ""
	if kind != "" {
		failed.Code = failureCodes[kind]
		policy.Failures, policy.Count, policy.Final = []reportDetail{failed}, 1, 1
		text, about = "failure", ", failure_type="+kind
		if failed.Reason != "" {
			about += ", failure_reason=" + failed.Reason
		}
	}
	data, err := json.Marshal(tlsReport{d.rptDomain, d.rptRecord, []reportPolicy{policy}})
	if err == nil {
		err = toCollector(data)
	}
	if err != nil {
		msg.Warn("%s: TLSRPT: could not report status=%s for domain=%s to %s: %v", d.id(), text, d.rptDomain, conf.Report.SocketName, err)
		return
	}
	msg.Info("%s: TLSRPT: status=%s, domain=%s, receiving_mx=%s%s", d.id(), text, d.rptDomain, t.name(), about)
}

// reported is the policy in the words of a report.
func (p *tlsPolicy) reported(domain string, t target) reportPolicy {
	r := reportPolicy{Type: policyNone, Domain: domain}
	switch {
	case p.kind == "sts":
		r.Type, r.Strings, r.MX = policySTS, p.policy, p.patterns
		if p.policyDomain != "" {
			r.Domain = p.policyDomain
		}
	case len(p.tlsa) > 0:
		r.Type, r.Domain = policyTLSA, fmt.Sprintf("_%d._tcp.%s", t.port, p.base)
		for _, record := range p.tlsa {
			r.Strings = append(r.Strings, fmt.Sprintf("%d %d %d %s", record.Usage, record.Selector, record.Matching, strings.ToUpper(hex.EncodeToString(record.Data))))
		}
	}
	return r
}

// collector is the socket from which reports are sent; -1: not open.
var collector = -1

// toCollector sends a datagram. It never waits: a report is not worth a delay.
func toCollector(data []byte) (err error) {
	if collector < 0 {
		if collector, err = unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
			return err
		}
	}
	return unix.Sendto(collector, data, unix.MSG_NOSIGNAL, &unix.SockaddrUnix{Name: conf.Report.SocketName})
}

// localAddress is our address in a session.
func localAddress(s *session) string {
	c := s.reuse.conn
	if c == nil {
		return ""
	}
	name, _ := unix.Getsockname(int(c.fd)) // nil when there is none
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(a.Addr).String()
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(a.Addr).Unmap().String()
	}
	return ""
}

// certificateFailure gives the name and the reason for a certificate that proves
// nothing.
func certificateFailure(problem string) (kind, reason string) {
	switch {
	case problem == "":
		return "certificate_not_trusted", ""
	case strings.Contains(problem, "mismatch"):
		return "certificate_host_mismatch", ""
	case strings.Contains(problem, "has expired"):
		return "certificate_expired", ""
	}
	_, reason, _ = strings.Cut(problem, "%s: ")
	if i := strings.IndexByte(reason, ':'); i > 0 && strings.HasPrefix(reason, "num=") {
		reason = reason[i+1:]
	}
	return "validation_failure", strings.ReplaceAll(reason, " ", "_")
}
