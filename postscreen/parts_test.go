package main

import (
	"testing"
	"time"
)

func TestParseSites(t *testing.T) {
	for _, c := range []struct {
		list, answers string
		want          int
	}{
		{"dnsbl.test", "127.0.0.2", 1},
		{"dnsbl.test*3", "127.0.0.2", 3},
		{"dnsbl.test=127.0.0.2*-2", "127.0.0.2", -2},
		{"dnsbl.test=127.0.0.2", "127.0.0.3", 0},
		{"dnsbl.test=127.0.[0..1].[2;4..6;9]", "127.0.1.5", 1},
		{"dnsbl.test=127.0.[0..1].[2;4..6;9]", "127.0.1.3", 0},
		{"dnsbl.test=127.0.0.2*2, dnsbl.test=127.0.0.3*4", "127.0.0.3 127.0.0.2", 6},
	} {
		sites, err := parseSites(c.list, func(domain string) (string, error) { return "public." + domain, nil })
		if err != nil || len(sites) != 1 || sites[0].public != "public.dnsbl.test" {
			t.Errorf("%s: %v, %v", c.list, sites, err)
			continue
		}
		sc := &score{goodTTL: unlimited, badTTL: unlimited}
		sc.add(sites[0], []string{c.answers[:9]}, 10)
		if len(c.answers) > 9 {
			sc = &score{goodTTL: unlimited, badTTL: unlimited}
			sc.add(sites[0], []string{c.answers[:9], c.answers[10:]}, 10)
		}
		if sc.total != c.want {
			t.Errorf("%s with %s: %d, want %d", c.list, c.answers, sc.total, c.want)
		}
	}
	for _, bad := range []string{"a.test*x", "a.test=127.0.0", "a.test=127.0.0.1.2", "a.test=127.0.0.[3", "a.test=127.0.0.[]",
		"a.test=127.0.0.256", "a.test=127.0.0.[9..3]", "a.test=127.0.0.3;4", "a..test", "a.test="} {
		if _, err := parseSites(bad, func(d string) (string, error) { return d, nil }); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func FuzzParseOctets(f *testing.F) {
	f.Add("127.0.0.[2;4..8]")
	f.Add("1.2.3.4")
	f.Fuzz(func(t *testing.T, pattern string) {
		if o, err := parseOctets(pattern); err == nil && o == nil {
			t.Error("neither octets nor an error")
		}
	})
}

func TestStamps(t *testing.T) {
	s, ok := parseStamps("1700000000;0;1;1;1")
	if !ok || s.String() != "1700000000;0;1;1;1" || s.latest() != 1700000000 {
		t.Errorf("%v %v", s, ok)
	}
	if old, ok := parseStamps("5;6"); !ok || old.String() != "5;6;0;0;0" {
		t.Errorf("%v %v", old, ok)
	}
	for _, bad := range []string{"", "x", "1;2;3;4;5;6", "-1", "1;;2"} {
		if _, ok := parseStamps(bad); ok {
			t.Errorf("%q is taken", bad)
		}
	}
	now := time.Unix(1600000000, 0)
	if due := s.due(allTests, now); due != allTests&^pregreet.set() {
		t.Errorf("due: %b", due)
	}
	if due := s.due(early, now.Add(1e9*time.Second)); due != early {
		t.Errorf("later due: %b", due)
	}
}

func TestParsePath(t *testing.T) {
	for in, want := range map[string]string{
		"FROM:<a@b.example> SIZE=1":   "a@b.example",
		"FROM: a@b.example BODY=7BIT": "a@b.example",
		"TO:<@x,@y:a@b.example>":      "a@b.example",
		`TO:<"a>b"@c.example>`:        "a>b@c.example",
		"FROM:<>":                     "",
		"FROM:":                       "",
		"FROM:<a":                     "a",
	} {
		if got, ok := parsePath(in); !ok || got != want {
			t.Errorf("%s: %q %v, want %q", in, got, ok, want)
		}
	}
	if _, ok := parsePath("FROM <a@b.example>"); ok {
		t.Error("no colon is needed")
	}
}

func TestTimers(t *testing.T) {
	l := &loop{}
	var list [5]timer
	order := ""
	for i, d := range []time.Duration{5, 1, 4, 2, 3} {
		l.after(&list[i], d*time.Hour, func() { order += string(rune('a' + i)) })
	}
	l.cancel(&list[2])
	l.cancel(&list[2])
	l.after(&list[1], 10*time.Hour, list[1].do)
	for len(l.timers) > 0 {
		next := l.timers[0]
		do := next.do
		l.cancel(next)
		do()
	}
	if order != "deab" {
		t.Errorf("order %s", order)
	}
}
