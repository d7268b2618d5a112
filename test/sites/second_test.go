package sites

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"postrider/test/machine"
)

// A host is another mail system, in the network "world", with a queue of its own.
type host struct {
	t *testing.T
}

const (
	otherConfig = "/etc/postfix-world"
	otherQueue  = "/var/spool/postfix-world"
	otherLog    = "/var/log/mail-world.log"
)

// second starts a mail system that knows the other one only from DNS.
func second(t *testing.T, name string) *host {
	t.Helper()
	for _, dir := range []string{otherConfig, otherQueue, "/var/lib/postfix-world"} {
		os.RemoveAll(dir)
	}
	os.Remove(otherLog)
	write(t, otherConfig+"/main.cf", "compatibility_level = 3.11\nmyhostname = "+name+"\nqueue_directory = "+otherQueue+
		"\ndata_directory = /var/lib/postfix-world\nmaillog_file = "+otherLog+"\nmynetworks = 127.0.0.0/8\nalias_maps =\nlocal_recipient_maps =\n"+
		"mydestination = "+name+"\ninet_interfaces = 192.0.2.2, 127.0.0.1\nlocal_transport = discard\n")
	run(t, "cp", machine.Config+"/master.cf", otherConfig)
	os.Mkdir(otherQueue, 0o755)
	run(t, "postconf", "-e", "alternate_config_directories="+otherConfig)
	h := &host{t}
	run(t, "ip", "netns", "exec", "world", "postfix", "-c", otherConfig, "start")
	t.Cleanup(func() {
		machine.Run("", "ip", "netns", "exec", "world", "postfix", "-c", otherConfig, "stop")
		if t.Failed() {
			t.Logf("the log of the other host:\n%s", h.log())
		}
	})
	return h
}

func (h *host) log() string {
	b, _ := os.ReadFile(otherLog)
	return string(b)
}

// send gives a message to sendmail there.
func (h *host) send(text, from, to string) {
	h.t.Helper()
	cmd := exec.Command("ip", "netns", "exec", "world", "sendmail", "-i", "-C", otherConfig, "-f", from, to)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		h.t.Fatalf("sendmail: %v\n%s", err, out)
	}
}

func (h *host) waitLog(pattern string) {
	h.t.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(30 * time.Second); !re.MatchString(h.log()); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("waited in vain for %s", pattern)
		}
	}
}
