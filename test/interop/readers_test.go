package interop

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"postrider/test/machine"
)

// compareReaders lets programs that read mail logs read both.
func compareReaders(t *testing.T, stockLog, ourLog string) {
	t.Helper()
	for _, r := range []struct {
		name string
		read func(*testing.T, string) string
	}{{"pflogsumm", summary}, {"fail2ban", matches}} {
		left, right := r.read(t, stockLog), r.read(t, ourLog)
		if _, differences := compareLines(left, right); len(differences) > 0 {
			t.Errorf("%s (- stock, + ours):\n%s", r.name, report(differences))
		} else if left != "" {
			t.Logf("%s: %d lines are the same", r.name, strings.Count(left, "\n"))
		}
	}
}

// summary is what pflogsumm says about a log, without times and sizes.
func summary(t *testing.T, log string) string {
	if _, err := exec.LookPath("pflogsumm"); err != nil {
		t.Log("without pflogsumm")
		return ""
	}
	log = regexp.MustCompile(`(?m)^.*: terminating on signal 15\n`).ReplaceAllString(log, "") // postlogd may be gone
	os.WriteFile("/tmp/read.log", []byte(log), 0o644)
	out, status := machine.Run("", "pflogsumm", "--detail", "100", "--verbose-msg-detail", "/tmp/read.log")
	if status != 0 {
		t.Errorf("pflogsumm: status %d\n%s", status, out)
	}
	out = regexp.MustCompile(`(?m)^ *[\d.]+[kmg]?( +bytes| +\d+ .*| +[\d.]+ [smh].*)`).ReplaceAllString(normal(out, nil), "N$1")
	out = regexp.MustCompile(`(?m)^(N? +)(?:[2-9]\d\d|\d{4,}) +`).ReplaceAllString(out, "${1}SIZE ") // no count is as large
	return regexp.MustCompile(`\d+\.\d+ +[smh]|\d+:\d+:\d+`).ReplaceAllString(out, "T")
}

// matches are the lines that fail2ban's filter finds, in each of its modes.
func matches(t *testing.T, log string) string {
	if _, err := os.Stat("/etc/fail2ban/filter.d/postfix.conf"); err != nil {
		t.Log("without fail2ban")
		return ""
	}
	os.WriteFile("/tmp/read.log", []byte(log), 0o644)
	all := ""
	for _, mode := range []string{"more", "auth", "ddos", "aggressive", "errors"} {
		out, status := machine.Run("", "/usr/bin/python3", "/usr/bin/fail2ban-regex", "--print-all-matched", "/tmp/read.log", "postfix[mode="+mode+"]")
		if !strings.Contains(out, "Lines: ") {
			t.Errorf("fail2ban-regex: status %d\n%s", status, out)
		}
		found := regexp.MustCompile(`(?m)^\|.*(postfix/.*)$`).FindAllStringSubmatch(normal(out, nil), -1)
		for _, m := range found {
			all += mode + ": " + m[1] + "\n"
		}
	}
	return all
}
