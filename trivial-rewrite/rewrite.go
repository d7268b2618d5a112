package main

import (
	"strings"

	"postrider/lib/mail/address"
	"postrider/lib/service/rewrite"
)

// standardForm brings an address in external form into standard form.
func standardForm(rule, external string) string {
	origin, domain := conf.Rewrite.RemoteHeaderRewriteDomain, conf.Rewrite.RemoteHeaderRewriteDomain
	if rule == rewrite.Local {
		origin, domain = conf.Address.MyOrigin, conf.MyDomain
	}
	if external == "" || external == `""` { // the null address, as stock cleanup(8) writes it
		return external
	}
	return address.Normal(qualify(routes(stripRoute(external)), origin, domain))
}

// stripRoute takes a source route away: @a,@b:user@c is user@c.
func stripRoute(a string) string {
	if !strings.HasPrefix(a, "@") {
		return a
	}
	if i := unquoted(a, ':', false); i >= 0 {
		return a[i+1:]
	}
	return a
}

// routes turns the other forms of routing into user@domain.
func routes(a string) string {
	if unquoted(a, '@', true) >= 0 {
		return a
	}
	if conf.SwapBangPath {
		if i := unquoted(a, '!', false); i >= 0 {
			return a[i+1:] + "@" + a[:i]
		}
	}
	if conf.AllowPercentHack {
		if i := unquoted(a, '%', true); i >= 0 {
			return a[:i] + "@" + a[i+1:]
		}
	}
	return a
}

// qualify completes the domain.
func qualify(a, origin, domain string) string {
	at := unquoted(a, '@', true)
	if at < 0 {
		if !conf.AppendAtMyOrigin || origin == "" {
			return a
		}
		at = len(a)
		a += "@" + origin
	}
	host := a[at+1:]
	if host == "" || strings.HasPrefix(host, "[") {
		return a
	}
	if conf.AppendDotMyDomain && domain != "" && strings.IndexByte(host, '.') < 0 {
		return a + "." + domain
	}
	if strings.HasSuffix(host, ".") && !strings.HasSuffix(host, "..") {
		return a[:len(a)-1]
	}
	return a
}

// unquoted finds a character outside quotes; the last one, or the first.
func unquoted(a string, c byte, last bool) int {
	found, quoted := -1, false
	for i := 0; i < len(a); i++ {
		switch {
		case a[i] == '\\':
			i++
		case a[i] == '"':
			quoted = !quoted
		case a[i] == c && !quoted:
			if !last {
				return i
			}
			found = i
		}
	}
	return found
}

// inside applies the routing rules to what is left of a local address. With
// resolve_dequoted_address quotes do not protect routing operators.
func inside(local string) (next string, routed bool) {
	var form string
	if conf.ResolveDequotedAddress || strings.HasPrefix(local, "@") {
		form = escape(local)
	} else {
		form = address.QuoteLocal(local)
	}
	if unquoted(form, '@', true) < 0 && routes(form) == form {
		return local, false
	}
	return address.Unquote(qualify(routes(stripRoute(form)), conf.Address.MyOrigin, conf.MyDomain)), true
}

// hasRoute reports whether a local part has routing operators, whether this
// system obeys them or not: another one may.
func hasRoute(local string) bool { return strings.ContainsAny(local, "@!%") }

// escape writes a local part so that only the operators keep their meaning.
func escape(local string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(local)
}
