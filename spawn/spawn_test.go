package main

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"postrider/lib/base/asuser"
	"postrider/lib/base/msg"
)

func TestParse(t *testing.T) {
	for _, test := range []struct{ args, user, argv, why string }{
		{"user=joe:users argv=/bin/x user=y b", "joe:users", "/bin/x user=y b", ""},
		{"user=joe argv= /bin/x", "joe", "/bin/x", ""},
		{"argv=/bin/x", "", "", "missing user= attribute"},
		{"user=joe", "", "", "missing argv= attribute"},
		{"user=joe argv=", "", "", "missing argv= attribute"},
		{"user=joe foo=x argv=y", "", "", "unknown attribute name: foo=x"},
	} {
		user, argv, err := parse(strings.Fields(test.args))
		if why := ""; err != nil {
			if why = err.Error(); why != test.why {
				t.Errorf("%s: %s", test.args, why)
			}
		} else if test.why != "" || user != test.user || strings.Join(argv, " ") != test.argv {
			t.Errorf("%s: %q %q", test.args, user, argv)
		}
	}
}

// The command has the connection, a time limit, and its end is logged.
func TestExecute(t *testing.T) {
	service.user = asuser.User{UID: os.Getuid(), GID: os.Getgid()}
	for _, test := range []struct{ command, says, log string }{
		{"read a; echo got $a", "got hello\n", ""},
		{"echo out; echo err >&2; exit 3", "out\nerr\n", "command /bin/sh exit status 3"},
		{"kill -9 $$", "", "command /bin/sh killed by signal 9"},
		{"sleep 20", "", "/bin/sh: process killed after the time limit of 200ms"},
	} {
		in, feed, _ := os.Pipe()
		read, out, _ := os.Pipe()
		feed.WriteString("hello\n")
		var log string
		restore := msg.SetOutput(func(level msg.Level, text string) { log += text })
		service.argv = []string{"/bin/sh", "-c", test.command}
		limit := 10 * time.Second
		if strings.HasPrefix(test.command, "sleep") {
			limit = 200 * time.Millisecond
		}
		execute([]*os.File{in, out, out}, limit)
		restore()
		for _, f := range []*os.File{in, out, feed} {
			f.Close()
		}
		says, _ := io.ReadAll(read)
		if string(says) != test.says || log != test.log {
			t.Errorf("%s: says %q, log %q", test.command, says, log)
		}
	}
	service.argv = []string{"/nonexistent"}
	log := ""
	defer msg.SetOutput(func(level msg.Level, text string) { log += text })()
	execute([]*os.File{os.Stdin, os.Stdout, os.Stdout}, time.Second)
	if !strings.Contains(log, "execute /nonexistent: ") {
		t.Errorf("log %q", log)
	}
}
