package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/file"
	"postrider/lib/base/msg"
	"postrider/lib/base/text"
	"postrider/lib/daemon/command"
)

func masterProgram() string { return filepath.Join(conf.DaemonDirectory, "master") }

func pidFile() string { return filepath.Join(conf.ProcessIDDirectory, "master.pid") }

// running reports whether a master holds the lock, and its process ID.
func running() (pid int, yes bool) {
	f, err := os.OpenFile(pidFile(), os.O_RDWR, 0)
	if err != nil {
		if !os.IsNotExist(err) {
			msg.Fatal("open lock file %s: %v", pidFile(), err)
		}
		return 0, false
	}
	defer f.Close()
	err = file.TryLock(f, file.Flock, file.Exclusive)
	if err == nil {
		return 0, false
	}
	if !errors.Is(err, file.ErrLocked) {
		msg.Fatal("%v", err)
	}
	data := make([]byte, 64)
	n, _ := f.ReadAt(data, 0)
	line, _, _ := strings.Cut(string(data[:n]), "\n")
	if pid, err = strconv.Atoi(strings.TrimSpace(line)); err != nil || pid <= 1 && os.Getpid() != 1 && pid != 1 {
		msg.Fatal("lock file %s: %q is not a process ID", pidFile(), line)
	}
	return pid, true
}

// needRunning returns the process ID of master, or ends the program.
func needRunning() int {
	pid, yes := running()
	if !yes {
		msg.Fatal("the Postfix mail system is not running")
	}
	return pid
}

// quickStart is a file that says: the last stop was in good order, and the next
// start need not look at everything.
const quickStartFile = "quick-start"

// prepare makes sure that the mail system can start.
func prepare() {
	if _, yes := running(); yes {
		msg.Fatal("the Postfix mail system is already running")
	}
	if os.Remove(quickStartFile) != nil {
		if check(nil) != 0 {
			msg.Fatal("Postfix integrity check failed!")
		}
	}
	msg.Info("starting the Postfix mail system")
}

func start([]string) int {
	prepare()
	if runCommand(masterProgram(), "-w") != 0 {
		msg.Fatal("mail system startup failed")
	}
	return 0
}

// startForeground ends with the mail system.
func startForeground([]string) int {
	if text.Trim(conf.MultiInstanceDirectories) != "" {
		msg.Fatal("start-fg does not support multi_instance_directories")
	}
	prepare()
	if os.Getpid() == 1 {
		command.Exec(masterProgram(), "master", "-i")
	}
	cmd := exec.Command(masterProgram(), "-s")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	if err := cmd.Start(); err != nil {
		msg.Fatal("cannot start-fg the master daemon: %v", err)
	}
	go func() {
		for sig := range signals { // master is in a session of its own
			cmd.Process.Signal(sig)
		}
	}()
	return exitStatus(cmd.Wait())
}

// How often, and how long each time, stop waits for master to end.
const (
	stopTries = 5
	stopPause = time.Second
)

func stop([]string) int {
	pid := needRunning()
	msg.Info("stopping the Postfix mail system")
	sendSignal(pid, unix.SIGTERM)
	for range stopTries {
		if ended(stopPause) {
			return 0
		}
		msg.Info("waiting for the Postfix mail system to terminate")
	}
	conf.logParams.OpenFile(&conf.siteParams, "postfix-script", isTerminal(2)) // the log service goes too
	msg.Warn("stopping the Postfix mail system with force")
	sendSignal(-pid, unix.SIGKILL)
	ended(stopPause)
	return 0
}

// ended waits for the end of master.
func ended(limit time.Duration) bool {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if _, yes := running(); !yes {
			return true
		}
	}
	return false
}

func quickStop(args []string) int {
	result := 0
	if _, yes := running(); yes {
		result = stop(args)
	} else {
		msg.Log(msg.LevelFatal, "the Postfix mail system is not running")
	}
	if err := os.WriteFile(quickStartFile, nil, 0o600); err != nil {
		msg.Warn("%v", err)
	}
	return result
}

// abortPause lets a start that follows at once find the end of master.
const abortPause = 100 * time.Millisecond

func abort([]string) int {
	pid := needRunning()
	msg.Info("aborting the Postfix mail system")
	status := sendSignal(pid, unix.SIGTERM)
	ended(abortPause)
	return status
}

func drain([]string) int {
	pid := needRunning()
	msg.Info("stopping the Postfix mail system")
	return sendSignal(pid, unix.SIGKILL)
}

// reload repairs the queue while it is in use as far as that is possible, and
// tells master to read its files again.
func reload([]string) int {
	pid := needRunning()
	msg.Info("refreshing the Postfix mail system")
	if runCommand(postsuper(), "active") != 0 {
		return 1
	}
	sendSignal(pid, unix.SIGHUP)
	cmd := exec.Command(postsuper())
	if err := cmd.Start(); err != nil { // which may take long; nobody waits
		msg.Warn("run %s: %v", postsuper(), err)
	}
	return 0
}

func flush([]string) int {
	return runCommand(filepath.Join(conf.CommandDirectory, "postqueue"), "-f")
}

func status([]string) int {
	pid, yes := running()
	if !yes {
		msg.Info("the Postfix mail system is not running")
		return 1
	}
	msg.Info("the Postfix mail system is running: PID: %d", pid)
	return 0
}

func postsuper() string { return filepath.Join(conf.CommandDirectory, "postsuper") }

func sendSignal(pid int, sig unix.Signal) int {
	if err := unix.Kill(pid, sig); err != nil {
		msg.Warn("signal %d to process %d: %v", int(sig), pid, err)
		return 1
	}
	return 0
}

// runCommand runs a program of the suite and returns its exit status.
func runCommand(path string, args ...string) int {
	cmd := exec.Command(path, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		msg.Error("run %s: %v", path, err)
	}
	return exitStatus(err)
}

func exitStatus(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode()
	}
	return 1
}

// logrotate gives the present log file another name. All processes get to know
// by a reload.
func logrotate(args []string) int {
	if len(args) > 0 {
		msg.Fatal("usage postfix logrotate (no arguments)")
	}
	for _, p := range []struct{ name, value string }{
		{"maillog_file", conf.MaillogFile},
		{"maillog_file_compressor", conf.MaillogFileCompressor},
		{"maillog_file_rotate_suffix", conf.MaillogFileRotateSuffix},
	} {
		if p.value == "" {
			msg.Fatal("empty '%s' parameter value - logfile rotation failed", p.name)
		}
	}
	if strings.HasPrefix(conf.MaillogFile, "/dev/") {
		msg.Fatal("not rotating '%s'", conf.MaillogFile)
	}
	if err := rotate(conf.MaillogFile); err != nil {
		msg.Fatal("logfile '%s' rotation failed: %v", conf.MaillogFile, err)
	}
	return 0
}

// rotatePause lets the log service finish with the old file.
const rotatePause = time.Second

func rotate(path string) error {
	suffix, err := exec.Command("date", "+"+conf.MaillogFileRotateSuffix).Output()
	if err != nil {
		return fmt.Errorf("date +%s: %w", conf.MaillogFileRotateSuffix, err)
	}
	old := path + "." + strings.TrimSpace(string(suffix))
	if err := os.Rename(path, old); err != nil {
		return err
	}
	if pid, yes := running(); yes {
		sendSignal(pid, unix.SIGHUP)
	}
	time.Sleep(rotatePause)
	words := append(text.Split(conf.MaillogFileCompressor), old)
	if output, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(words, " "), err, output)
	}
	return nil
}
