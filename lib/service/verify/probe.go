package verify

import (
	"strings"
	"time"
)

// Probe says who sends probes.
type Probe struct {
	// The sender of probes. An address without a domain gets @$myorigin; <> is
	// the null sender. The SMTP server does not let access restrictions refuse
	// mail to it, so that hosts that probe each other do not wait for each
	// other for ever.
	AddressVerifySender string `param:"address_verify_sender" default:"$double_bounce_sender"`

	// How long the sender of probes stays the same. After that its local part
	// gets another ending, so that nobody can learn the address to get around
	// restrictions. 0: the sender never changes.
	AddressVerifySenderTTL time.Duration `param:"address_verify_sender_ttl" default:"0s" min:"0s"`
}

// digits are those of the number that ends the local part: no vowels, so that it
// never is a word.
const digits = "0123456789BCDFGHJKLMNPQRSTVWXYZ"

// ending writes a number with these digits.
func ending(n int64) (text string) {
	for ; n > 0 || text == ""; n /= int64(len(digits)) {
		text = string(digits[n%int64(len(digits))]) + text
	}
	return text
}

// Sender is the sender of probes at a time, without a domain if the parameter has
// none. The null sender is empty.
func (p Probe) Sender(now time.Time) string {
	sender := strings.TrimSpace(p.AddressVerifySender)
	if sender == "" || sender == "<>" {
		return ""
	}
	if p.AddressVerifySenderTTL <= 0 {
		return sender
	}
	local, domain := sender, ""
	if at := strings.LastIndexByte(sender, '@'); at >= 0 {
		local, domain = sender[:at], sender[at:]
	}
	period := max(0, now.Unix()) / max(1, int64(p.AddressVerifySenderTTL/time.Second))
	return local + ending(period) + domain
}

// Senders are the addresses that probes have at this time: those of the period
// before and of the next count too, for mail that takes a while and for clocks
// that differ.
func (p Probe) Senders(now time.Time) []string {
	current := p.Sender(now)
	if current == "" || p.AddressVerifySenderTTL <= 0 {
		return []string{current}
	}
	return []string{current, p.Sender(now.Add(-p.AddressVerifySenderTTL)), p.Sender(now.Add(p.AddressVerifySenderTTL))}
}
