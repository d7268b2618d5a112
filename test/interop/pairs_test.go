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

// mixes are the systems that TestPairs makes: each program in the other system,
// and some at random.
func mixes() []mix {
	var list []mix
	for _, p := range programs {
		list = append(list, mix{stock, []string{p}}, mix{ours, []string{p}})
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 6 {
		m := mix{base: stock}
		for _, p := range programs {
			if random.IntN(2) == 0 {
				m.swapped = append(m.swapped, p)
			}
		}
		list = append(list, m)
	}
	return list
}

// TestPairs: each program works in the other system. A second machine tries two
// of three mixes at the same time, and while the other tests run in this one.
func TestPairs(t *testing.T) {
	second := os.Getenv("INTEROP_SECOND") != ""
	results := map[string]string{}
	want := baseline(t)
	list := mixes()
	for i, m := range list {
		if (i%3 > 0) == second {
			t.Run(m.String(), func(t *testing.T) { results[m.String()] = tryMix(t, m, want) })
		}
	}
	if second {
		for name, result := range results {
			fmt.Printf("%s%s: %s\n", resultMark, name, result)
		}
		return
	}
	report, status := secondReport()
	for line := range strings.Lines(report) {
		if text, ok := strings.CutPrefix(line, resultMark); ok {
			name, result, _ := strings.Cut(strings.TrimSpace(text), ": ")
			results[name] = result
		}
	}
	table := fmt.Sprintf("%-18s %-22s %s\n", "program", "ours in stock", "stock in ours")
	for i := range programs {
		table += fmt.Sprintf("%-18s %-22s %s\n", programs[i], results[list[2*i].String()], results[list[2*i+1].String()])
	}
	for _, m := range list[2*len(programs):] {
		table += fmt.Sprintf("%s: %s\n", m, results[m.String()])
	}
	t.Logf("\n%s", table)
	if status != "0" {
		t.Errorf("the second machine: %s\n%s", status, report)
	}
}

// tryMix sends the traffic through a system and compares what comes of it.
func tryMix(t *testing.T, m mix, want evidence) string {
	expected := trouble(want["log"])
	got := traffic(t, m)
	for _, line := range trouble(got["log"]) {
		if !slices.Contains(expected, line) {
			t.Error(line)
		}
	}
	if _, text := compareEvidence(want, got); text != "" {
		t.Errorf("differences (- stock, + %v):\n%s", m, text)
	}
	if t.Failed() {
		return "failed"
	}
	return "ok"
}
