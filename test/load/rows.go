package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// mailboxes is the number of users who get mail in row mailbox.
const mailboxes = 10

// A row is one kind of load.
type row struct {
	name     string
	settings []string
	run      func(*system) map[string]float64
}

var rows = []row{
	{"accept", []string{"smtpd_recipient_restrictions=check_client_access static:HOLD, permit"}, func(s *system) map[string]float64 {
		return s.source(*messages, held(*messages))
	}},
	{"discard", []string{"local_transport=discard:silently"}, func(s *system) map[string]float64 {
		return s.source(*messages, drained)
	}},
	{"relay", []string{"relayhost=[127.0.0.1]:2525"}, func(s *system) map[string]float64 {
		s.startSink()
		return s.source(*messages, drained, "-t", "b@remote.example")
	}},
	{"mailbox", nil, func(s *system) map[string]float64 {
		return s.toMailboxes(*messages / 2)
	}},
	{"50rcpt", []string{"local_transport=discard:silently"}, func(s *system) map[string]float64 {
		return s.source(*messages/10, drained, "-r", "50")
	}},
	{"1MB", []string{"local_transport=discard:silently"}, func(s *system) map[string]float64 {
		return s.source(*messages/20, drained, "-l", "1048576")
	}},
	{"sendmail", []string{"local_transport=discard:silently"}, func(s *system) map[string]float64 {
		return s.submit(*messages / 10)
	}},
	{"latency", []string{"relayhost=[127.0.0.1]:2525"}, (*system).latency},
	{"queue", []string{"smtpd_recipient_restrictions=check_client_access static:HOLD, permit"}, (*system).queue},
	{"memory", []string{"local_transport=discard:silently"}, (*system).memory},
}

// source sends n messages over 20 connections at a time, and waits until they
// are where they belong.
func (s *system) source(n int, done func() bool, args ...string) map[string]float64 {
	load := func(n int) {
		line := append([]string{"-s", "20", "-m", strconv.Itoa(n), "-l", "4096", "-f", "a@example.com", "-t", "b@example.com"}, args...)
		sh("/opt/stock/usr/sbin/smtp-source", append(line, "127.0.0.1:25")...)
	}
	if strings.Contains(fmt.Sprint(args), "1048576") {
		load(20)
	} else {
		load(max(100, n/10)) // processes are running, caches are warm
	}
	waitFor(func() bool { return drained() })
	clearHold()
	values := measure(n, func() {
		load(n)
		waitFor(done)
	})
	if *calls {
		clearHold()
		perStage(n, values, func() {
			load(n)
			waitFor(done)
		})
	}
	return values
}

func clearHold() { exec.Command("find", queueDir+"/hold", "-type", "f", "-delete").Run() }

// held waits for n messages on hold. Accepting is all that is measured.
func held(n int) func() bool { return drained }

func (s *system) startSink() {
	s.sink = exec.Command("/opt/stock/usr/sbin/smtp-sink", "-u", "postfix", "127.0.0.1:2525", "200")
	must(s.sink.Start())
	waitFor(func() bool { return dialable("127.0.0.1:2525") })
}

// toMailboxes delivers to several users in turn.
func (s *system) toMailboxes(n int) map[string]float64 {
	load := func(n int) {
		var sources []*exec.Cmd
		for i := range mailboxes {
			cmd := exec.Command("/opt/stock/usr/sbin/smtp-source", "-s", "2", "-m", strconv.Itoa(n/mailboxes), "-l", "4096",
				"-f", "a@example.com", "-t", fmt.Sprintf("box%d@example.com", i), "127.0.0.1:25")
			must(cmd.Start())
			sources = append(sources, cmd)
		}
		for _, cmd := range sources {
			must(cmd.Wait(), "smtp-source: ")
		}
		waitFor(drained)
	}
	load(100)
	values := measure(n, func() { load(n) })
	if *calls {
		perStage(n, values, func() { load(n) })
	}
	return values
}

// submit runs sendmail n times, one after the other.
func (s *system) submit(n int) map[string]float64 {
	message := "Subject: load\n\n" + strings.Repeat(strings.Repeat("x", 63)+"\n", 64)
	load := func(n int) {
		for range n {
			cmd := exec.Command("/usr/sbin/sendmail", "b@example.com")
			cmd.Stdin = strings.NewReader(message)
			out, err := cmd.CombinedOutput()
			must(err, "sendmail: ", string(out))
		}
		waitFor(drained)
	}
	load(20)
	return measure(n, func() { load(n) })
}

// latency is the time from our "250" to the end of the data at the next host,
// on a system that does nothing else.
func (s *system) latency() map[string]float64 {
	arrived := make(chan time.Time, 1)
	l, err := net.Listen("tcp", "127.0.0.1:2525")
	must(err)
	defer l.Close()
	go sink(l, arrived)
	const tries = 30
	var times []float64
	for range tries {
		sent := sendOne()
		at := <-arrived
		times = append(times, float64(at.Sub(sent).Microseconds())/1000)
		time.Sleep(30 * time.Millisecond) // idle again
	}
	return map[string]float64{"ms (median)": median(times), "ms (worst)": times[len(times)-1]}
}

// sink is a minimal SMTP server that tells when a message is complete.
func sink(l net.Listener, arrived chan<- time.Time) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			fmt.Fprintf(c, "220 sink ESMTP\r\n")
			data := false
			for in := bufio.NewScanner(c); in.Scan(); {
				line := in.Text()
				switch {
				case data && line == ".":
					arrived <- time.Now()
					data = false
					fmt.Fprintf(c, "250 2.0.0 Ok\r\n")
				case data:
				case strings.HasPrefix(line, "EHLO"):
					fmt.Fprintf(c, "250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
				case line == "DATA":
					data = true
					fmt.Fprintf(c, "354 Go ahead\r\n")
				case line == "QUIT":
					fmt.Fprintf(c, "221 Bye\r\n")
					return
				default:
					fmt.Fprintf(c, "250 Ok\r\n")
				}
			}
		}()
	}
}

// sendOne sends a message and returns when it was accepted.
func sendOne() time.Time {
	c, err := net.Dial("tcp", "127.0.0.1:25")
	must(err)
	defer c.Close()
	in := bufio.NewReader(c)
	var at time.Time
	in.ReadString('\n')
	for _, line := range []string{"HELO client", "MAIL FROM:<a@example.com>", "RCPT TO:<b@remote.example>", "DATA",
		"Subject: x\r\n\r\nbody\r\n."} {
		fmt.Fprintf(c, "%s\r\n", line)
		reply, err := in.ReadString('\n')
		must(err, line)
		if reply[0] != '2' && reply[0] != '3' {
			must(fmt.Errorf("%s", reply), line)
		}
		at = time.Now()
	}
	fmt.Fprintf(c, "QUIT\r\n")
	return at
}

// queue lists and deletes many messages.
func (s *system) queue() map[string]float64 {
	const n = 10000
	sh("/opt/stock/usr/sbin/smtp-source", "-s", "20", "-m", strconv.Itoa(n), "-l", "1024", "-f", "a@example.com", "-t", "b@example.com", "127.0.0.1:25")
	waitFor(drained)
	values := map[string]float64{}
	timed := func(name string, command ...string) {
		c, t := cpu(), time.Now()
		out := sh(command[0], command[1:]...)
		values["s "+name] = time.Since(t).Seconds()
		values["s CPU "+name] = (cpu() - c).Seconds()
		if len(out) == 0 {
			must(os.ErrInvalid, name, " printed nothing: ")
		}
	}
	timed("list", "postqueue", "-p")
	timed("delete", "postsuper", "-d", "ALL")
	return values
}

// memory is what the idle system takes, and what a session adds.
func (s *system) memory() map[string]float64 {
	s.source(500, drained)
	idle := memory()
	const sessions = 50
	var open []net.Conn
	for range sessions {
		c, err := net.Dial("tcp", "127.0.0.1:25")
		must(err)
		in := bufio.NewReader(c)
		in.ReadString('\n')
		fmt.Fprintf(c, "EHLO client\r\n")
		for {
			line, err := in.ReadString('\n')
			must(err)
			if line[3] == ' ' {
				break
			}
		}
		open = append(open, c)
	}
	busy := memory()
	for _, c := range open {
		c.Close()
	}
	return map[string]float64{"MB idle": idle / 1024, "MB with 50 sessions": busy / 1024}
}
