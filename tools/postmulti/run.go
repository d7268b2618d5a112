package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"

	"postrider/lib/base/msg"
	"postrider/lib/base/text"
)

// each runs a command for all instances, and returns 1 when one of them failed.
func each(instances []*instance, name string, args []string) (status int) {
	for _, i := range instances {
		if i.command(name, args...) != 0 {
			status = 1
		}
	}
	return status
}

// wrap runs a command of postfix(1) for those instances that it is for.
func (r *request) wrap(all []*instance) (status int) {
	name, primary := r.words[0], all[0]
	starts := slices.Contains(text.Split(primary.PostmultiStartCommands), name)
	stops := slices.Contains(text.Split(primary.PostmultiStopCommands), name)
	controls := slices.Contains(text.Split(primary.PostmultiControlCommands), name)
	instances := r.selected(all)
	if stops {
		slices.Reverse(instances)
	}
	for _, i := range instances {
		words := r.words
		switch {
		case i.MultiInstanceEnable:
		case starts:
			words = []string{"check"}
		case stops, controls:
			continue
		}
		if i.command(filepath.Join(primary.CommandDirectory, "postfix"), words...) != 0 {
			status = 1
		}
	}
	return status
}

// command runs a command for the instance, and returns its exit status.
func (i *instance) command(name string, args ...string) int {
	msg.Debug("%s: %s %q", i.title(), name, args)
	cmd := exec.Command(name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = i.environment()
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return max(exit.ExitCode(), 1)
	case errors.Is(err, exec.ErrNotFound):
		err = syscall.ENOENT
	}
	msg.Error("%s: run %s: %v", i.title(), name, err)
	return 1
}

// postconf changes or asks for parameters of the instance. It says itself what
// is wrong.
func (i *instance) postconf(args ...string) {
	if i.command(filepath.Join(i.CommandDirectory, "postconf"), append([]string{"-c", i.dir}, args...)...) != 0 {
		os.Exit(1)
	}
}
