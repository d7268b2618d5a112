package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A system is what is measured, in this machine.
type system struct {
	name  string
	sink  *exec.Cmd
	users int
}

const (
	queueDir = "/var/spool/postfix"
	logFile  = "/var/log/mail.log"
)

func runInside(name string) {
	s := &system{name: name}
	s.install()
	for _, row := range rows {
		if *only != "" && !strings.Contains(","+*only+",", ","+row.name+",") {
			continue
		}
		s.configure(row.settings)
		s.start()
		values := row.run(s)
		s.stop()
		json.NewEncoder(os.Stdout).Encode(Result{name, row.name, values})
	}
}

func must(err error, what ...any) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", fmt.Sprint(what...), err)
		os.Exit(1)
	}
}

// sh runs a command that must succeed, and returns its output.
func sh(name string, args ...string) string {
	out, err := exec.Command(name, args...).CombinedOutput()
	must(err, name, args, string(out))
	return string(out)
}

// install puts one of the systems into the machine. The load generator is
// stock's in both.
func (s *system) install() {
	os.Setenv("DEBIAN_FRONTEND", "noninteractive")
	sh("groupadd", "-r", "postdrop")
	sh("useradd", "-r", "-M", "-U", "-d", "/nonexistent", "-s", "/usr/sbin/nologin", "postfix")
	for i := range mailboxes {
		sh("useradd", "-m", fmt.Sprintf("box%d", i))
	}
	debs, _ := filepath.Glob("/src/build/debs/postfix*.deb")
	if len(debs) == 0 {
		must(os.ErrNotExist, "build/debs has no stock packages: ")
	}
	for _, deb := range debs {
		sh("dpkg", "-x", deb, "/opt/stock")
	}
	os.Setenv("LD_LIBRARY_PATH", "/opt/stock/usr/lib/postfix")
	if s.name == "stock" {
		exec.Command("dpkg", append([]string{"--install", "--force-all", "--no-triggers"}, debs...)...).Run()
		withoutChroot()
	} else {
		sh("cp", "-a", "/src/build/stage/.", "/")
		sh("postfix", "set-permissions")
	}
	os.WriteFile("/etc/aliases", []byte("postmaster: root\n"), 0o644)
	const disk = "/mnt/load"
	onDisk := os.Getenv("MACHINE_DISK") != ""
	if onDisk {
		sh("mkdir", "-p", disk)
		sh("mount", "-o", "loop", "/disk/image", disk)
	}
	for _, dir := range []string{queueDir, "/var/mail"} {
		if onDisk {
			target := filepath.Join(disk, filepath.Base(dir))
			sh("cp", "-a", dir, target)
			sh("mount", "--bind", target, dir)
		} else {
			sh("cp", "-a", dir, "/tmp/saved")
			sh("mount", "-t", "tmpfs", "-o", "size=3g,mode=755", "tmpfs", dir)
			sh("cp", "-aT", "/tmp/saved", dir)
			sh("rm", "-rf", "/tmp/saved")
		}
	}
	sh("chmod", "1777", "/var/mail")
	joinGroup()
}

// withoutChroot makes both systems run the same way.
func withoutChroot() {
	text, err := os.ReadFile("/etc/postfix/master.cf")
	must(err)
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		f := strings.Fields(line)
		if len(f) >= 8 && line[0] != '#' && line[0] != ' ' && f[4] == "y" {
			f[4] = "n"
			lines[i] = strings.Join(f, " ")
		}
	}
	must(os.WriteFile("/etc/postfix/master.cf", []byte(strings.Join(lines, "\n")), 0o644))
}

// common are settings of all rows: no look-ups outside, no limits for the one
// client that there is.
var common = []string{
	"myhostname=mail.example.com", "mydestination=example.com, localhost", "mynetworks=127.0.0.0/8",
	"inet_interfaces=127.0.0.1", "inet_protocols=ipv4", "maillog_file=" + logFile, "maillog_file_prefixes=/var",
	"alias_maps=", "alias_database=", "local_recipient_maps=", "smtpd_peername_lookup=no",
	"smtpd_client_connection_count_limit=0", "relayhost=", "transport_maps=", "local_transport=local:$myhostname",
	"mailbox_size_limit=0", "biff=no", "smtpd_recipient_restrictions=", "mailbox_command=",
	"default_destination_concurrency_limit=20", "compatibility_level=3.6",
}

func (s *system) configure(settings []string) {
	sh("postconf", append(append([]string{"-e"}, common...), settings...)...)
}

func (s *system) start() {
	os.Remove(logFile)
	sh("postfix", "start")
	waitFor(func() bool { return dialable("127.0.0.1:25") })
}

func (s *system) stop() {
	sh("postfix", "stop")
	if s.sink != nil {
		s.sink.Process.Kill()
		s.sink.Wait()
		s.sink = nil
	}
	for _, q := range []string{"incoming", "active", "deferred", "hold", "maildrop", "defer", "bounce"} {
		exec.Command("find", filepath.Join(queueDir, q), "-type", "f", "-delete").Run()
	}
	exec.Command("sh", "-c", ": > /dev/null; rm -f /var/mail/*").Run()
	if text, err := os.ReadFile(logFile); err == nil {
		for line := range strings.SplitSeq(string(text), "\n") {
			if strings.Contains(line, "warning:") || strings.Contains(line, "fatal:") || strings.Contains(line, "panic:") {
				fmt.Fprintln(os.Stderr, s.name, line)
				break
			}
		}
	}
}

func waitFor(f func() bool) {
	for end := time.Now().Add(2 * time.Minute); !f(); {
		if time.Now().After(end) {
			must(os.ErrDeadlineExceeded, "waited in vain: ")
		}
		time.Sleep(5 * time.Millisecond)
	}
}
