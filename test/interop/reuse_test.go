package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"postrider/test/machine"
	"postrider/test/peer/sink"
)

// TestReuse: a backlog for one destination goes over few connections in both
// systems, and in those that are made of both; the log tells which message was the
// how manieth.
func TestReuse(t *testing.T) {
	entries, err := os.ReadFile("testdata/master.cf")
	if err != nil {
		t.Fatal(err)
	}
	defer os.WriteFile("/etc/postfix/master.cf", entries, 0o644)
	for _, m := range []mix{{base: stock}, {base: ours}, {stock, []string{"smtp"}}, {stock, []string{"scache"}}, {stock, []string{"qmgr"}},
		{ours, []string{"smtp"}}, {ours, []string{"scache"}}, {ours, []string{"qmgr"}}} {
		t.Run(m.String(), func(t *testing.T) { reuseIn(t, m, entries) })
	}
}

func reuseIn(t *testing.T, m mix, entries []byte) {
	const messages = 100
	b := newBed(t, m, "transport_maps=inline:{far.example=smtp:[127.0.0.1]:2526}", "content_filter=", "virtual_alias_maps=",
		"maximal_backoff_time=10m", "smtp_connection_cache_on_demand=yes", "default_destination_concurrency_limit=5", "max_use=20")
	if err := os.WriteFile("/etc/postfix/master.cf", append(entries, "scache unix - - n - 1 scache\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	server, err := sink.Start("tcp", "127.0.0.1:2526", sink.Options{Keywords: []string{"PIPELINING", "8BITMIME"}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	out, status := machine.Run("", "/mix/bin/postconf", "-e", "defer_transports=smtp")
	if status != 0 {
		t.Fatal(out)
	}
	b.start()
	for i := range messages {
		b.run(fmt.Sprintf("Subject: %d\n\nx\n", i), "sendmail", "-f", "alice", "x@far.example")
	}
	wait(t, "all messages to be deferred", func() bool {
		files, _ := filepath.Glob(machine.Queue + "/deferred/*/*")
		return len(files) == messages
	})
	machine.Run("", "/mix/bin/postconf", "-e", "defer_transports=")
	b.stop()
	b.start()
	b.run("", "postqueue", "-f")
	if _, err := server.Wait(messages, waitLimit); err != nil {
		t.Fatal(err)
	}
	b.settle()
	log := b.log()
	used := len(regexp.MustCompile(`relay=127.0.0.1\[127.0.0.1\]:2526, conn_use=\d+, delay=\S+ delays=\S+ (?:tls=\S+ )?dsn=2.0.0, status=sent`).FindAllString(log, -1))
	t.Logf("%v: %d connections for %d messages", m, server.Sessions(), messages)
	if n := len(server.Messages()); n != messages || used != messages-server.Sessions() || used < messages/2 {
		t.Errorf("%v: %d of %d messages came in %d sessions, %d over connections that were used before", m, n, messages, server.Sessions(), used)
	}
	if bad := regexp.MustCompile(`(?m)^.*(status=bounced|lost connection|panic|fatal|problem talking|unexpected).*$`).FindString(log); bad != "" {
		t.Errorf("%v: %s", m, bad)
	}
}
