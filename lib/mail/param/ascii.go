package param

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// call evaluates the functions of expressions.
func call(function, argument string) (string, error) {
	if function == "domain_to_ascii" {
		return domainToASCII(argument)
	}
	return "", fmt.Errorf("unknown function %s in an expression", function)
}

// domainToASCII encodes the labels of a domain that are not ASCII. It does not
// normalise beyond lower case: the text comes from main.cf, not from strangers.
// Source: RFC 3492, RFC 5891, section 5.5.
func domainToASCII(domain string) (string, error) {
	labels := strings.Split(domain, ".")
	for i, label := range labels {
		if !utf8.ValidString(label) {
			return "", fmt.Errorf("domain %q is not in UTF-8", domain)
		}
		if strings.IndexFunc(label, func(r rune) bool { return r >= utf8.RuneSelf }) >= 0 {
			labels[i] = "xn--" + punycode([]rune(strings.ToLower(label)))
		}
	}
	return strings.Join(labels, "."), nil
}

// The parameters of RFC 3492, section 5.
const (
	base        = 36
	tmin        = 1
	tmax        = 26
	skew        = 38
	damp        = 700
	initialBias = 72
	initialN    = 128
	digits      = "abcdefghijklmnopqrstuvwxyz0123456789"
)

// punycode encodes a label. Source: RFC 3492, section 6.3.
func punycode(label []rune) string {
	var out []byte
	for _, r := range label {
		if r < initialN {
			out = append(out, byte(r))
		}
	}
	done := len(out)
	first := done
	if done > 0 {
		out = append(out, '-')
	}
	n, delta, bias := rune(initialN), 0, initialBias
	for done < len(label) {
		next := rune(utf8.MaxRune)
		for _, r := range label {
			if r >= n && r < next {
				next = r
			}
		}
		delta += int(next-n) * (done + 1)
		n = next
		for _, r := range label {
			if r < n {
				delta++
			}
			if r == n {
				out = appendDelta(out, delta, bias)
				bias = adapt(delta, done+1, done == first)
				delta = 0
				done++
			}
		}
		delta++
		n++
	}
	return string(out)
}

// appendDelta writes one number of variable length.
func appendDelta(out []byte, q, bias int) []byte {
	for k := base; ; k += base {
		t := min(max(k-bias, tmin), tmax)
		if q < t {
			return append(out, digits[q])
		}
		out = append(out, digits[t+(q-t)%(base-t)])
		q = (q - t) / (base - t)
	}
}

func adapt(delta, points int, first bool) int {
	if first {
		delta /= damp
	} else {
		delta /= 2
	}
	delta += delta / points
	k := 0
	for ; delta > (base-tmin)*tmax/2; k += base {
		delta /= base - tmin
	}
	return k + (base-tmin+1)*delta/(delta+skew)
}
