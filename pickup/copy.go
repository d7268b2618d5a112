package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/mail/address"
	"postrider/lib/mail/date"
	"postrider/lib/mail/queue"
	"postrider/lib/mail/record"
	"postrider/lib/service/cleanup"
)

// collect takes all complete files out of the maildrop. New ones may come
// while it works; it looks until there are none.
func collect() {
	for found := true; found; {
		found = false
		for id, err := range queue.Maildrop.Scan() {
			if err != nil {
				msg.Warn("%v", err)
				return
			}
			process.Pat()
			if take(id) {
				found = true
			}
		}
	}
}

// take brings one file to cleanup(8), and removes it when that is done or can
// never be done.
func take(id string) (gone bool) {
	f, st, ok := open(id)
	if !ok {
		return false
	}
	defer f.Close()
	s := submission{file: f, uid: int(st.Uid), id: id, requeued: requeued(st)}
	if !s.copy() {
		return false
	}
	if err := queue.Remove(queue.Maildrop, id); err != nil {
		msg.Warn("%v", err)
		return false
	}
	return true
}

// open lets only complete regular files with a single name pass: what a user
// could plant there is a link to a file of somebody else.
func open(id string) (f *queue.File, st syscall.Stat_t, ok bool) {
	st, err := queue.Stat(queue.Maildrop, id)
	if err != nil {
		if errors.Is(err, queue.ErrNotReady) && st.Mode&syscall.S_IFMT != syscall.S_IFREG {
			msg.Warn("uid=%d: %s: not a regular file", st.Uid, queue.Path(queue.Maildrop, id))
		}
		return nil, st, false
	}
	f, err = queue.OpenRead(queue.Maildrop, id)
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			msg.Warn("uid=%d: %v", st.Uid, err)
		}
		return nil, st, false
	}
	var opened syscall.Stat_t
	if opened, err = f.Stat(); err != nil || opened.Ino != st.Ino || opened.Dev != st.Dev {
		msg.Warn("%s: the file changed while it was opened", f.Path())
		f.Close()
		return nil, st, false
	}
	if opened.Nlink != 1 {
		msg.Warn("uid=%d: %s: file has %d names; this one is removed", st.Uid, f.Path(), opened.Nlink)
		queue.Remove(queue.Maildrop, id)
		f.Close()
		return nil, st, false
	}
	return f, opened, true
}

// requeued reports whether postsuper(1) put the file here: postdrop makes files
// that others may read.
func requeued(st syscall.Stat_t) bool {
	return st.Mode&syscall.S_IROTH == 0 && int(st.Uid) == os.Geteuid()
}

// A submission is one maildrop file on its way to cleanup(8).
type submission struct {
	file     *queue.File
	id       string
	uid      int
	requeued bool
	asked    int64 // SMTPUTF8 or REQUIRETLS was asked for
	to       *cleanup.Writer
	logged   bool
}

// errFormat says that the file cannot be a message.
var errFormat = errors.New("malformed queue file")

// copy reports whether the file can go: its message is in the queue, or there
// is none in it.
func (s *submission) copy() bool {
	r := record.NewReader(s.file)
	s.asked = askedFor(r)
	var err error
	s.to, err = cleanup.Open(conf.Cleanup.Path(), s.flags(), conf.IPCTimeout)
	if err != nil {
		msg.Fatal("%v", err)
	}
	if err := s.records(r); err != nil {
		s.to.Abort()
		msg.Warn("uid=%d: %s: %v", s.uid, s.file.Path(), err)
		return errors.Is(err, errFormat)
	}
	status, reason, err := s.to.Finish()
	switch {
	case err != nil:
		msg.Warn("%s: %v", s.file.Path(), err)
		return false
	case status == 0:
		return true
	case status&(cleanup.StatusBad|cleanup.StatusRcpt) != 0:
		msg.Warn("uid=%d: %s: message rejected: %s; the file is removed", s.uid, s.file.Path(), orText(reason, status))
		return true
	}
	msg.Warn("uid=%d: %s: message not accepted: %s; it is tried again", s.uid, s.file.Path(), orText(reason, status))
	return false
}

func orText(reason string, status cleanup.Status) string {
	if reason != "" {
		return reason
	}
	return status.Text()
}

// askedFor looks at the begin of the file for requests of SMTPUTF8 and REQUIRETLS: of
// sendmail -O, or from an earlier stay in the queue.
func askedFor(r *record.Reader) int64 {
	defer r.SeekTo(0)
	for {
		t, data, err := r.Next()
		switch {
		case err == nil && t == record.Size:
			return record.AskedFor(data) & (record.UTF8Requested | record.RequireTLS)
		case err != nil || t != record.Time:
			return 0
		}
	}
}

func (s *submission) flags() int {
	flags := cleanup.FlagBounce | cleanup.MaskExternal
	if s.asked&record.UTF8Requested != 0 && conf.Address.SMTPUTF8Enable {
		flags |= cleanup.FlagSMTPUTF8
	}
	if s.asked&record.RequireTLS != 0 {
		flags |= cleanup.FlagRequireTLS
	}
	if !s.requeued {
		flags |= cleanup.FlagMilter
		if conf.Address.SMTPUTF8Enable {
			flags = conf.Detect.Flags("sendmail", flags)
		}
	}
	flags, unknown := conf.Intake.Override(flags)
	for _, word := range unknown {
		msg.Warn("parameter receive_override_options: unknown word %q", word)
	}
	return flags
}

// records copies envelope, content and extracted part.
func (s *submission) records(r *record.Reader) error {
	allowed := record.EnvelopeTypes
	for {
		t, data, err := r.Next()
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return fmt.Errorf("%w: it ends too early", errFormat)
		}
		if err != nil {
			return fmt.Errorf("%w: %v", errFormat, err)
		}
		if strings.IndexByte(allowed, byte(t)) < 0 {
			return fmt.Errorf("%w: unexpected record type %q", errFormat, byte(t))
		}
		switch t {
		case record.Message:
			allowed = record.ContentTypes
			s.to.RecordBytes(t, data)
			s.received()
			continue
		case record.Extracted:
			allowed = record.ExtractedTypes
		case record.From:
			if err := s.sender(data); err != nil {
				return err
			}
		}
		if s.wanted(t, data, allowed) {
			s.to.RecordBytes(t, data)
		}
		if t == record.End {
			return nil // trouble with the connection shows when the reply is read
		}
	}
}

// wanted leaves out what a message brings from an earlier stay in the queue:
// cleanup makes these records itself.
func (s *submission) wanted(t record.Type, data []byte, allowed string) bool {
	if allowed == record.ContentTypes {
		return true
	}
	switch t {
	case record.Size, record.Warn, record.Killed, record.Done, record.Canceled:
		return false
	case record.Filter, record.Redirect:
		return !s.requeued
	}
	return true
}

// sender logs who sent the message, and adds the content filter in front.
func (s *submission) sender(data []byte) error {
	if s.logged {
		return fmt.Errorf("%w: more than one sender", errFormat)
	}
	s.logged = true
	id, err := s.to.ID()
	if err != nil {
		return err
	}
	line := fmt.Sprintf("%s: uid=%d from=<%s>", id, s.uid, address.Quote(string(data)))
	if s.requeued {
		line += " orig_id=" + s.id
	}
	msg.Info("%s", line)
	if conf.Intake.ContentFilter != "" {
		s.to.Record(record.Filter, conf.Intake.ContentFilter)
	}
	return nil
}

// received writes the trace header that cleanup insists on.
func (s *submission) received() {
	id, err := s.to.ID()
	if err != nil {
		return
	}
	s.to.Line(fmt.Sprintf("Received: by %s (%s, from userid %d)\n\tid %s; %s", conf.MyHostname, conf.MailName, s.uid, id,
		date.Header(time.Now())), 0)
}
