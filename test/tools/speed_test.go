package tools

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"postrider/test/machine"
)

// Bounds for tables of a million lines.
const (
	lines     = 1000000
	bound     = 0.5       // of stock's time
	memory    = 200 << 10 // kB
	rounds    = 2         // of both in turn; the fastest counts
	speedSide = "speed"
)

// A race is one kind of table that both make from the same source.
type race struct {
	command, kind, source string
}

var races = []race{
	{"postmap", "lmdb", "random"}, {"postmap", "lmdb", "sorted"}, {"postmap", "cdb", "random"}, {"postalias", "cdb", "aliases"},
}

// A Lap is what one command took.
type Lap struct {
	Race int
	Ours bool
	Time time.Duration
	Peak int64 // kB
}

// TestSpeed makes tables of a million lines with our commands and stock's, in turn
// and in one machine. Ours may take half of the time. S6.
func TestSpeed(t *testing.T) {
	if os.Getuid() != 0 || testing.Short() {
		t.Skip("makes a copy of the machine, which needs root, and large tables")
	}
	tree, err := machine.Tree()
	if err != nil {
		t.Fatal(err)
	}
	if debs, _ := filepath.Glob(filepath.Join(tree, "build/debs/postfix_*.deb")); len(debs) == 0 {
		t.Skip("build/debs has no packages of the stock mail system; test.sh fetches them")
	}
	cmd, done, err := machine.Self(tree, filepath.Join(tree, "test/tools"))
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	cmd.Env = append(cmd.Env, "TOOLS_SIDE="+speedSide)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	best, peaks := map[int][2]time.Duration{}, map[int]int64{}
	for text := bufio.NewScanner(bytes.NewReader(out)); text.Scan(); {
		var lap Lap
		if err := json.Unmarshal(text.Bytes(), &lap); err != nil {
			t.Fatal(text.Text())
		}
		best[lap.Race] = faster(best[lap.Race], lap)
		if lap.Ours {
			peaks[lap.Race] = max(peaks[lap.Race], lap.Peak)
		}
	}
	for i, r := range races {
		pair, ratio := best[i], relation(best[i])
		t.Logf("%s %s, %s: %.2f s against %.2f s: %.2f; %d MB", r.command, r.kind, r.source, pair[1].Seconds(), pair[0].Seconds(), ratio, peaks[i]>>10)
		if ratio == 0 || ratio > bound {
			t.Errorf("%s %s, %s: takes %.2f of stock's time, more than %.2f", r.command, r.kind, r.source, ratio, bound)
		}
		if peaks[i] > memory {
			t.Errorf("%s %s, %s: needs %d kB, more than %d", r.command, r.kind, r.source, peaks[i], memory)
		}
	}
}

// faster puts a lap into the best times, those of stock first.
func faster(best [2]time.Duration, lap Lap) [2]time.Duration {
	i := 0
	if lap.Ours {
		i = 1
	}
	if best[i] == 0 || lap.Time < best[i] {
		best[i] = lap.Time
	}
	return best
}

// relation is our time as a part of stock's, or 0 when one is not known.
func relation(best [2]time.Duration) float64 {
	if best[0] == 0 || best[1] == 0 {
		return 0
	}
	return best[1].Seconds() / best[0].Seconds()
}

// runSpeed runs the races inside the machine. One that is over the bound is run
// again: something else may have had the processors.
func runSpeed() {
	os.Setenv("DEBIAN_FRONTEND", "noninteractive")
	install(stock)
	old := time.Now().Add(-time.Minute) // see cool
	must(os.Chtimes("/etc/postfix/main.cf", old, old))
	must(os.MkdirAll(work, 0o755))
	writeSources()
	out := json.NewEncoder(os.Stdout)
	for i, r := range races {
		var best [2]time.Duration
		for n := 0; n < rounds || n < 2*rounds && relation(best) > bound; n++ {
			for _, ours := range []bool{false, true} {
				lap := r.run(ours)
				lap.Race = i
				best = faster(best, lap)
				must(out.Encode(lap))
			}
		}
	}
}

// run makes one table.
func (r race) run(ours bool) Lap {
	files, _ := filepath.Glob(work + "/*.*")
	for _, name := range files {
		os.Remove(name)
	}
	program := "/usr/sbin/" + r.command
	if ours {
		stage := os.Getenv("TOOLS_STAGE")
		if stage == "" {
			stage = "build/stage"
		}
		program = filepath.Join("/src", stage, program)
	}
	cmd := exec.Command(program, r.kind+":"+work+"/"+r.source)
	var text bytes.Buffer
	cmd.Stderr = &text
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		must(fmt.Errorf("%v: %w\n%s", cmd.Args, err, &text))
	}
	return Lap{Ours: ours, Time: time.Since(begin), Peak: cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss}
}

// writeSources writes the files that tables are made from. They are not kept in
// memory: a child's peak begins with that of its parent.
func writeSources() {
	line := func(i int, mark string) string {
		return fmt.Sprintf("user%07d@example%03d.com%s\tmailbox%07d@host%02d.example.net\n", i, i%500, mark, i, i%40)
	}
	mix := func(i int) int { return i * 618033 % lines } // each number once
	write := func(name string, text func(i int) string) {
		f, err := os.Create(filepath.Join(work, name))
		must(err)
		w := bufio.NewWriter(f)
		for i := range lines {
			w.WriteString(text(i))
		}
		must(w.Flush())
		must(f.Close())
	}
	write("sorted", func(i int) string { return line(i, "") })
	write("random", func(i int) string { return line(mix(i), "") })
	write("aliases", func(i int) string { return strings.Replace(line(mix(i), ":"), "@", ".", 1) })
}
