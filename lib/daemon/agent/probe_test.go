package agent

import (
	"net"
	"os"
	"testing"
	"time"

	"postrider/lib/base/attr"
	"postrider/lib/base/stream"
	"postrider/lib/service/deliver"
	"postrider/lib/service/ipc"
	"postrider/lib/service/verify"
)

// fakeVerify is a verify service that keeps the updates it gets.
func fakeVerify(t *testing.T, reply verify.Status) chan verify.UpdateRequest {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.Mkdir("private", 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", "private/verify")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	got := make(chan verify.UpdateRequest, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s := stream.New(conn{c})
			ipc.Announce(s, verify.Protocol)
			var q verify.UpdateRequest
			if attr.Read(s, &q) == nil {
				got <- q
				attr.Write(s, verify.Reply{Status: reply})
				s.Flush()
			}
			s.Close()
		}
	}()
	return got
}

type conn struct{ net.Conn }

func (c conn) SetTimeout(d time.Duration) error { return c.SetDeadline(time.Now().Add(time.Minute)) }

// The outcome of a probe goes to verify(8), under the address that it asked about,
// and a probe is done even when mail would be tried again; unless nobody heard it.
func TestProbed(t *testing.T) {
	to := &deliver.Recipient{Original: "asked@example.com", Address: "real@example.com"}
	p := &Report{DelayResolution: 2}
	p.Verify.AddressVerifyServiceName, p.Negative.AddressVerifyNegativeCache = "verify", true
	r := Reporter{Params: p, ID: "ABC123", Flags: deliver.FlagProbe, Timeout: 10 * time.Second}
	got := fakeVerify(t, verify.OK)
	for _, test := range []struct {
		o    Outcome
		want verify.RecipientStatus
	}{
		{Sent("2.1.5", "250 ok"), verify.Deliverable},
		{Deferred("4.4.1", "nobody there"), verify.Deferred},
		{Bounced("5.1.1", "unknown user"), verify.Undeliverable},
	} {
		if !r.Record(to, "none", test.o) {
			t.Errorf("%s: not done", test.o.Status)
		}
		if u := <-got; u != (verify.UpdateRequest{Request: "update", Address: "asked@example.com", RecipientStatus: test.want, Reason: test.o.Reason}) {
			t.Errorf("%s: %+v", test.o.Status, u)
		}
	}
	p.Negative.AddressVerifyNegativeCache = false
	if !r.Record(to, "none", Bounced("5.1.1", "unknown user")) || len(got) > 0 {
		t.Error("a bad result was told, which nobody keeps")
	}
	fakeVerify(t, verify.Fail)
	if r.Record(to, "none", Sent("2.1.5", "250 ok")) {
		t.Error("done, though nobody keeps the result")
	}
}
