package main

import (
	"fmt"
	"strconv"
	"strings"

	"postrider/lib/base/macro"
	"postrider/lib/base/msg"
	"postrider/lib/base/text"
	"postrider/lib/daemon/agent"
	"postrider/lib/mail/address"
)

// perRecipient are the macros whose argument is repeated for each recipient.
var perRecipient = map[string]bool{"recipient": true, "original_recipient": true, "user": true, "extension": true,
	"mailbox": true, "domain": true}

// arguments makes the command line for a request.
func arguments(r *agent.Request) ([]string, error) {
	return expand(service.argv, common(r), recipients(r))
}

// expand replaces the macros in argv. An argument that mentions a recipient
// becomes one argument per recipient.
func expand(argv []string, common map[string]string, each []map[string]string) ([]string, error) {
	var args []string
	for _, arg := range argv {
		repeat, err := mentions(arg, common)
		if err != nil {
			return nil, err
		}
		values := each
		if !repeat {
			values = each[:1]
		}
		for _, v := range values {
			e := macro.Expander{Lookup: func(name string) (string, bool) {
				if perRecipient[name] {
					return v[name], true
				}
				value, ok := common[name]
				return value, ok
			}}
			expanded, err := e.Expand(arg)
			if err != nil {
				return nil, err
			}
			args = append(args, expanded)
		}
	}
	return args, nil
}

// mentions reports whether an argument names a recipient.
func mentions(arg string, common map[string]string) (repeat bool, err error) {
	e := macro.Expander{Lookup: func(name string) (string, bool) {
		_, known := common[name]
		repeat = repeat || perRecipient[name]
		if !known && !perRecipient[name] && err == nil {
			err = fmt.Errorf("unknown macro name: \"%s\"", name)
		}
		return "", true
	}}
	if _, e := e.Expand(arg); e != nil && err == nil {
		err = e
	}
	return repeat, err
}

// common are the values that are the same for all recipients.
func common(r *agent.Request) map[string]string {
	return map[string]string{
		"sender":          quote(service.sender(r.Sender)),
		"nexthop":         foldIf('h', r.NextHop),
		"size":            strconv.FormatInt(r.Size, 10),
		"queue_id":        r.QueueID,
		"envid":           r.EnvelopeID,
		"client_address":  r.ClientAddress,
		"client_helo":     r.ClientHelo,
		"client_hostname": r.ClientName,
		"client_port":     r.ClientPort,
		"client_protocol": r.ClientProtocol,
		"sasl_method":     r.SASLMethod,
		"sasl_sender":     r.SASLSender,
		"sasl_username":   r.SASLUsername,
	}
}

func recipients(r *agent.Request) []map[string]string {
	list := make([]map[string]string, len(r.Recipients))
	for i, to := range r.Recipients {
		local, domain, ok := address.Split(to.Address)
		if !ok {
			msg.Warn("no @ in recipient address: %s", to.Address)
		}
		local = foldIf('u', local)
		user, extension, _ := address.SplitExtension(local, conf.Address.RecipientDelimiter)
		list[i] = map[string]string{
			"recipient":          whole(to.Address),
			"original_recipient": whole(to.Original),
			"mailbox":            local,
			"user":               user,
			"extension":          extension,
			"domain":             foldIf('h', domain),
		}
	}
	return list
}

// whole is an address as the flags h, q and u want it.
func whole(addr string) string {
	local, domain, ok := address.Split(addr)
	addr = foldIf('u', local)
	if ok {
		addr += "@" + foldIf('h', domain)
	}
	return quote(addr)
}

func quote(addr string) string {
	if service.flag('q') && strings.TrimSpace(addr) != "" {
		return address.Quote(addr)
	}
	return addr
}

func foldIf(flag byte, s string) string {
	if service.flag(flag) {
		return text.Fold(s)
	}
	return s
}
