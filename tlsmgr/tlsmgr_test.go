package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/service/tlsmgr"
)

func bench(t *testing.T) *manager {
	t.Cleanup(msg.SetOutput(func(msg.Level, string) {}))
	m := &manager{caches: map[string]*cache{}, keys: tlsmgr.NewRing(time.Hour)}
	m.caches["smtp"] = newCache("smtp", tlsmgr.Client{Cache: "btree:x", Timeout: time.Hour}, false)
	m.caches["lmtp"] = newCache("lmtp", tlsmgr.Client{Timeout: time.Hour}, false)
	return m
}

// ask sends a request as bytes, and returns the bytes of the answer, with | for
// NUL.
func ask(t *testing.T, m *manager, request string) string {
	t.Helper()
	list, _, err := attr.Parse([]byte(strings.ReplaceAll(request, "|", "\x00")))
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	return strings.ReplaceAll(string(attr.Encode(nil, m.answer(list))), "\x00", "|")
}

// The protocol is that of stock systems.
func TestProtocol(t *testing.T) {
	m := bench(t)
	for _, test := range []struct{ request, want string }{
		{"request|policy|cache_type|smtp||", "status|0|cachable|1|timeout|3600||"},
		{"request|policy|cache_type|lmtp||", "status|0|cachable|0|timeout|3600||"},
		{"request|policy|cache_type|http||", "status|4294967294|cachable|0|timeout|0||"},
		{"request|lookup|cache_type|smtp|cache_id|a&b||", "status|4294967295|session|||"},
		{"request|update|cache_type|smtp|cache_id|a&b|session|QUJD||", "status|0||"},
		{"request|lookup|cache_type|smtp|cache_id|a&b||", "status|0|session|QUJD||"},
		{"request|lookup|cache_type|lmtp|cache_id|a&b||", "status|4294967294|session|||"},
		{"request|update|cache_type|lmtp|cache_id|a&b|session|QUJD||", "status|4294967294||"},
		{"request|delete|cache_type|smtp|cache_id|a&b||", "status|0||"},
		{"request|delete|cache_type|smtp|cache_id|a&b||", "status|0||"},
		{"request|lookup|cache_type|smtp|cache_id|a&b||", "status|4294967295|session|||"},
		{"request|lookup|cache_type|smtp||", "status|4294967294|session|||"},
		{"request|seed|size|0||", "status|4294967294|seed|||"},
		{"request|seed|size|256||", "status|4294967294|seed|||"},
		{"request|tktkey|keyname|QUJD||", "status|4294967294|keybuf|||"},
		{"request|tktkey|keyname|QUJDQUJDQUJDQUJDQUJDQQ==||", "status|4294967295|keybuf|||"},
		{"request|dance||", "status|4294967294||"},
	} {
		if got := ask(t, m, test.request); got != test.want {
			t.Errorf("%s: %s, want %s", test.request, got, test.want)
		}
	}
	if got := ask(t, m, "request|seed|size|255||"); len(got) != len("status|0|seed|||")+340 {
		t.Errorf("seed: %s", got)
	}
	key := ask(t, m, "request|tktkey|keyname|||")
	if again := ask(t, m, "request|tktkey|keyname|||"); again != key || !strings.HasPrefix(key, "status|0|keybuf|") {
		t.Errorf("keys %s, %s", key, again)
	}
}

// Sessions are forgotten when they are old, and when there are too many.
func TestCache(t *testing.T) {
	defer msg.SetOutput(func(msg.Level, string) {})()
	c := newCache("smtp", tlsmgr.Client{Cache: "btree:x", Timeout: time.Hour}, false)
	now := time.Unix(1_800_000_000, 0)
	c.now = func() time.Time { return now }
	c.update("a", []byte("session"))
	now = now.Add(time.Hour)
	if c.lookup("a") == nil {
		t.Error("forgotten too early")
	}
	now = now.Add(time.Second)
	if c.lookup("a") != nil || len(c.entries) != 0 || c.bytes != 0 {
		t.Errorf("not forgotten: %d entries, %d bytes", len(c.entries), c.bytes)
	}
	c.update("a", bytes.Repeat([]byte("x"), mostSession+1))
	c.update(strings.Repeat("a", mostID+1), []byte("session"))
	c.update("a", nil)
	if len(c.entries) != 0 {
		t.Error("something too large is kept")
	}
	session := bytes.Repeat([]byte("x"), mostSession)
	for i := range mostBytes/mostSession + 10 {
		c.update(string(rune('a'+i)), session)
		if c.bytes > mostBytes || c.lookup(string(rune('a'+i))) == nil {
			t.Fatalf("%d: %d bytes", i, c.bytes)
		}
	}
	sum := 0
	for id, s := range c.entries {
		sum += s.size(id)
	}
	if sum != c.bytes {
		t.Errorf("%d bytes are %d", sum, c.bytes)
	}
}
