package access

import (
	"strings"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/mail/dsn"
)

// A VerifyStatus is what is known about the deliverability of an address.
type VerifyStatus int

// The results of address verification.
const (
	Deliverable   VerifyStatus = 0
	Deferred      VerifyStatus = 1
	Undeliverable VerifyStatus = 2
	InProgress    VerifyStatus = 3
)

func rejectUnverifiedSender(w *walk, _ string) answer {
	if w.Sender == nil || *w.Sender == "" {
		return dunno
	}
	v := &w.conf.Verification
	return w.unverified(*w.Sender, classSender, "5.1.7", v.UnverifiedSenderReject, v.UnverifiedSenderDefer,
		v.UnverifiedSenderReason, v.UnverifiedSenderTempfail)
}

func rejectUnverifiedRecipient(w *walk, _ string) answer {
	if w.Recipient == nil || *w.Recipient == "" {
		return dunno
	}
	v := &w.conf.Verification
	return w.unverified(*w.Recipient, classRecipient, "5.1.1", v.UnverifiedRecipientReject, v.UnverifiedRecipientDefer,
		v.UnverifiedRecipientReason, v.UnverifiedRecipientTempfail)
}

// unverified refuses an address that a probe message could not reach.
func (w *walk) unverified(address, class string, status dsn.Status, rejectCode, deferCode int, reason, action string) answer {
	result, detail, err := w.verify(address)
	if err != nil {
		msg.Warn("address verify service: %v", err)
		return w.tempfail(action, Software, 450, "4.3.0", "<%s>: %s rejected: address verification problem", address, class)
	}
	if reason == "" {
		reason = detail
	}
	switch {
	case result == Deliverable:
		return dunno
	case result != Undeliverable:
		return w.tempfail(action, Policy, deferCode, status.WithClass('4'), "<%s>: %s rejected: unverified address: %s", address, class, reason)
	case rejectCode/100 == 5:
		return w.reject(Policy, rejectCode, status, "<%s>: %s rejected: undeliverable address: %s", address, class, reason)
	}
	return w.reject(Policy, rejectCode, status, "<%s>: %s rejected: unverified address: %s", address, class, reason)
}

// fromProbes says whether an address is the sender of probes. Mail to it is never
// refused: a host that probes it, because we probe a sender of its, would wait for
// us as we for it.
func (c *Checker) fromProbes(address string) bool {
	for _, sender := range c.conf.Probe.Senders(time.Now()) {
		if sender != "" && c.svc.Complete != nil && strings.EqualFold(c.svc.Complete(sender), address) {
			return true
		}
	}
	return false
}

// verify asks until there is a result, a few times.
func (w *walk) verify(address string) (VerifyStatus, string, error) {
	for try := 1; ; try++ {
		status, reason, err := w.svc.Verifier.Verify(address)
		if err != nil || status != InProgress || try >= w.conf.VerifyPollCount {
			return status, reason, err
		}
		time.Sleep(w.conf.VerifyPollDelay)
	}
}
