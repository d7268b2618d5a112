package main

import (
	"strings"
	"testing"

	"postrider/lib/base/match"
	"postrider/lib/base/msg"
)

// The first word that fits counts; what makes no sense ends a list.
func TestAccessList(t *testing.T) {
	var log []string
	t.Cleanup(msg.SetOutput(func(_ msg.Level, line string) { log = append(log, line) }))
	networks, err := match.Addresses("mynetworks", "192.0.2.0/24")
	if err != nil {
		t.Fatal(err)
	}
	const table = "cidr:{{198.51.100.1 permit},{198.51.100.2 Reject},{198.51.100.3 dunno},{198.51.100.4 foo},{198.51.100.5 permit_mynetworks, reject}}"
	for _, c := range []struct {
		list, address string
		want          verdict
		warning       string
	}{
		{"permit_mynetworks", "192.0.2.7", permit, ""},
		{"permit_mynetworks", "198.51.100.9", dunno, ""},
		{"permit_mynetworks, reject", "198.51.100.9", reject, ""},
		{table + ", reject", "198.51.100.1", permit, ""},
		{table + ", permit", "198.51.100.2", reject, ""},
		{table + ", reject", "198.51.100.3", reject, ""},
		{table + ", reject", "198.51.100.4", dunno, "unknown command: foo -- ignoring the remainder"},
		{table + ", permit", "198.51.100.5", reject, ""},
		{"dunno, reject", "198.51.100.9", dunno, ""},
		{"fail:broken, reject", "198.51.100.9", dunno, "table lookup error -- ignoring the remainder"},
		{"nonsense, reject", "198.51.100.9", dunno, "unknown command: nonsense"},
	} {
		log = nil
		a, err := openAccessList("postscreen_access_list", c.list, networks)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.check(c.address); got != c.want {
			t.Errorf("%s for %s: %v, want %v", c.list, c.address, got, c.want)
		}
		if text := strings.Join(log, "\n"); c.warning == "" && text != "" || !strings.Contains(text, c.warning) {
			t.Errorf("%s for %s: logged %q, want %q", c.list, c.address, text, c.warning)
		}
	}
}
