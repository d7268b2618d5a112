package interop

import (
	"bytes"
	"context"
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

// TestMain runs the tests in two machines at the same time: the second one does
// its share of TestPairs. A directory outside, /disk in both, has its report.
func TestMain(m *testing.M) {
	if os.Getenv("MACHINE_INSIDE") == "" && os.Getuid() == 0 {
		dir, err := os.MkdirTemp("", "interop")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Setenv("MACHINE_DISK", dir)
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { startSecond(ctx, dir) })
		machine.AtExit(func() {
			cancel()
			running.Wait()
			os.RemoveAll(dir)
		})
	}
	machine.Main(m)
}

// Files of the second machine's report, and the form of a line in it.
const (
	reportFile = "report"
	statusFile = "status"
	resultMark = "result of "
)

// startSecond runs the second machine and leaves its report.
func startSecond(ctx context.Context, dir string) {
	flag.Parse()
	run := flag.Lookup("test.run").Value.String()
	if run == "" {
		run = "^TestPairs$"
	}
	status := "0"
	if strings.Contains(run, "TestPairs") {
		out, err := second(ctx, run)
		if err != nil {
			status = err.Error()
		}
		os.WriteFile(filepath.Join(dir, reportFile), out, 0o644)
	}
	os.WriteFile(filepath.Join(dir, statusFile), []byte(status), 0o644)
}

func second(ctx context.Context, run string) ([]byte, error) {
	tree, err := machine.Tree()
	if err != nil {
		return nil, err
	}
	here, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	cmd, done, err := machine.Self(tree, here, "-test.run="+run)
	if err != nil {
		return nil, err
	}
	defer done()
	cmd.Env = append(cmd.Env, "INTEROP_SECOND=1")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { cmd.Process.Kill() })() // and all that is in the machine
	err = cmd.Wait()
	return out.Bytes(), err
}

// secondLimit is how long the second machine may take.
const secondLimit = 8 * time.Minute

// secondReport waits for the report of the second machine.
func secondReport() (report, status string) {
	for end := time.Now().Add(secondLimit); ; time.Sleep(20 * time.Millisecond) {
		if b, err := os.ReadFile("/disk/" + statusFile); err == nil && len(b) > 0 {
			report, _ := os.ReadFile("/disk/" + reportFile)
			os.Remove("/disk/" + reportFile)
			os.Remove("/disk/" + statusFile)
			return string(report), string(b)
		}
		if time.Now().After(end) {
			return "", "no report"
		}
	}
}
