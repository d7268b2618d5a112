package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// The test binary is also the program of the services: master starts it under
// the name of a child below.
func TestMain(m *testing.M) {
	if child, found := children[filepath.Base(os.Args[0])]; found {
		child()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var children = map[string]func(){
	"smtpd":   func() { serve(false) }, // a name that gets the slack
	"echo":    func() { serve(false) },
	"crash":   func() { os.Exit(3) },
	"once":    func() { serve(true) }, // serves one client, then fails
	"trigger": trigger,
	"packet":  packet,
}

// report writes a status message, as every daemon of the suite does.
func report(status int32) {
	generation, _ := strconv.ParseUint(os.Getenv("GENERATION"), 8, 32)
	b := binary.NativeEndian.AppendUint32(nil, uint32(os.Getpid()))
	b = binary.NativeEndian.AppendUint32(b, uint32(generation))
	b = binary.NativeEndian.AppendUint32(b, uint32(status))
	if _, err := syscall.Write(statusFD, b); err != nil && status == statusFree {
		os.Exit(0) // master is gone, or has read its configuration again
	}
}

// facts describe the process to the client that talks with it.
func facts() string {
	slack, _ := os.ReadFile("/proc/self/timerslack_ns")
	flags, _, _ := syscall.Syscall(syscall.SYS_FCNTL, listenFD, syscall.F_GETFL, 0)
	return strings.Join([]string{
		strings.Join(os.Args, " "),
		"pid=" + strconv.Itoa(os.Getpid()),
		"slack=" + strings.TrimSpace(string(slack)),
		"procs=" + os.Getenv("GOMAXPROCS"),
		"generation=" + os.Getenv("GENERATION"),
		fmt.Sprint("nonblock=", flags&syscall.O_NONBLOCK != 0),
		"tag=" + os.Getenv("MAIL_LOGTAG"),
		"secret=" + os.Getenv("SECRET"),
		"flow=" + flow(),
	}, "; ") + "\n"
}

// flow passes one token through the pipe.
func flow() string {
	if _, err := syscall.Write(flowWriteFD, []byte{'x'}); err != nil {
		return err.Error()
	}
	var b [1]byte
	if _, err := syscall.Read(flowReadFD, b[:]); err != nil {
		return err.Error()
	}
	if _, err := syscall.Read(flowReadFD, b[:]); err != syscall.EAGAIN {
		return "blocks"
	}
	return "ok"
}

// busy is held while a client is served to the end.
var busy sync.Mutex

// serve tells each client what the process is, and keeps it until the client
// closes the connection.
func serve(once bool) {
	signal.Ignore(syscall.SIGPIPE)
	go leaveWithMaster()
	l, err := net.FileListener(os.NewFile(listenFD, "listen"))
	if err != nil {
		os.Exit(8)
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			os.Exit(7)
		}
		busy.Lock()
		report(statusTaken)
		conn.Write([]byte(facts()))
		conn.Read(make([]byte, 1))
		conn.Close()
		report(statusFree)
		busy.Unlock()
		if once {
			os.Exit(1)
		}
	}
}

// leaveWithMaster ends the process when master closes the status socket.
func leaveWithMaster() {
	var b [1]byte
	syscall.Read(statusFD, b[:])
	busy.Lock()
	os.Exit(0)
}

// trigger appends what it is woken up with to a file.
func trigger() {
	l, err := net.FileListener(os.NewFile(listenFD, "listen"))
	if err != nil {
		os.Exit(8)
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			os.Exit(7)
		}
		report(statusTaken)
		buf := make([]byte, 100)
		n, _ := conn.Read(buf)
		conn.Close()
		record(fmt.Sprintf("%q", buf[:n]))
		report(statusFree)
	}
}

// packet records the datagrams that come.
func packet() {
	buf := make([]byte, 100)
	conn, err := net.FilePacketConn(os.NewFile(listenFD, "listen"))
	if err != nil {
		os.Exit(8)
	}
	for {
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			os.Exit(7)
		}
		record(string(buf[:n]))
	}
}

// record writes a line into the FIFO from which the test reads.
func record(line string) {
	f, err := os.OpenFile("record", os.O_WRONLY, 0)
	if err != nil {
		os.Exit(6)
	}
	fmt.Fprintln(f, line)
	f.Close()
}
