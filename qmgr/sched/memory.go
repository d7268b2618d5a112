package sched

import "slices"

// Recipients of large messages are read in portions. Every message may have a
// few of them in memory; the rest of a transport's recipients belongs to the
// oldest of its jobs that is not read to the end. A job that passes another
// gets half of what is left of the extra recipients.

// SetUnread says how many recipients of m may still be in the file only; 0
// when all were read.
func (s *Scheduler) SetUnread(m *Message, n int) {
	m.unread = max(n, 0)
	if m.unread > 0 {
		m.refilled = s.opts.Now()
		return
	}
	for _, j := range slices.Clone(m.jobs) {
		j.transport.read(j)
		j.rest()
	}
}

// Room is how many recipients a message may have in memory that comes in now.
func (s *Scheduler) Room() int {
	return max(s.opts.MessageRecipients, s.opts.Recipients-s.recipients, 1)
}

// More is how many more recipients of m may be in memory.
func (s *Scheduler) More(m *Message) int {
	n := max(s.opts.MessageRecipients-m.recipients, 0)
	for _, j := range m.jobs {
		n += j.share()
	}
	return n
}

// share is how many more recipients the job may have in memory.
func (j *job) share() int {
	n := max(j.extra-j.recipients, 0)
	if t := j.transport; len(t.unread) > 0 && t.unread[0] == j {
		n += max(t.Limits.Recipients-t.recipients, 0)
	}
	return n
}

// read takes a job off the list of those that are not read to the end.
func (t *Transport) read(j *job) {
	if i := slices.Index(t.unread, j); i >= 0 {
		t.unread = slices.Delete(t.unread, i, i+1)
	}
	t.extra -= j.extra
	j.extra = 0
}

// lend gives extra recipients to a job that passes another.
func (t *Transport) lend(j *job) {
	if j.message.unread == 0 || j.extra > 0 {
		return
	}
	j.extra = max(t.Limits.ExtraRecipients-t.extra, 0) / 2
	t.extra += j.extra
}

// refill reads more recipients of the message whose turn it is, when there is
// room for enough of them, or for any after some time.
func (t *Transport) refill(j *job) {
	m := j.message
	if m.unread == 0 {
		return
	}
	s, l := t.sched, &t.Limits
	room := s.More(m)
	now := s.opts.Now()
	if room == 0 || room < min(l.RefillLimit, m.unread) && now.Sub(m.refilled) < l.RefillDelay {
		return
	}
	m.held++
	s.opts.Refill(m, room)
	m.held--
	s.finish(m)
}
