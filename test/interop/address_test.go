package interop

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"postrider/lib/service/ipc"
	"postrider/lib/service/rewrite"
	"postrider/test/machine"
	"postrider/test/script"
)

// addressSettings are the configurations with which addresses are resolved.
var addressSettings = [][]string{
	nil,
	{"append_dot_mydomain=yes", "remote_header_rewrite_domain=domain.invalid", "relayhost=[relay.other.example]:26"},
	{"swap_bangpath=no", "allow_percent_hack=no", "append_at_myorigin=no", "append_dot_mydomain=yes"},
	{"resolve_dequoted_address=no", "allow_min_user=yes", "resolve_null_domain=yes", "resolve_numeric_domain=yes", "default_transport=lmtp:unix:/x"},
	{"transport_maps=inline:{{alice@example.com=pipe:}, {.host=smtp:[up]}, {host=:[down]}, {remote.example=relay}, {a..b@example.com=error:}, {*=smtp:any}}",
		"parent_domain_matches_subdomains="},
	{"sender_dependent_relayhost_maps=inline:{{@s.example=[hop.example]}, {sender@s.example=DUNNO}}",
		"sender_dependent_default_transport_maps=inline:{{@s.example=lmtp:inet:x}}", "virtual_alias_domains=va.example, remote.example", "mydestination="},
}

// TestAddresses: trivial-rewrite of both systems makes the same of all
// addresses. S10.6.
func TestAddresses(t *testing.T) {
	text, err := os.ReadFile("testdata/addresses.txt")
	if err != nil {
		t.Fatal(err)
	}
	addresses := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	seen := map[string]bool{} // the same difference is reported once
	for _, settings := range addressSettings {
		want, got := ask(t, stock, addresses, settings), ask(t, ours, addresses, settings)
		same := 0
		for i, question := range want {
			if got[i] == question {
				same++
			} else if !seen[question+got[i]] {
				seen[question+got[i]] = true
				t.Errorf("%v\n- %s\n+ %s", settings, question, got[i])
			}
		}
		t.Logf("%v: %d of %d answers are the same", settings, same, len(want))
	}
}

// ask puts all questions about all addresses to one system.
func ask(t *testing.T, s side, addresses, settings []string) (answers []string) {
	t.Helper()
	b := newBed(t, mix{base: s}, settings...)
	b.start()
	defer b.stop()
	client := ipc.Client{Path: machine.Queue + "/private/rewrite", Protocol: rewrite.Protocol,
		Timeout: waitLimit, Idle: time.Minute, Life: time.Minute}
	defer client.Close()
	for _, line := range addresses {
		address := script.Unescape(strings.ReplaceAll(strings.ReplaceAll(line, `\"`, `\\"`), `\\b`, `\\\\b`))
		for _, rule := range []string{rewrite.Local, rewrite.Remote} {
			var r rewrite.RewriteReply
			client.CallForever(rewrite.RewriteRequest{Request: "rewrite", Rule: rule, Address: address}, &r)
			answers = append(answers, fmt.Sprintf("rewrite %s %q: %q", rule, address, r.Address))
		}
		for _, sender := range []string{"", "sender@s.example", "other@s.example"} {
			var r rewrite.ResolveReply
			client.CallForever(rewrite.ResolveRequest{Request: "resolve", Sender: sender, Address: address}, &r)
			if r.Flags&rewrite.FlagError != 0 {
				r = rewrite.ResolveReply{Flags: r.Flags} // nobody looks at the rest
			}
			answers = append(answers, fmt.Sprintf("resolve %q from %q: %q %q %q %d", address, sender, r.Transport, r.NextHop, r.Recipient, r.Flags))
		}
	}
	return answers
}

// TestProbes: sendmail -bv reports the same about odd recipients.
func TestProbes(t *testing.T) {
	text, err := os.ReadFile("testdata/addresses.txt")
	if err != nil {
		t.Fatal(err)
	}
	addresses := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	want, got := probe(t, stock, addresses), probe(t, ours, addresses)
	same, differences := compareLines(want, got)
	if len(differences) > 0 {
		t.Errorf("(- stock, + ours):\n%s", report(differences))
	}
	t.Logf("%d lines about %d addresses are the same", same, len(addresses))
}

// probe returns what sendmail says about each address, and what is logged about
// the probes.
func probe(t *testing.T, s side, addresses []string) string {
	t.Helper()
	b := newBed(t, mix{base: s}, "relayhost=[127.0.0.1]:2525")
	sinks := startSinks(t)
	defer sinks.close()
	b.start()
	answers := ""
	for _, address := range addresses {
		if address == "@" {
			continue // an error of different kinds
		}
		out, status := machine.Run("", "/mix/bin/sendmail", "-f", "bob", "-bv", "--", address)
		answers += fmt.Sprintf("%s: %v %s\n", address, status == 0, strings.TrimPrefix(out, "sendmail: "))
	}
	b.settle()
	b.stop()
	for line := range strings.Lines(b.log()) {
		if strings.Contains(line, "able (") && !strings.Contains(line, "(bad address syntax)") {
			answers += line
		}
	}
	return normal(answers, nil)
}
