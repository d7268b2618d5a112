package main

import (
	"strings"
	"testing"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/mail/param"
	"postrider/lib/net/dialogue"
	"postrider/lib/net/sasl"
	"postrider/lib/net/sasl/client"
	"postrider/lib/net/starttls"
)

// A refusal is remembered for one password and for a time; the table has the form that
// other systems write.
func TestRefusedLogins(t *testing.T) {
	settings := param.New(t.TempDir())
	if err := load(settings); err != nil {
		t.Fatal(err)
	}
	m, err := table.Open("internal:"+t.Name(), table.Writable)
	if err != nil {
		t.Fatal(err)
	}
	c := &refusedLogins{m.(table.Updater)}
	who := client.Login{User: "ann", Password: "secret"}
	if why := c.find("mx", who); why != nil {
		t.Errorf("nothing was refused: %+v", why)
	}
	c.add("mx", who, dialogue.Reply{Code: 535, Status: "5.7.8", Lines: []string{"535 5.7.8 no; never"}})
	value, _, _ := m.Lookup("mx;ann")
	if !strings.HasSuffix(value, ";5en6G6MezRroT3XKqkdPOmY/BfQ=;5.7.8;535 5.7.8 no; never") || strings.Contains(value, "secret") {
		t.Errorf("the table has %q", value)
	}
	if why := c.find("mx", who); why == nil || why.Status != "4.7.8" || why.Reason != "SASL [CACHED] authentication failed; server mx said: 535 5.7.8 no; never" {
		t.Errorf("%+v", why)
	}
	if why := c.find("mx2", who); why != nil {
		t.Errorf("another server: %+v", why)
	}
	conf.SASL.AuthCacheTime = -time.Second
	if why := c.find("mx", who); why != nil {
		t.Errorf("too old: %+v", why)
	}
	c.add("mx", who, dialogue.Reply{Code: 535, Status: "5.7.8", Lines: []string{"535 no"}})
	who.Password = "other"
	conf.SASL.AuthCacheTime = time.Hour
	if why := c.find("mx", who); why != nil {
		t.Errorf("another password: %+v", why)
	}
	if _, found, _ := m.Lookup("mx;ann"); found {
		t.Error("what is of no use any more stays in the table")
	}
	defer msg.SetOutput(func(msg.Level, string) {})()
	m.(table.Updater).Update("mx;ann", "nonsense")
	if why := c.find("mx", who); why != nil {
		t.Errorf("nonsense: %+v", why)
	}
}

// TestLoginOptions: what a mechanism must withstand depends on TLS.
func TestLoginOptions(t *testing.T) {
	settings := param.New(t.TempDir())
	for name, value := range map[string]string{"smtp_sasl_auth_enable": "yes", "smtp_sasl_password_maps": "static:a:b",
		"smtp_sasl_tls_security_options": "noanonymous", "smtp_sasl_tls_verified_security_options": "mutual_auth"} {
		settings.Override(name, value)
	}
	useSettings(t, settings)
	defer func() { logins = nil }()
	for name, c := range map[string]struct {
		tls  *starttls.Session
		want sasl.Properties // that is allowed
	}{
		"none":     {nil, 0},
		"tls":      {&starttls.Session{}, sasl.Plaintext},
		"verified": {&starttls.Session{Trust: starttls.Verified}, sasl.MutualAuth | sasl.Plaintext},
	} {
		s := &session{tls: c.tls}
		if o := s.loginOptions(); !o.Allow(c.want) || o.Allow(sasl.Plaintext) == (name != "tls") {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

// Mistakes in the settings are reported at start.
func TestLoginSettings(t *testing.T) {
	for _, set := range []string{"smtp_sasl_type=dovecot", "smtp_sasl_security_options=bogus", "smtp_sasl_password_maps=",
		"smtp_sasl_auth_cache_name=btree:/x", "smtp_sasl_auth_cache_name=proxy:btree:/x, proxy:btree:/y"} {
		settings := param.New(t.TempDir())
		settings.Override("smtp_sasl_auth_enable", "yes")
		settings.Override("smtp_sasl_password_maps", "static:a:b")
		name, value, _ := strings.Cut(set, "=")
		settings.Override(name, value)
		if err := load(settings); err != nil {
			t.Fatal(err)
		}
		if _, err := openLogins(); err == nil {
			t.Errorf("%s is taken", set)
		}
	}
}
