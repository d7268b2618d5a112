// Package machine gives tests a whole machine to ruin: a copy-on-write view of
// this one, with its own network, processes and no mail system, in which a mail
// system can be installed and run as on any server.
package machine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Main is the TestMain of a package whose tests need a machine. It runs the
// test binary again, inside one.
func Main(m *testing.M) {
	if os.Getenv("MACHINE_INSIDE") != "" {
		os.Exit(m.Run())
	}
	if os.Getuid() != 0 {
		fmt.Println("skipped: these tests make a copy of the machine, which needs root")
		os.Exit(0)
	}
	code, err := again()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	for _, f := range atExit {
		f()
	}
	os.Exit(code)
}

var atExit []func()

// AtExit makes Main call f outside of the machine, when everything in it has
// ended.
func AtExit(f func()) { atExit = append(atExit, f) }

// again runs this binary with the same arguments inside a new machine.
func again() (int, error) {
	tree, err := Tree()
	if err != nil {
		return 0, err
	}
	dir, err := os.Getwd()
	if err != nil {
		return 0, err
	}
	cmd, done, err := Self(tree, dir, arguments()...)
	if err != nil {
		return 0, err
	}
	defer done()
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		if exit, ok := err.(*exec.ExitError); ok {
			return exit.ExitCode(), nil
		}
		return 0, err
	}
	return 0, nil
}

// arguments are those of this process, without files of "go test" that are out
// of reach inside.
func arguments() []string {
	var args []string
	for _, arg := range os.Args[1:] {
		if !strings.HasPrefix(arg, "-test.testlogfile=") && !strings.HasPrefix(arg, "-test.gocoverdir=") {
			args = append(args, arg)
		}
	}
	return args
}

// Self is a command that runs this program inside a new machine, in the
// directory dir of the tree. The caller calls done at the end.
func Self(tree, dir string, args ...string) (cmd *exec.Cmd, done func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	below, err := filepath.Rel(tree, dir)
	if err != nil {
		return nil, nil, err
	}
	work, err := os.MkdirTemp("", "machine")
	if err != nil {
		return nil, nil, err
	}
	args = append([]string{filepath.Join(tree, "test/machine/enter.sh"), work, tree,
		"/usr/bin/env", "-C", filepath.Join("/src", below), "/usr/local/bin/" + filepath.Base(self)}, args...)
	cmd = exec.Command("bash", args...)
	cmd.Env = append(os.Environ(), "MACHINE_COPY="+self)
	return cmd, func() { os.RemoveAll(work) }, nil
}

// Tree is the root of the source tree: above the current directory, or /src.
func Tree() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("no go.mod above the current directory")
}
