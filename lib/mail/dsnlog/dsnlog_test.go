package dsnlog

import (
	"slices"
	"strings"
	"testing"
)

func parsed(text string, deferred bool) []Entry {
	return slices.Collect(NewParser(strings.NewReader(text), "bounce/X", deferred).Entries)
}

// Entries come back as they were written.
func TestRoundTrip(t *testing.T) {
	e := Entry{Recipient: `"a b"@example.com`, Original: "x@example.com", Offset: 817, OriginalDSN: "rfc822;x@example.com",
		Notify: 10, Status: "5.1.1", Action: "failed", DiagType: "smtp", DiagText: "550 a=b", RemoteType: "dns", RemoteName: "mx.example", Reason: "no = such user"}
	second := Entry{Recipient: "<>", Status: "4.0.0", Action: "delayed", Reason: "r"}
	for _, compatible := range []bool{true, false} {
		text := string(second.AppendTo((&e).AppendTo(nil, compatible), compatible))
		if got := parsed(text, false); !slices.Equal(got, []Entry{e, second}) {
			t.Errorf("got %+v from\n%s", got, text)
		}
	}
}

func TestParseOdd(t *testing.T) {
	for text, want := range map[string][]Entry{
		"<old@x>: gone away\n\n<new@x>: more\n": {{Recipient: "old@x", Reason: "gone away"}, {Recipient: "new@x", Reason: "more"}},
		"\n\nreason=only":                       {{Recipient: NoRecipient, Reason: "only"}},
		"recipient=a\nstatus=999\naction=no":    {{Recipient: "a", Reason: NoReason}},
		"":                                      nil,
		"\n\n\n":                                nil,
		"recipient=a\njunk\n=x\n\x00\xff\nfoo=bar\n": {{Recipient: "a", Reason: NoReason}},
		"<broken": {{Recipient: NoRecipient, Reason: NoReason}},
	} {
		for i := range want {
			want[i].Status, want[i].Action = "4.0.0", "delayed"
		}
		if got := parsed(text, true); !slices.Equal(got, want) {
			t.Errorf("%q: got %+v", text, got)
		}
	}
	long := parsed("recipient="+strings.Repeat("x", 3*lineLimit)+"\nreason=r\n", false)
	if len(long) != 1 || long[0].Reason != "r" || len(long[0].Recipient) > lineLimit {
		t.Errorf("%d entries of a long line", len(long))
	}
}

func FuzzParse(f *testing.F) {
	f.Add("<a>: b\nrecipient=a\noffset=-5\nnotify_flags=99999999999999999999\n\nstatus=4\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, e := range parsed(text, true) {
			if e.Recipient == "" || e.Reason == "" || strings.ContainsAny(e.Recipient+e.Reason+e.Status+e.Action, "\n\x00") {
				t.Errorf("%q: %+v", text, e)
			}
		}
	})
}
