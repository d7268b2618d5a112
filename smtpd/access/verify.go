package access

import (
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
	code := 450
	switch result {
	case Deliverable:
		return dunno
	case Undeliverable:
		code = rejectCode
	case Deferred:
		code = deferCode
	}
	words := "unverified address: " + detail
	switch {
	case reason != "" && result != InProgress:
		words = reason
	case result == Undeliverable:
		words = "undeliverable address: " + detail
	}
	if result == Deferred || result == InProgress {
		return w.tempfail(action, Policy, code, status.WithClass('4'), "<%s>: %s rejected: %s", address, class, words)
	}
	return w.reject(Policy, code, status, "<%s>: %s rejected: %s", address, class, words)
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
