package main

import (
	"errors"
	"fmt"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/daemon/agent"
	"postrider/lib/mail/convert"
	"postrider/lib/mail/dsn"
	"postrider/lib/net/dialogue"
)

// failure makes a report of trouble that no server told of.
func failure(status dsn.Status, format string, args ...any) *agent.Outcome {
	return &agent.Outcome{Status: status, Reason: fmt.Sprintf(format, args...)}
}

// refusal makes a report of an answer that is not the one that we need.
func (s *session) refusal(reply dialogue.Reply, format string, args ...any) *agent.Outcome {
	r := s.answered(reply, fmt.Sprintf(format, args...))
	if class := r.Status.Class(); class != '4' && class != '5' { // no success where there should be one
		r.Status, r.Reason = "5.5.0", "Protocol error: "+r.Reason
	}
	return r
}

// answered makes a report with the answer of a server.
func (s *session) answered(reply dialogue.Reply, reason string) *agent.Outcome {
	r := failure(reply.Status, "%s", reason)
	r.DiagType, r.DiagText, r.RemoteName = "smtp", reply.Text(), s.host
	return r
}

// said makes a report of a refused command.
func (s *session) said(reply dialogue.Reply, st stage) *agent.Outcome {
	return s.refusal(reply, "host %s said: %s (in reply to %s)", s.name(), reply.Text(), st.command)
}

// broken makes a report of a conversation that broke off.
func (s *session) broken(err error, while string) *agent.Outcome {
	if errors.Is(err, errLocal) {
		return failure("4.3.0", "local data error while talking to %s", s.name())
	}
	if errors.Is(err, convert.ErrNesting) {
		return failure("5.6.0", "%v", err)
	}
	if s.tls != nil && while != endOfData.while {
		s.tryPlain()
	}
	switch {
	case errors.Is(err, dialogue.ErrNotSMTP):
		return failure("4.5.0", "host %s answered with something other than a reply while %s", s.name(), while)
	case errors.Is(err, stream.ErrTimeout):
		return failure("4.4.2", "conversation with %s timed out while %s", s.name(), while)
	}
	return failure("4.4.2", "lost connection with %s while %s", s.name(), while)
}

// errLocal says that the message could not be read.
var errLocal = errors.New("queue file trouble")

// retry tells whether trouble is of a kind that may end by itself, or whether
// the administrator wants to see it so.
func retry(r *agent.Outcome) bool { return r.Status.Class() == '4' || conf.SoftBounce }

// failAll ends the transaction for all recipients that have no answer yet. When
// there is another server to try, trouble that may pass leaves them to it.
// Otherwise they get their answer. Throttle says that no mail for this
// destination will fare better.
func (d *delivery) failAll(s *session, why *agent.Outcome, throttle bool) {
	d.why = why
	keep := s != nil && !s.final && retry(why)
	if keep {
		msg.Info("%s: %s", d.id(), why.Reason)
	}
	for _, r := range d.open() {
		if keep {
			r.state = kept
		} else {
			d.report(s, r, why)
		}
	}
	if !keep && throttle && retry(why) && d.throttle == nil {
		d.throttle = why
	}
}

// failOne is failAll for one recipient.
func (d *delivery) failOne(s *session, r *recipient, why *agent.Outcome) {
	if !s.final && retry(why) {
		msg.Info("%s: %s", d.id(), why.Reason)
		r.state = kept
		d.why = why
		return
	}
	d.report(s, r, why)
}

// paramName is a parameter's name in the program at hand.
func paramName(name string) string {
	if lmtp {
		return strings.Replace(name, "smtp_", "lmtp_", 1)
	}
	return name
}
