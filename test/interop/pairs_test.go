package interop

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// programs are those that can be exchanged one by one.
var programs = strings.Fields(`master smtpd cleanup trivial-rewrite qmgr local smtp lmtp bounce error pickup
	showq flush discard virtual pipe anvil proxymap postlogd sendmail postdrop postqueue postkick postsuper`)

// TestTraffic: the same traffic through both systems leaves the same mailboxes,
// notices, log lines and listings behind. S10.1, S10.4.
func TestTraffic(t *testing.T) {
	left, right := baseline(t), traffic(t, mix{base: ours})
	same, text := compareEvidence(left, right)
	t.Logf("%d lines are the same", same)
	if text != "" {
		t.Errorf("differences (- stock, + ours):\n%s", text)
	}
	compareReaders(t, left["log"], right["log"])
}

// TestJail: the same in the chroot jail that Debian uses.
func TestJail(t *testing.T) {
	left := newBed(t, mix{base: stock}).jail().traffic()
	right := newBed(t, mix{base: ours}).jail().traffic()
	same, text := compareEvidence(left, right)
	t.Logf("%d lines are the same", same)
	if text != "" {
		t.Errorf("differences (- stock, + ours):\n%s", text)
	}
}

// jail has most daemons run with the queue as their root directory.
func (b *bed) jail() *bed {
	original, err := os.ReadFile("testdata/master.cf")
	if err != nil {
		b.t.Fatal(err)
	}
	pattern := regexp.MustCompile(`(?m)^(\S+ +\S+ +\S+ +\S+ +)n( +\S+ +\S+ +(?:smtpd|pickup|cleanup|trivial-rewrite|bounce|flush|smtp|showq|error|discard|lmtp|anvil))$`)
	text := pattern.ReplaceAllString(string(original), "${1}y$2")
	if n := len(pattern.FindAllString(string(original), -1)); n < 12 {
		b.t.Fatalf("%d services in the jail", n)
	}
	if err := os.WriteFile("/etc/postfix/master.cf", []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { os.WriteFile("/etc/postfix/master.cf", original, 0o644) })
	return b
}

var base evidence

// baseline is what the traffic leaves behind in the stock system.
func baseline(t *testing.T) evidence {
	if base == nil {
		base = traffic(t, mix{base: stock})
	}
	return base
}

// TestPairs: each program works in the other system.
func TestPairs(t *testing.T) {
	want := baseline(t)
	expected := trouble(want["log"])
	results := map[string]string{}
	try := func(m mix) {
		t.Run(m.String(), func(t *testing.T) {
			results[m.String()] = "failed"
			got := traffic(t, m)
			for _, line := range trouble(got["log"]) {
				if !slices.Contains(expected, line) {
					t.Error(line)
				}
			}
			if _, text := compareEvidence(want, got); text != "" {
				t.Errorf("differences (- stock, + %v):\n%s", m, text)
			}
			if !t.Failed() {
				results[m.String()] = "ok"
			}
		})
	}
	table := fmt.Sprintf("%-18s %-22s %s\n", "program", "ours in stock", "stock in ours")
	for _, p := range programs {
		inStock, inOurs := mix{stock, []string{p}}, mix{ours, []string{p}}
		try(inStock)
		try(inOurs)
		table += fmt.Sprintf("%-18s %-22s %s\n", p, results[inStock.String()], results[inOurs.String()])
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 6 {
		m := mix{base: stock}
		for _, p := range programs {
			if random.IntN(2) == 0 {
				m.swapped = append(m.swapped, p)
			}
		}
		try(m)
		table += fmt.Sprintf("%s: %s\n", m, results[m.String()])
	}
	t.Logf("\n%s", table)
}
