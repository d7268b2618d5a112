package interop

import (
	"fmt"
	"math/rand/v2"
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
