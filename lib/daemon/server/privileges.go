package server

import (
	"os"
	"syscall"

	"postrider/lib/base/msg"
)

const prSetNoNewPrivs = 38

// leavePrivileges gives up all that the entry in master.cf does not grant:
// the rest of the file system with chroot, root with unprivileged. A process
// that gave up root can never get it back, not even through a setuid program.
func (p *Process) leavePrivileges() {
	if p.Alone || os.Getuid() != 0 {
		return
	}
	uid, gid, err := p.Owner()
	if err != nil {
		msg.Fatal("%v", err)
	}
	if p.options.chroot {
		must("chroot", syscall.Chroot(p.QueueDirectory))
		must("chdir", syscall.Chdir("/"))
	}
	if p.options.unprivileged {
		must("setgroups", syscall.Setgroups([]int{gid}))
		must("setgid", syscall.Setgid(gid))
		must("setuid", syscall.Setuid(uid))
		_, _, errno := syscall.AllThreadsSyscall(syscall.SYS_PRCTL, prSetNoNewPrivs, 1, 0)
		if errno != 0 {
			msg.Fatal("no_new_privs: %v", errno)
		}
		return
	}
	if p.daemon.Privileged {
		// Only the effective rights go: deliveries take those of the
		// recipient, each on a thread of its own.
		must("setgroups", syscall.Setgroups([]int{gid}))
		must("setegid", syscall.Setresgid(-1, gid, -1))
		must("seteuid", syscall.Setresuid(-1, uid, -1))
	}
}

func must(what string, err error) {
	if err != nil {
		msg.Fatal("%s: %v", what, err)
	}
}
