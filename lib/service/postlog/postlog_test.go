package postlog

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	p := Params{MaillogFilePrefixes: "/var, /dev/stdout", MaillogFilePermissions: "0600"}
	for path, good := range map[string]bool{
		"/var/log/mail.log": true,
		"/dev/stdout":       true,
		"/etc/passwd":       false,
		"mail.log":          false,
	} {
		if err := p.Check(path); (err == nil) != good {
			t.Errorf("%s: %v", path, err)
		}
	}
	p.MaillogFilePermissions = "0666"
	if err := p.Check("/var/log/mail.log"); err == nil || !strings.Contains(err.Error(), "0666") {
		t.Errorf("permissions 0666: %v", err)
	}
}

// S6.4: lines are added at the end, a new file has the mode of the parameter.
func TestAppend(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	p := Params{MaillogFilePrefixes: dir, MaillogFilePermissions: "0644"}
	for _, line := range []string{"one", "two"} {
		if err := p.Append(path, []byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil || string(data) != "one\ntwo\n" {
		t.Errorf("%q, %v", data, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}
