package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postrider/lib/mail/queue"
	"postrider/lib/mail/record"
	"postrider/lib/service/cleanup"
	"postrider/test/peer/milter"
)

// withFilter is a bench whose mail goes through a filter.
func withFilter(t *testing.T, rules map[string]string, settings ...string) *bench {
	t.Helper()
	f, err := milter.Start("unix", filepath.Join(t.TempDir(), "filter"), milter.Options{Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	b := newBench(t, append([]string{"non_smtpd_milters=unix:" + f.Addr, "milter_default_action=tempfail"}, settings...)...)
	openMilters()
	t.Cleanup(func() { localMilters = nil })
	return b
}

// A letter is a message as the records of a client, and what becomes of it.
func (b *bench) letter(body []string) (cleanup.Reply, *queue.File) {
	b.t.Helper()
	f, err := queue.Create(queue.Incoming, 1)
	if err != nil {
		b.t.Fatal(err)
	}
	m := newMessage(f)
	m.flags = cleanup.FlagMilter | cleanup.FlagFilter
	for _, r := range [][2]string{{"T", "1700000000 0"}, {"A", "rewrite_context=remote"}, {"S", "a@b.example"}, {"R", "one@b.example"}, {"R", "two@b.example"},
		{"M", ""}, {"N", "Received: here"}, {"N", "From: a@b.example"}, {"N", "Subject: x"}, {"N", ""}} {
		m.take(record.Type(r[0][0]), []byte(r[1]))
	}
	for _, line := range body {
		m.take(record.Text, []byte(line))
	}
	m.take(record.Extracted, nil)
	m.take(record.End, nil)
	reply := m.finish()
	m.milters.end()
	if reply.Status != 0 {
		return reply, nil
	}
	g, err := queue.OpenRead(f.Name, f.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { g.Close() })
	return reply, g
}

// seen is the message as readers of queue files see it: as one stream, and in two
// parts as the queue manager reads the envelope and an agent the text.
func seen(t *testing.T, f *queue.File) (envelope, text string) {
	t.Helper()
	var all, parts strings.Builder
	line := func(to *strings.Builder, rt record.Type, data []byte) {
		if rt != record.Size && rt != record.Time && !strings.HasPrefix(string(data), "create_time=") {
			to.WriteString(string(rune(rt)) + string(data) + "\n")
		}
	}
	var sizes record.Sizes
	for rec, err := range record.All(f) {
		if err != nil {
			t.Fatal(err)
		}
		if rec.Type == record.Size {
			sizes, _ = record.ParseSizes(rec.Data)
		}
		line(&all, rec.Type, rec.Data)
	}
	r := record.NewReader(f)
	inText := strings.Builder{}
	for done := false; !done; {
		if r.Tell() == sizes.DataOffset {
			r.SeekTo(sizes.DataOffset + sizes.Span)
		}
		rt, data, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		line(&parts, rt, data)
		done = rt == record.End
	}
	r.SeekTo(sizes.DataOffset)
	for {
		rt, data, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if rt == record.Extracted {
			break
		}
		line(&inText, rt, data)
	}
	head, rest, _ := strings.Cut(parts.String(), "M\n")
	if got := head + "M\n" + inText.String() + rest; got != all.String() {
		t.Errorf("read in parts:\n%.3000s\nread as one:\n%.3000s", got, all.String())
	}
	if n := int64(inText.Len()); sizes.Content < n-20 || sizes.Content > n+n/10+200 {
		t.Errorf("the size record says %d, the text has %d", sizes.Content, n)
	}
	return head + rest, inText.String()
}

// Every kind of change is seen by every kind of reader, in messages that are
// written in one piece and in large ones.
func TestEdits(t *testing.T) {
	for _, lines := range []int{0, 3, 20000} {
		body := make([]string, lines)
		for i := range body {
			body[i] = "a line of the body"
		}
		old := strings.Repeat("Na line of the body\n", lines)
		for _, row := range []struct{ name, rules, envelope, text string }{
			{"nothing", "continue", "", "NReceived: here\nNFrom: a@b.example\nNSubject: x\nN\n" + old},
			{"headers", "add X-A a|insert 0 X-B b|change 1 Subject new|change 1 From|continue", "",
				"NX-B: b\nNReceived: here\nNSubject: new\nNX-A: a\nN\n" + old},
			{"body", "body 1\\n2\\n|body 3\\n4|continue", "", "NReceived: here\nNFrom: a@b.example\nNSubject: x\nN\nN1\nN2\nN3\nN4\n"},
			{"half a body", "body 1\\n2\\n|close", "tempfail", ""},
			{"sender", "from <x@y.example>|continue", "Arewrite_context=remote\nSx@y.example\nAdsn_orig_rcpt=rfc822;one@b.example\n", ""},
			{"recipients", "drop-rcpt <one@b.example>|rcpt <three@b.example>|rcpt <two@b.example>|rcpt <one@b.example>|continue",
				"Oone@b.example\n/one@b.example\nAdsn_orig_rcpt=rfc822;two@b.example\nOtwo@b.example\nRtwo@b.example\nOthree@b.example\nRthree@b.example\n", ""},
		} {
			b := withFilter(t, map[string]string{"EOM": strings.ReplaceAll(row.rules, "|", "\n")})
			reply, f := b.letter(body)
			if row.envelope == "tempfail" {
				if reply.Status != cleanup.StatusDefer {
					t.Errorf("%d lines, %s: %v", lines, row.name, reply)
				}
				continue
			}
			if reply.Status != 0 {
				t.Fatalf("%d lines, %s: %v %v", lines, row.name, reply, b.log)
			}
			envelope, text := seen(t, f)
			if !strings.Contains(envelope, row.envelope) {
				t.Errorf("%d lines, %s: the envelope is\n%s", lines, row.name, envelope)
			}
			if row.text != "" && text != row.text {
				t.Errorf("%d lines, %s: the text is\n%.1000s", lines, row.name, text)
			}
		}
	}
}

// A filter that fails while it sends a new body leaves the old one, when mail is
// accepted without it.
func TestHalfBody(t *testing.T) {
	b := withFilter(t, map[string]string{"EOM": "body new\\n\nadd X-A a\nclose"}, "milter_default_action=accept")
	reply, f := b.letter([]string{"old"})
	if reply.Status != 0 {
		t.Fatal(reply)
	}
	if _, text := seen(t, f); !strings.HasSuffix(text, "NX-A: a\nN\nNold\n") {
		t.Error(text)
	}
}

// What filters decide about the whole message. A refusal by a filter that nobody
// else has heard of is not a success.
func TestVerdicts(t *testing.T) {
	for rule, want := range map[string]struct {
		status cleanup.Status
		queue  string
	}{
		"EOM=reject": {cleanup.StatusCont, ""}, "EOM=tempfail": {cleanup.StatusDefer, ""}, "EOM=shutdown": {cleanup.StatusDefer, ""},
		"EOM=reply 554 5.7.1 no": {cleanup.StatusCont, ""}, "EOM=discard": {0, ""}, "EOM=hold x\ncontinue": {0, "hold"}, "MAIL=reject": {cleanup.StatusCont, ""},
		"CONNECT=accept": {0, "incoming"}, "RCPT=reject": {cleanup.StatusDefer, ""}, "DATA=tempfail": {cleanup.StatusDefer, ""}, "HEADER=discard": {0, ""},
		"CONNECT=close": {cleanup.StatusDefer, ""},
	} {
		stage, action, _ := strings.Cut(rule, "=")
		b := withFilter(t, map[string]string{stage: action})
		f, _ := queue.Create(queue.Incoming, 1)
		m := newMessage(f)
		m.flags = cleanup.FlagMilter
		for line := range strings.SplitSeq("T1700000000 0|Arewrite_context=remote|Sa@b.example|Rc@b.example|M|NReceived: x|NA: b|N|Ny|X|E", "|") {
			m.take(record.Type(line[0]), []byte(line[1:]))
		}
		reply := m.finish()
		m.milters.end()
		found := ""
		for _, dir := range []string{"incoming", "hold"} {
			if _, err := os.Stat(dir + "/" + f.ID); err == nil {
				found = dir
			}
		}
		if reply.Status != want.status || found != want.queue {
			t.Errorf("%s: status %d, in %q; want %d, %q\n%s", rule, reply.Status, found, want.status, want.queue, strings.Join(b.log, "\n"))
		}
	}
}

// A filter may not make messages of any size.
func TestLargeBody(t *testing.T) {
	b := withFilter(t, map[string]string{"EOM": "body " + strings.Repeat("y", 60000) + "\nbody " + strings.Repeat("y", 60000) + "\ncontinue"}, "message_size_limit=100000")
	if reply, _ := b.letter([]string{"x"}); reply.Status != cleanup.StatusSize {
		t.Error(reply)
	}
	b = withFilter(t, map[string]string{"EOM": strings.Repeat("add X-Much "+strings.Repeat("y", 60000)+"\n", 5) + "continue"}, "message_size_limit=100000")
	if reply, _ := b.letter([]string{"x"}); reply.Status != cleanup.StatusSize {
		t.Error(reply)
	}
	b = withFilter(t, map[string]string{"EOM": strings.Repeat("rcpt <"+strings.Repeat("y", 60)+"@b.example>\n", 5000) + "continue"}, "message_size_limit=100000")
	if reply, _ := b.letter([]string{"x"}); reply.Status != cleanup.StatusSize {
		t.Error(reply)
	}
	b = withFilter(t, map[string]string{"EOM": "body " + strings.Repeat("y", 60000) + "\ncontinue"}, "message_size_limit=100000")
	reply, f := b.letter(strings.Split(strings.Repeat(strings.Repeat("x", 99)+"\n", 600), "\n"))
	if reply.Status != 0 {
		t.Fatal(reply, b.log)
	}
	if _, text := seen(t, f); !strings.Contains(text, "Lyyyyy") || strings.Contains(text, "xxx") {
		t.Errorf("%.300s", text)
	}
}
