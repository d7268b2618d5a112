package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"postrider/lib/base/msg"
	"postrider/lib/daemon/agent"
	"postrider/lib/mail/site"
	"postrider/lib/service/deliver"
)

func request(recipients ...string) *agent.Request {
	r := &agent.Request{Request: deliver.Request{QueueID: "ABC", Sender: "q r@x", NextHop: "HOP.Example", Size: 250,
		ClientAddress: "192.0.2.1", ClientHelo: "helo", EnvelopeID: "e1"}}
	for _, to := range recipients {
		r.Recipients = append(r.Recipients, &agent.Recipient{Recipient: deliver.Recipient{Address: to, Original: "Orig." + to}})
	}
	return r
}

// One word per recipient, folded and quoted as the flags say. S2.9.
func TestArguments(t *testing.T) {
	defer func() { service = attributes{} }()
	conf.Address.RecipientDelimiter = "+"
	for _, test := range []struct {
		flags, sender string
		argv, want    []string
	}{
		{"", "s@x", []string{"/p", "a=$recipient", "$sender", "${size}", "$(queue_id)", "$$", "two words"},
			[]string{"/p", "a=Joe+Ex@A.Example", "a=a b@b", "s@x", "250", "ABC", "$", "two words"}},
		{"", "s@x", []string{"$user:$domain", "$extension", "$mailbox", "$nexthop", "$client_address", "$client_port", "$envid"},
			[]string{"Joe:A.Example", "a b:b", "Ex", "", "Joe+Ex", "a b", "HOP.Example", "192.0.2.1", "", "e1"}},
		{"hqu", "q r@x", []string{"$recipient", "$user", "$domain", "$nexthop", "$sender", "$original_recipient"},
			[]string{"joe+ex@a.example", `"a b"@b`, "joe", "a b", "a.example", "b", "hop.example", `"q r"@x`,
				"orig.joe+ex@a.example", `"orig.a b"@b`}},
		{"", "", []string{"$sender", "-f$sender"}, []string{"MAILER-DAEMON", "-fMAILER-DAEMON"}},
	} {
		service = attributes{argv: test.argv, flags: test.flags, nullSender: "MAILER-DAEMON"}
		r := request("Joe+Ex@A.Example", "a b@b")
		r.Sender = test.sender
		if got, err := arguments(r); !slices.Equal(got, test.want) || err != nil {
			t.Errorf("%q: got %q %v\nwant %q", test.argv, got, err, test.want)
		}
	}
	service = attributes{argv: []string{"/p", "-f", "$sender", "x$nosuch"}}
	if _, err := arguments(request("a@b")); err == nil || err.Error() != `unknown macro name: "nosuch"` {
		t.Errorf("got %v", err)
	}
	service = attributes{argv: []string{"$sender"}, flags: "q"}
	r := request("a@b")
	r.Sender = ""
	if got, err := arguments(r); !slices.Equal(got, []string{""}) || err != nil {
		t.Errorf("empty null_sender: got %q %v", got, err)
	}
}

func TestAttributes(t *testing.T) {
	defer msg.SetOutput(func(msg.Level, string) {})()
	a, err := parse([]string{"flags=DRhuz.", "user=joe:users", "eol=\\r\\n", "null_sender=", "size=100", "directory=/d", "chroot=/c",
		"argv=/bin/x", "user=y", "b c"})
	if err != nil || a.flags != "DRhu." || a.userName != "joe:users" || a.eol != "\r\n" || a.nullSender != "" || a.size != 100 ||
		a.directory != "/d" || a.chroot != "/c" || !slices.Equal(a.argv, []string{"/bin/x", "user=y", "b c"}) {
		t.Errorf("got %+v %v", a, err)
	}
	if f := a.form(); f.From || !f.ReturnPath || f.Quote || !f.Dot || f.Blank || f.EOL != "\r\n" {
		t.Errorf("got %+v", f)
	}
	for args, want := range map[string]string{
		"argv=x":               "missing user= command-line attribute",
		"user=x":               "missing argv= command-line attribute",
		"user=x argv=":         "missing argv= command-line attribute",
		"user=x size=1k argv=": "bad size= value: 1k",
		"users=x argv=y":       "unknown attribute name: users",
		"x argv=y":             "unknown attribute name: x",
	} {
		if _, err := parse(strings.Fields(args)); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", args, err, want)
		}
	}
}

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{`\r\n`: "\r\n", `a\101\0b\1234\\`: "aA\x00bS4\\", `\x`: "x", `\`: `\`, "": ""} {
		if got := unescape(in); got != want {
			t.Errorf("%q: got %q", in, got)
		}
	}
}

// Nobody gets power over the mail system by an entry in master.cf.
func TestRefusedUsers(t *testing.T) {
	if _, err := os.Stat("/etc/passwd"); err != nil {
		t.Skip(err)
	}
	mail := &site.Params{MailOwner: "daemon", SetgidGroup: "mail"}
	for user, want := range map[string]string{
		"nobody":        "",
		"root":          "specifies root privileges",
		"daemon":        "specifies mail system owner daemon",
		"nobody:root":   "specifies privileged group id 0",
		"nobody:daemon": "specifies mail system owner daemon group id",
		"nobody:mail":   "specifies mail system mail group id",
		"no-such-user":  "unknown username: no-such-user",
		"nobody:nogrp":  "unknown group: nogrp",
	} {
		a := attributes{userName: user}
		err := a.findUser(mail)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v", user, err)
		}
	}
}
