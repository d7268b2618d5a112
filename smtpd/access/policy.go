package access

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/base/text"
	"postrider/lib/mail/address"
	"postrider/lib/mail/param"
)

// A policyClient asks an external program what to do with a request: name=value
// lines, an empty line; the answer is action=… as in access tables. Source:
// SMTP access policy delegation protocol.
type policyClient struct {
	network, endpoint string
	display           string

	timeout, maxIdle, maxTTL, retryDelay time.Duration
	tryLimit, requestLimit               int
	otherwise, context                   string

	s            *stream.Stream
	opened, used time.Time
	requests     int
}

// openPolicy reads the argument of check_policy_service: an endpoint, or in
// braces an endpoint and settings that differ from the general ones.
func (c *Checker) openPolicy(arg string) {
	p := &c.conf.PolicyService
	client := &policyClient{timeout: p.PolicyTimeout, maxIdle: p.PolicyMaxIdle, maxTTL: p.PolicyMaxTTL,
		retryDelay: p.PolicyRetryDelay, tryLimit: p.PolicyTryLimit, requestLimit: p.PolicyRequestLimit,
		otherwise: p.PolicyDefault, context: p.PolicyContext}
	endpoint := arg
	if strings.HasPrefix(arg, "{") {
		inside, _ := text.Unbrace(arg)
		words := text.SplitBraces(inside)
		if len(words) == 0 {
			return
		}
		endpoint = words[0]
		if err := client.settings(strings.TrimLeft(inside[strings.Index(inside, endpoint)+len(endpoint):], ", \t\r\n")); err != nil {
			msg.Warn("check_policy_service %s: %v", endpoint, err)
			return
		}
	}
	network, rest, ok := strings.Cut(endpoint, ":")
	switch {
	case ok && network == "unix":
		client.network, client.endpoint = "unix", rest
	case ok && network == "inet":
		host, port, found := strings.Cut(rest, ":")
		if i := strings.LastIndexByte(rest, ':'); i >= 0 {
			host, port, found = rest[:i], rest[i+1:], true
		}
		if !found {
			host, port = "localhost", rest
		}
		client.network, client.endpoint = "tcp", net.JoinHostPort(strings.Trim(host, "[]"), port)
	default:
		msg.Warn("check_policy_service: bad endpoint %q: need inet:host:port or unix:pathname", endpoint)
		return
	}
	client.display = rest
	c.policy[arg] = client
}

// settings reads "name = value" pairs, separated by commas or in braces.
func (p *policyClient) settings(list string) error {
	for list != "" {
		var item string
		if strings.HasPrefix(list, "{") {
			end := text.MatchingBrace(list)
			if end < 0 {
				return errors.New("missing closing brace")
			}
			item, list = list[1:end], list[end+1:]
		} else {
			item, list, _ = strings.Cut(list, ",")
		}
		list = strings.TrimLeft(list, ", \t\r\n")
		name, value, ok := text.NameValue(item)
		if !ok {
			return fmt.Errorf("need name = value, not %q", item)
		}
		if err := p.set(name, value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (p *policyClient) set(name, value string) (err error) {
	switch name {
	case "default_action":
		p.otherwise = value
	case "policy_context":
		p.context = value
	case "max_idle":
		p.maxIdle, err = param.ParseTime(value, "s")
	case "max_ttl":
		p.maxTTL, err = param.ParseTime(value, "s")
	case "retry_delay":
		p.retryDelay, err = param.ParseTime(value, "s")
	case "timeout":
		p.timeout, err = param.ParseTime(value, "s")
	case "request_limit":
		p.requestLimit, err = strconv.Atoi(value)
	case "try_limit":
		p.tryLimit, err = strconv.Atoi(value)
	default:
		err = errors.New("there is no such setting")
	}
	return err
}

func checkPolicyService(w *walk, arg string) answer {
	p := w.policy[arg]
	q := w.ask(arg, w.name, w.class)
	if p == nil {
		return w.misconfigured()
	}
	action, err := p.ask(w.policyRequest(p))
	if err != nil {
		return q.act(w.name, p.otherwise)
	}
	return q.act(w.name, action)
}

// policyRequest is what the service learns, in the order of the protocol.
func (w *walk) policyRequest(p *policyClient) attr.List {
	external := func(a *string) string {
		if a == nil {
			return ""
		}
		return address.Quote(*a)
	}
	etrn := ""
	if w.ETRN != nil {
		etrn = *w.ETRN
	}
	count := 0
	if w.Stage == "DATA" || w.Stage == endOfDataMarker {
		count = w.Recipients
	}
	list := attr.List{{Name: "request", Value: "smtpd_access_policy"}}
	add := func(name, value string) { list = append(list, attr.Attr{Name: name, Value: value}) }
	add("protocol_state", w.Stage)
	add("protocol_name", w.Protocol)
	add("client_address", w.Client.Address)
	add("client_name", w.Client.Name)
	add("client_port", w.Client.Port)
	add("reverse_client_name", w.Client.Reverse)
	add("server_address", w.Server.Address)
	add("server_port", w.Server.Port)
	add("helo_name", w.Helo)
	add("sender", external(w.Sender))
	add("recipient", external(w.Recipient))
	add("recipient_count", strconv.Itoa(count))
	add("queue_id", w.QueueID)
	add("instance", w.Instance)
	add("size", strconv.FormatInt(w.Size, 10))
	add("etrn_domain", etrn)
	add("stress", w.svc.Value("stress"))
	add("sasl_method", w.SASL.Method)
	add("sasl_username", w.SASL.User)
	add("sasl_sender", w.SASL.Sender)
	certificate := w.TLS.known()
	add("ccert_subject", certificate.Subject)
	add("ccert_issuer", certificate.Issuer)
	add("ccert_fingerprint", certificate.Fingerprint)
	add("ccert_pubkey_fingerprint", certificate.KeyFingerprint)
	add("encryption_protocol", w.TLS.Protocol)
	add("encryption_cipher", w.TLS.Cipher)
	add("encryption_keysize", strconv.Itoa(w.TLS.KeySize))
	add("policy_context", p.context)
	add("compatibility_level", w.svc.Value("compatibility_level"))
	add("mail_version", w.svc.Value("mail_version"))
	return list
}

// ask sends a request and reads the action, over a kept connection when there
// is one.
func (p *policyClient) ask(request attr.List) (string, error) {
	var err error
	for try := 1; try <= p.tryLimit; try++ {
		fresh := p.s == nil
		var action string
		if action, err = p.exchange(request); err == nil {
			return action, nil
		}
		p.close()
		if !fresh { // the kept connection had ended: that is no failure
			try--
			continue
		}
		msg.Warn("problem talking to server %s: %s", p.display, Reason(err))
		if try < p.tryLimit {
			time.Sleep(p.retryDelay)
		}
	}
	return "", err
}

// Reason is the text of an error without what Go says about the operation, in
// the form that the system's library has.
func Reason(err error) string {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	text := err.Error()
	if errno, ok := err.(syscall.Errno); ok && text != "" {
		text = strings.ToUpper(errno.Error()[:1]) + text[1:]
	}
	return text
}

func (p *policyClient) exchange(request attr.List) (string, error) {
	now := time.Now()
	if p.s != nil && (now.Sub(p.used) > p.maxIdle || now.Sub(p.opened) > p.maxTTL ||
		p.requestLimit > 0 && p.requests >= p.requestLimit) {
		p.close()
	}
	if p.s == nil {
		conn, err := net.DialTimeout(p.network, p.endpoint, p.timeout)
		if err != nil {
			return "", err
		}
		p.s, p.opened, p.requests = stream.New(stream.Net(conn)), now, 0
		p.s.SetTimeout(p.timeout)
	}
	p.used = now
	p.requests++
	for _, a := range request {
		p.s.WriteString(a.Name + "=" + strings.ReplaceAll(a.Value, "\n", "?") + "\n")
	}
	p.s.WriteString("\n")
	reply, err := attr.PlainReadList(p.s, 64*1024)
	if err != nil {
		return "", err
	}
	for _, a := range reply {
		if a.Name == "action" {
			return a.Value, nil
		}
	}
	return "", errors.New("no action in the reply")
}

func (p *policyClient) close() {
	if p.s != nil {
		p.s.Close()
		p.s = nil
	}
}
