// Load measures what a message costs, on our system and on stock Postfix in
// turn, in the same run on the same machine, and prints the ratios.
//
//	go run ./test/load [-n messages] [-rounds n] [-rows discard,relay] [-disk DIR] [-calls]
//
// It needs root, build/stage (install.sh --root build/stage) and the stock
// package in build/debs; ./test.sh makes both. Each round runs in a machine of
// its own. The queue is in memory, or, with -disk, in a new file system in a file
// below DIR: an old one remembers what was deleted, and the system that comes
// second pays for the first. With -calls, perf counts system calls and context
// switches of each program.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"

	"postrider/test/machine"
)

// A Result is one row of one system.
type Result struct {
	System string
	Row    string
	Values map[string]float64 // unit -> value: "msg/s", "ms CPU", "switches"
}

var (
	messages = flag.Int("n", 3000, "messages of the simple rows")
	rounds   = flag.Int("rounds", 1, "rounds of both systems; medians are printed")
	only     = flag.String("rows", "", "rows to run, separated by commas; all when empty")
	disk     = flag.String("disk", "", "directory on a disk for the queue; memory when empty")
	calls    = flag.Bool("calls", false, "count system calls and switches of each program")
	inside   = flag.String("inside", "", "what this process is inside the machine: ours or stock")
)

func main() {
	flag.Parse()
	if *inside != "" {
		runInside(*inside)
		return
	}
	if err := compare(); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func compare() error {
	tree, err := machine.Tree()
	if err != nil {
		return err
	}
	var all []Result
	for range *rounds {
		for _, system := range []string{"stock", "ours"} {
			results, err := run(tree, system)
			if err != nil {
				return fmt.Errorf("%s: %w", system, err)
			}
			all = append(all, results...)
		}
	}
	print(all)
	return nil
}

// run runs all rows of one system in a new machine.
func run(tree, system string) ([]Result, error) {
	args := []string{"-inside", system, fmt.Sprintf("-n=%d", *messages), "-rows=" + *only, fmt.Sprintf("-calls=%v", *calls)}
	cmd, done, err := machine.Self(tree, tree, args...)
	if err != nil {
		return nil, err
	}
	defer done()
	if *disk != "" {
		dir, err := os.MkdirTemp(*disk, "load")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		image := filepath.Join(dir, "image")
		if out, err := exec.Command("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", image, "3g").CombinedOutput(); err != nil {
			return nil, fmt.Errorf("mkfs.ext4: %w\n%s", err, out)
		}
		cmd.Env = append(cmd.Env, "MACHINE_DISK="+dir)
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var results []Result
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var r Result
		if json.Unmarshal(lines.Bytes(), &r) == nil && r.Row != "" {
			fmt.Fprintf(os.Stderr, "%-6s %-10s %s\n", r.System, r.Row, values(r.Values))
			results = append(results, r)
		}
	}
	return results, cmd.Wait()
}

func values(v map[string]float64) string {
	var parts []string
	for _, unit := range units(v) {
		parts = append(parts, fmt.Sprintf("%s %s", number(v[unit]), unit))
	}
	return strings.Join(parts, ", ")
}

func units(v map[string]float64) []string {
	var list []string
	for unit := range v {
		list = append(list, unit)
	}
	sort.Strings(list)
	return list
}

func number(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// print writes medians and ratios.
// A key names a line of the table.
type key struct{ row, unit string }

// budget is what a message may cost: an allowance for each stage, made before
// the programs were.
var budget = map[key]string{
	{"discard", "smtpd calls/msg"}: "36", {"discard", "smtpd switches/msg"}: "11",
	{"discard", "cleanup calls/msg"}: "27", {"discard", "cleanup switches/msg"}: "5",
	{"discard", "qmgr calls/msg"}: "23", {"discard", "qmgr switches/msg"}: "2-3",
	{"discard", "discard calls/msg"}: "18", {"discard", "discard switches/msg"}: "4",
	{"discard", "suite calls/msg"}: "122", {"discard", "suite switches/msg"}: "33",
}

func print(all []Result) {
	sets := map[key]map[string][]float64{}
	var order []key
	for _, r := range all {
		for _, unit := range units(r.Values) {
			k := key{r.Row, unit}
			if sets[k] == nil {
				sets[k] = map[string][]float64{}
				order = append(order, k)
			}
			sets[k][r.System] = append(sets[k][r.System], r.Values[unit])
		}
	}
	fmt.Printf("%-10s %-28s %10s %10s %8s %8s\n", "row", "unit", "ours", "stock", "ratio", "budget")
	for _, k := range order {
		ours, stock := median(sets[k]["ours"]), median(sets[k]["stock"])
		ratio := "-"
		if stock != 0 && ours != 0 {
			ratio = fmt.Sprintf("%.2f", ours/stock)
		}
		fmt.Printf("%-10s %-28s %10s %10s %8s %8s\n", k.row, k.unit, number(ours), number(stock), ratio, budget[k])
	}
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	sort.Float64s(v)
	return v[len(v)/2]
}
