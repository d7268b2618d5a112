package tools

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"postrider/test/machine"
)

// work is where the commands of scripts run.
const work = "/tmp/work"

// runInside is one side: it installs a mail system, runs all scripts, and writes
// the results as JSON.
func runInside(who side) {
	os.Setenv("LC_ALL", "C")
	os.Setenv("TZ", "UTC")
	os.Setenv("DEBIAN_FRONTEND", "noninteractive")
	go cool()
	install(who)
	scripts, err := readScripts(*only)
	must(err)
	part, n := 0, 1
	fmt.Sscanf(os.Getenv("TOOLS_PART"), "%d/%d", &part, &n)
	out := json.NewEncoder(os.Stdout)
	for i, s := range scripts {
		if i%n != part {
			continue
		}
		s.prepare()
		for _, step := range s.steps {
			begin := time.Now()
			r := run(step.command)
			r.File, r.Line, r.Time = s.name, step.line, time.Since(begin).Round(time.Millisecond)
			out.Encode(r)
		}
		stop()
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Getenv("TOOLS_SIDE"), err)
		os.Exit(1)
	}
}

// sh runs a command of the preparation.
func sh(command string) {
	if out, err := exec.Command("bash", "-c", command).CombinedOutput(); err != nil {
		must(fmt.Errorf("%s: %w\n%s", command, err, out))
	}
}

// cool makes files of settings ten seconds older when they are new: stock's
// commands read a file again and again until it has not changed for two seconds.
func cool() {
	for ; ; time.Sleep(10 * time.Millisecond) {
		for _, pattern := range []string{"/etc/postfix*/*.cf", work + "/*"} {
			names, _ := filepath.Glob(pattern)
			for _, name := range names {
				st, err := os.Stat(name)
				if err == nil && st.Mode().IsRegular() && time.Since(st.ModTime()) < 5*time.Second {
					then := st.ModTime().Add(-10 * time.Second)
					os.Chtimes(name, then, then)
				}
			}
		}
	}
}

const pristine = "/opt/pristine"

func install(who side) {
	sh(`groupadd -r postdrop && useradd -r -M -U -d /nonexistent -s /usr/sbin/nologin postfix
		for user in ann bob; do useradd -m -s /bin/sh -c "$user Example,Room 1" $user; done
		mount -t tmpfs tmpfs /var/log
		# Short queue IDs of one length on both sides.
		mkdir -p /var/spool/postfix && mount -t tmpfs -o mode=755 tmpfs /var/spool/postfix && cd /var/spool/postfix && touch $(seq 300) && rm $(seq 300)
		install -m 755 /src/test/tools/testdata/bin/* /usr/local/bin`)
	if who == stock {
		sh("dpkg --unpack --force-all --force-unsafe-io --no-triggers /src/build/debs/postfix*.deb")
		sh("for deb in /src/build/debs/liblmdb0_*.deb; do dpkg-deb -x $deb /; done; ldconfig")
		must(hasten("/usr/lib/postfix/libpostfix-util.so"))
		must(hasten("/usr/sbin/postlog"))
		sh("sed -i 's/sleep 1$/sleep 0.2/' /usr/lib/postfix/sbin/postfix-script")
		// It ends with an error: nothing of the system is there to start services.
		// Its own list of files says that postlog is setgid, which it forgets.
		exec.Command("bash", "-c", "dpkg --configure --force-all --no-triggers --pending; chown root:postdrop /usr/sbin/postlog && chmod 2755 /usr/sbin/postlog").Run()
	} else {
		stage := os.Getenv("TOOLS_STAGE")
		if stage == "" {
			stage = "build/stage"
		}
		sh("cp -a --remove-destination /src/" + stage + "/. / && postfix set-permissions")
	}
	sh("cp /src/conf/master.cf /etc/postfix/master.cf; rm -f /etc/postfix/postfix-files.d/*")
	must(os.WriteFile("/etc/aliases", []byte("postmaster: root\n"), 0o644))
	must(os.WriteFile("/etc/postfix/main.cf", []byte(common), 0o644))
	sh("postfix start && postfix stop; newaliases; rm -rf " + pristine + " && mkdir " + pristine + " && cp -a /etc/postfix /etc/aliases* " + pristine)
}

// common are the settings of all scripts.
const common = `compatibility_level = 3.6
myhostname = mail.example.com
mydestination = example.com, localhost
myorigin = example.com
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
default_database_type = cdb
alias_maps = cdb:/etc/aliases
alias_database = cdb:/etc/aliases
maillog_file = /var/log/mail.log
smtpd_peername_lookup = no
`

// prepare makes everything as if no script had run before.
func (s *script) prepare() {
	sh(`rm -rf /etc/postfix /etc/postfix-* /etc/aliases* /tmp/work /var/log/mail.log* && cp -a ` + pristine + `/. /etc
		mkdir -m 755 /tmp/work; rm -rf /var/mail/*
		cd ` + machine.Queue + ` && find maildrop incoming active deferred hold corrupt bounce defer trace flush saved -type f -delete; true`)
	must(os.WriteFile("/etc/postfix/main.cf", []byte(common+s.conf), 0o644))
	for _, f := range s.files {
		name := f.name
		if !filepath.IsAbs(name) {
			name = filepath.Join(work, name)
		}
		must(os.MkdirAll(filepath.Dir(name), 0o755))
		must(os.WriteFile(name, []byte(f.text), 0o644))
		then := time.Now().Add(-10 * time.Second) // see cool
		must(os.Chtimes(name, then, then))
	}
}

// limit is how long a command may take.
const limit = 15 * time.Second

// run runs one command. Its output goes to files, because a daemon that it
// starts would hold a pipe open.
func run(command string) Result {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", "set -o pipefail; "+command)
	cmd.Dir = work
	stdout, err := os.Create("/run/stdout")
	must(err)
	stderr, err := os.Create("/run/stderr")
	must(err)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err = cmd.Run()
	r := Result{}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		r.Status = exit.ExitCode()
	case err != nil:
		r.Status = -2
	}
	stdout.Close()
	stderr.Close()
	r.Stdout, r.Stderr = content("/run/stdout"), content("/run/stderr")
	return r
}

func content(name string) string {
	text, err := os.ReadFile(name)
	must(err)
	return string(text)
}

// stop stops what a script has left running.
func stop() {
	if len(machine.Daemons()) == 0 {
		return
	}
	exec.Command("postfix", "stop").Run()
	for end := time.Now().Add(limit); len(machine.Daemons()) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			must(errors.New("daemons do not end: " + strings.Join(strings.Fields(fmt.Sprint(machine.Daemons())), " ")))
		}
	}
}
