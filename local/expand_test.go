package main

import (
	"testing"

	"postrider/lib/base/account"
	"postrider/lib/daemon/agent"
	"postrider/lib/service/deliver"
)

// What $name stands for in forward_path and its kin. S2.7.
func TestExpand(t *testing.T) {
	const filter = "abcdefghijklmnopqrstuvwxyz/.+@"
	conf.Address.RecipientDelimiter = "+-"
	full := task{to: agent.Recipient{Recipient: deliver.Recipient{Address: "Joe-x y@d"}}, user: "joe", local: "joe-x y", extension: "x y", delimiter: "-",
		domain: "d", rights: rights{known: true, User: account.User{Home: "/home/joe", Shell: "/bin/sh"}}}
	bare := task{to: agent.Recipient{Recipient: deliver.Recipient{Address: "joe@d"}}, user: "joe", local: "joe", domain: "d"}
	for _, test := range []struct {
		t            task
		text, filter string
		want         string
		complete     bool
	}{
		{full, "$home/.forward${recipient_delimiter}${extension}", filter, "/home/joe/.forward_x_y", true},
		{full, "$home/.forward${recipient_delimiter}${extension}", "", "/home/joe/.forward-x y", true},
		{bare, "$home/.forward${recipient_delimiter}${extension}", filter, "/.forward+", false},
		{bare, "/f/$user", filter, "/f/joe", true},
		{bare, "/f/$(user)", filter, "/f/joe", true},
		{bare, "/f/${user}.x", filter, "/f/joe.x", true},
		{full, "${extension?E=$extension}${shell}", filter, "E=x_y/bin/sh", true},
		{bare, "${extension?{with}:{without}}", filter, "without", true},
		{bare, "${extension:none}", filter, "none", true},
		{full, "$recipient $local $domain", "", "Joe-x y@d joe-x y d", true},
		{full, "$recipient", filter, "_oe_x_y@d", true},
		{full, "A B$$", filter, "A B$", true},
		{bare, "$nosuch", filter, "", false},
	} {
		got, complete, err := test.t.expand(test.text, test.filter)
		if got != test.want || complete != test.complete || err != nil {
			t.Errorf("%s: got %q %v %v, want %q %v", test.text, got, complete, err, test.want, test.complete)
		}
	}
	if _, _, err := bare.expand("${user", filter); err == nil {
		t.Error("no error")
	}
}

func TestFilter(t *testing.T) {
	if got := filter("a b;`$(c)\xff\n", "abc$"); got != "a_b__$_c___" {
		t.Errorf("got %q", got)
	}
}

// S4.5.2: the limit of remembered destinations.
func TestSeen(t *testing.T) {
	s := newSeen(2)
	for i, test := range []struct {
		key  string
		want bool
	}{{"a", false}, {"A", true}, {"b", false}, {"c", false}, {"c", false}, {"b", true}} {
		if got := s.before("%s", test.key); got != test.want {
			t.Errorf("%d: got %v", i, got)
		}
	}
	s = newSeen(0)
	for range 2000 {
		s.before("%d", len(s.keys))
	}
	if len(s.keys) != 2000 || !s.has("%d", 1999) {
		t.Errorf("%d", len(s.keys))
	}
}
