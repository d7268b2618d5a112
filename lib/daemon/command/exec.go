package command

import (
	"os"
	"syscall"
)

func execve(path string, args []string) error { return syscall.Exec(path, args, os.Environ()) }
