// Package tools compares the administrator's commands with those of Debian's
// postfix: the same files, command lines and input in two machines, and then the
// same output, errors and exit statuses. The cases are in testdata.
package tools

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"postrider/test/machine"
)

var (
	only = flag.String("files", "", "pattern of the case files to run, without .txt; all when empty")
	show = flag.Bool("show", false, "show all results, as they are compared, and what the explained ones differ in")
)

func TestMain(m *testing.M) {
	flag.Parse()
	switch name := os.Getenv("TOOLS_SIDE"); name {
	case "":
	case speedSide:
		runSpeed()
		os.Exit(0)
	default:
		runInside(side(name))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestTools runs all cases in both machines. A case that differs says why, in
// words that stand in docs/differences.md too; such a note that is no longer
// needed is an error as well.
func TestTools(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("makes copies of the machine, which needs root")
	}
	tree, err := machine.Tree()
	if err != nil {
		t.Fatal(err)
	}
	if debs, _ := filepath.Glob(filepath.Join(tree, "build/debs/postfix_*.deb")); len(debs) == 0 {
		t.Skip("build/debs has no packages of the stock mail system; test.sh fetches them")
	}
	reasons, err := os.ReadFile(filepath.Join(tree, "docs/differences.md"))
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := readScripts(*only)
	if err != nil {
		t.Fatal(err)
	}
	c := comparison{t: t, reasons: string(reasons)}
	c.results = runBoth(t, tree)
	for _, s := range scripts {
		c.script(s)
	}
	t.Logf("%d cases: %d equal, %d differ for a reason, %d differ without", c.cases, c.equal, c.explained, c.cases-c.equal-c.explained)
	fmt.Printf("%d cases, %d equal, %d differ for a reason\n", c.cases, c.equal, c.explained)
}

// A side is one of the two mail systems.
type side string

const (
	stock side = "stock"
	ours  side = "ours"
)

// A Result is what one command did.
type Result struct {
	File   string
	Line   int
	Status int
	Stdout string
	Stderr string
	Time   time.Duration
}

type place struct {
	side side
	file string
	line int
}

// machines of each side run at the same time, each with a part of the scripts.
var machines = map[side]int{stock: 3, ours: 1}

// runBoth runs all cases of both sides.
func runBoth(t *testing.T, tree string) map[place]Result {
	results := make(map[place]Result)
	var lock sync.Mutex
	var wait sync.WaitGroup
	for who, n := range machines {
		for part := range n {
			wait.Go(func() {
				list, err := runSide(tree, who, part, n)
				if err != nil {
					t.Errorf("%s: %v", who, err)
				}
				lock.Lock()
				defer lock.Unlock()
				for _, r := range list {
					results[place{who, r.File, r.Line}] = r
				}
			})
		}
	}
	wait.Wait()
	return results
}

// runSide runs this program in a new machine, and collects what it says. Each
// of n machines does its part of the scripts.
func runSide(tree string, who side, part, n int) ([]Result, error) {
	cmd, done, err := machine.Self(tree, filepath.Join(tree, "test/tools"), "-files", *only)
	if err != nil {
		return nil, err
	}
	defer done()
	cmd.Env = append(cmd.Env, "TOOLS_SIDE="+string(who), fmt.Sprintf("TOOLS_PART=%d/%d", part, n))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var list []Result
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var r Result
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %s\n", who, lines.Text())
			continue
		}
		list = append(list, r)
	}
	return list, cmd.Wait()
}

// A comparison counts what is equal.
type comparison struct {
	t                       *testing.T
	reasons                 string // docs/differences.md
	results                 map[place]Result
	cases, equal, explained int
}

// script compares the results of one file.
func (c *comparison) script(s *script) {
	for _, step := range s.steps {
		var got [2]Result
		missing := false
		for i, who := range []side{stock, ours} {
			r, found := c.results[place{who, s.name, step.line}]
			missing = missing || !found
			got[i] = normal(r)
		}
		switch {
		case missing:
			c.t.Errorf("%s:%d: not run: %s", s.path(), step.line, step.command)
		case step.prepares:
			if got[0].Status != 0 || got[1].Status != 0 {
				c.t.Errorf("%s:%d: %s: status %d and %d\n%s%s", s.path(), step.line, step.command,
					got[0].Status, got[1].Status, got[0].Stderr, got[1].Stderr)
			}
		default:
			c.step(s, step, got[0], got[1])
		}
	}
}

func (c *comparison) step(s *script, step *step, stock, ours Result) {
	c.cases++
	var differences []string
	for _, part := range parts {
		a, b := part.of(stock), part.of(ours)
		reason, listed := step.differs[part.name]
		switch {
		case a == b && listed:
			c.t.Errorf("%s:%d: %s: no longer differs in %s (%s)", s.path(), step.line, step.command, part.name, reason)
		case a != b && listed && !strings.Contains(c.reasons, reason):
			c.t.Errorf("%s:%d: %s: docs/differences.md does not say %q", s.path(), step.line, step.command, reason)
		case a != b && listed && *show:
			fmt.Printf("%s:%d: $ %s\n  differs in %s: %s\n%s", s.path(), step.line, step.command, part.name, reason, diff(a, b))
		case a != b && !listed:
			differences = append(differences, "  "+part.name+" (- stock, + ours):\n"+diff(a, b))
		}
		if strings.Contains(b, "goroutine ") || strings.Contains(b, "runtime error") {
			c.t.Errorf("%s:%d: %s: a trace:\n%s", s.path(), step.line, step.command, b)
		}
	}
	switch {
	case len(differences) > 0:
		c.t.Errorf("%s:%d: $ %s\n%s", s.path(), step.line, step.command, strings.Join(differences, ""))
	case len(step.differs) > 0:
		c.explained++
	default:
		c.equal++
	}
	if *show {
		fmt.Printf("%s:%d: $ %s\n%s%s    status %d (%v; stock %v)\n", s.path(), step.line, step.command,
			indent(ours.Stdout), indent(ours.Stderr), ours.Status, ours.Time, stock.Time)
	}
}

// parts are what is compared of a result.
var parts = []struct {
	name string
	of   func(Result) string
}{
	{"stdout", func(r Result) string { return r.Stdout }},
	{"stderr", func(r Result) string { return r.Stderr }},
	{"status", func(r Result) string { return fmt.Sprintln(r.Status) }},
}

// diff shows where two texts differ: without the lines that both have at their
// begin and end.
func diff(a, b string) string {
	x, y := strings.SplitAfter(a, "\n"), strings.SplitAfter(b, "\n")
	for len(x) > 0 && len(y) > 0 && x[0] == y[0] {
		x, y = x[1:], y[1:]
	}
	for len(x) > 0 && len(y) > 0 && x[len(x)-1] == y[len(y)-1] {
		x, y = x[:len(x)-1], y[:len(y)-1]
	}
	var text strings.Builder
	for _, line := range x {
		fmt.Fprintf(&text, "    - %s\n", strings.TrimSuffix(line, "\n"))
	}
	for _, line := range y {
		fmt.Fprintf(&text, "    + %s\n", strings.TrimSuffix(line, "\n"))
	}
	return text.String()
}

func indent(text string) string {
	if text == "" {
		return ""
	}
	return "    " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ") + "\n"
}
