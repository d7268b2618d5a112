package server

import (
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"postrider/lib/base/msg"
	"postrider/lib/base/option"
)

// options are what master(8) and master.cf say on the command line.
type options struct {
	chroot       bool          // -c
	keepStreams  bool          // -d
	stderr       bool          // -V
	maxIdle      time.Duration // -i
	one          bool          // -l
	maxUse       int           // -m
	overrides    []string      // -o
	sockets      int           // -s
	unprivileged bool          // -u
	unlimited    bool          // -z
}

func (p *Process) readOptions(args []string) {
	list, rest, err := option.Parse(args, "cdDi:lm:n:o:r:s:St:uvVz")
	if err != nil {
		msg.Fatal("%v", err)
	}
	o := options{sockets: 1}
	p.Service, p.Args = programName(), rest
	for _, opt := range list {
		switch opt.Letter {
		case 'c':
			o.chroot = true
		case 'd':
			o.keepStreams = true
		case 'i':
			o.maxIdle = time.Duration(positive('i', opt.Value)) * time.Second
		case 'l':
			o.one = true
		case 'm':
			o.maxUse = positive('m', opt.Value)
		case 'n':
			p.Service = opt.Value
		case 'o':
			o.overrides = append(o.overrides, opt.Value)
		case 's':
			o.sockets = positive('s', opt.Value)
		case 'S':
			p.Alone = true
		case 't':
			p.Type = opt.Value
		case 'u':
			o.unprivileged = true
		case 'v':
			msg.Verbose++
		case 'V':
			o.stderr = true
		case 'z':
			o.unlimited = true
		}
	}
	p.options = o
	p.Listen = nil
	for i := range o.sockets {
		p.Listen = append(p.Listen, firstListen+i)
	}
	generation, _ := strconv.ParseUint(os.Getenv("GENERATION"), 8, 32)
	p.generation = uint32(generation)
}

func positive(letter byte, text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		msg.Fatal("option -%c: %q is not a positive number", letter, text)
	}
	return n
}

// closeOnExec keeps the sockets of the suite away from commands that a daemon
// runs.
func (p *Process) closeOnExec() {
	if p.Alone {
		return
	}
	for fd := flowRead; fd < firstListen+p.options.sockets; fd++ {
		syscall.CloseOnExec(fd)
	}
}

func isTerminal(fd int) bool {
	var t [64]byte
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.TCGETS, uintptr(unsafe.Pointer(&t)))
	return errno == 0
}
