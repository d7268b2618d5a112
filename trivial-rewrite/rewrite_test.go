package main

import (
	"testing"

	_ "postrider/lib/base/table/all"
	"postrider/lib/mail/param"
	"postrider/lib/service/rewrite"
)

// configure loads settings over the defaults.
func configure(t *testing.T, settings ...string) {
	t.Helper()
	s := param.New(t.TempDir())
	for _, text := range append([]string{"myhostname=mail.example.com", "mydomain=example.com", "myorigin=example.com", "inet_interfaces=127.0.0.1",
		"mydestination=example.com, mail.example.com", "append_dot_mydomain=yes"}, settings...) {
		if err := s.OverrideText(text); err != nil {
			t.Fatal(err)
		}
	}
	conf = params{}
	if err := s.Load(&conf); err != nil {
		t.Fatal(err)
	}
}

// S4.6.1: rewriting to standard form.
func TestStandardForm(t *testing.T) {
	configure(t)
	for in, want := range map[string]string{
		"joe":                   "joe@example.com",
		"joe@host":              "joe@host.example.com",
		"joe@host.example.org":  "joe@host.example.org",
		"joe@host.example.org.": "joe@host.example.org",
		"@relay.x,@b.x:joe@y.z": "joe@y.z",
		"user%dom.x":            "user@dom.x",
		"a%b%c.x":               "a%b@c.x",
		"site!user":             "user@site.example.com",
		"a!b!user":              "b!user@a.example.com",
		"user%dom.x@relay.z":    "user%dom.x@relay.z",
		`"a%b"`:                 "a%b@example.com", // quotes have protected it
		`"two words"@x`:         `"two words"@x.example.com`,
		"joe@[192.0.2.1]":       "joe@[192.0.2.1]",
		"":                      "",
	} {
		if got := standardForm(rewrite.Local, in); got != want {
			t.Errorf("local %s: %s, want %s", in, got, want)
		}
	}
	for in, want := range map[string]string{"joe": "joe", "joe@host": "joe@host", "site!user": "user@site", "@a:joe@b": "joe@b"} {
		if got := standardForm(rewrite.Remote, in); got != want {
			t.Errorf("remote %s: %s, want %s", in, got, want)
		}
	}
	configure(t, "swap_bangpath=no", "allow_percent_hack=no", "append_at_myorigin=no", "append_dot_mydomain=no", "remote_header_rewrite_domain=invalid.domain")
	for in, want := range map[string]string{"site!user": "site!user", "a%b": "a%b", "joe@host": "joe@host"} {
		if got := standardForm(rewrite.Local, in); got != want {
			t.Errorf("bare %s: %s, want %s", in, got, want)
		}
	}
}

type way struct{ transport, hop, recipient string }

func check(t *testing.T, sender string, cases map[string]way) *resolver {
	t.Helper()
	r, err := newResolver(conf.Ways)
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range cases {
		reply := r.resolve(sender, in)
		if got := (way{reply.Transport, reply.NextHop, reply.Recipient}); got != want {
			t.Errorf("%s: %v, want %v", in, got, want)
		}
	}
	return r
}

// S2.6: local or remote, transport, next hop.
func TestResolve(t *testing.T) {
	configure(t, "virtual_alias_domains=alias.example", "virtual_mailbox_domains=box.example", "relay_domains=relay.example")
	r := check(t, "me@x.example", map[string]way{
		"joe@example.com":                          {"local", "mail.example.com", "joe@example.com"},
		"joe@EXAMPLE.com":                          {"local", "mail.example.com", "joe@EXAMPLE.com"},
		"joe@[127.0.0.1]":                          {"local", "mail.example.com", "joe@[127.0.0.1]"},
		"joe@alias.example":                        {"error", "5.1.1 User unknown in virtual alias table", "joe@alias.example"},
		"joe@box.example":                          {"virtual", "box.example", "joe@box.example"},
		"joe@relay.example":                        {"relay", "relay.example", "joe@relay.example"},
		"joe@sub.relay.example":                    {"relay", "sub.relay.example", "joe@sub.relay.example"},
		"joe@other.example":                        {"smtp", "other.example", "joe@other.example"},
		"joe@other.example.":                       {"smtp", "other.example", "joe@other.example"},
		"joe%other.example@example.com":            {"smtp", "other.example", "joe@other.example"},
		"a%b.example%example.com@mail.example.com": {"smtp", "b.example", "a@b.example"},
		"joe@other.example@example.com":            {"smtp", "other.example", "joe@other.example"},
		"":                                         {"local", "mail.example.com", "MAILER-DAEMON@mail.example.com"},
		"joe@[192.0.2.7]":                          {"smtp", "[192.0.2.7]", "joe@[192.0.2.7]"},
	})
	for in, want := range map[string]rewrite.Flags{
		"joe@example.com":    rewrite.ClassLocal,
		"joe@other.example":  rewrite.ClassDefault,
		"a%b@other.example":  rewrite.ClassDefault | rewrite.FlagRouted,
		"a@b@other.example":  rewrite.ClassDefault | rewrite.FlagRouted,
		"-joe@other.example": rewrite.ClassDefault | rewrite.FlagError,
		"joe@bad domain":     rewrite.ClassDefault | rewrite.FlagError,
		"joe@":               rewrite.ClassDefault | rewrite.FlagError,
	} {
		if got := r.resolve("", in).Flags; got != want {
			t.Errorf("%s: flags %d, want %d", in, got, want)
		}
	}
}

// S5.1, S4.6.5: relay hosts, transport tables, people who moved.
func TestResolveTables(t *testing.T) {
	configure(t, "relayhost=[gate.example]", "relocated_maps=inline:{{old@example.com=new@there.example}}",
		"sender_dependent_relayhost_maps=inline:{{boss@x.example=[fast.example]:587}}",
		"transport_maps=inline:{{a.example=slow:} {.b.example=:hop.example} {joe@c.example=uucp:site} {d.example=:} {e.example=discard:why}}")
	check(t, "me@x.example", map[string]way{
		"joe@other.example": {"smtp", "[gate.example]", "joe@other.example"},
		"old@example.com":   {"error", "5.1.6 User has moved to new@there.example", "old@example.com"},
		"joe@a.example":     {"slow", "a.example", "joe@a.example"},
		"joe@z.a.example":   {"smtp", "[gate.example]", "joe@z.a.example"},
		"joe@z.b.example":   {"smtp", "hop.example", "joe@z.b.example"},
		"joe@c.example":     {"uucp", "site", "joe@c.example"},
		"jim@c.example":     {"smtp", "[gate.example]", "jim@c.example"},
		"joe@d.example":     {"smtp", "[gate.example]", "joe@d.example"},
		"joe@e.example":     {"discard", "why", "joe@e.example"},
	})
	configure(t, "relocated_prefix_enable=no", "relocated_maps=inline:{{old@example.com=5.1.1 gone}}")
	check(t, "", map[string]way{"old@example.com": {"error", "5.1.1 gone", "old@example.com"}})
}

// A relay host for one sender.
func TestResolveSender(t *testing.T) {
	configure(t, "sender_dependent_relayhost_maps=inline:{{boss@x.example=[fast.example]:587}}")
	check(t, "boss@x.example", map[string]way{"joe@other.example": {"smtp", "[fast.example]:587", "joe@other.example"}})
}

func FuzzResolve(f *testing.F) {
	f.Add("joe%a@b@example.com")
	f.Fuzz(func(t *testing.T, a string) {
		configure(t)
		r, err := newResolver(conf.Ways)
		if err != nil {
			t.Fatal(err)
		}
		standardForm(rewrite.Local, a)
		r.resolve("", a)
	})
}
