package endtoend

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"postrider/test/machine"
	"postrider/test/peer/sink"
)

// TestReusedConnections: with a backlog for one destination, connections are for many
// messages, also when no process lives long.
func TestReusedConnections(t *testing.T) {
	const messages = 60
	for _, settings := range []string{"max_use=100", "max_use=3", "smtp_connection_cache_on_demand=no"} {
		server := startSink(t, "tcp", "127.0.0.1:2525", sink.Options{Keywords: []string{"PIPELINING", "8BITMIME"}})
		s := site(t, "transport_maps=inline:{{far.example=smtp:[127.0.0.1]:2525}}", "default_destination_concurrency_limit=3", settings,
			"defer_transports=smtp")
		s.Start()
		for i := range messages {
			s.Send(fmt.Sprintf("Subject: %d\n\nx\n", i), "-f", "ann", "x@far.example")
		}
		s.Wait("all messages to wait", func() bool {
			files, _ := filepath.Glob(machine.Queue + "/deferred/*/*")
			return len(files) == messages
		})
		s.Set("defer_transports=")
		run(t, 0, "", "postfix", "stop") // the next queue manager knows
		s.Start()
		run(t, 0, "", "postqueue", "-f")
		s.WaitEmpty()
		log := s.Log()
		if n := len(server.Messages()); n != messages {
			t.Errorf("%q: %d of %d messages came", settings, n, messages)
		}
		used := len(regexp.MustCompile(`relay=127.0.0.1\[127.0.0.1\]:2525, conn_use=\d+, delay=\S+ delays=\S+ (?:tls=\S+ )?dsn=2.0.0, status=sent`).FindAllString(log, -1))
		t.Logf("%q: %d sessions, %d messages over used ones", settings, server.Sessions(), used)
		if strings.Contains(settings, "on_demand") != (used == 0) || used != messages-server.Sessions() {
			t.Errorf("%q: %d messages over used connections, %d sessions", settings, used, server.Sessions())
		}
		if settings == "max_use=3" && server.Sessions() > messages/4 {
			t.Errorf("%q: processes share too little: %d sessions", settings, server.Sessions())
		}
		s.Stop()
		server.Close()
	}
}

// TestLostConnections: servers that are gone when their turn comes, or that have had
// enough, cost no message anything, and no message comes twice.
func TestLostConnections(t *testing.T) {
	const messages = 40
	for about, rules := range map[string]map[string][]string{
		"gone when another process has them": {"RSET": {"drop"}},
		"gone now and then":                  {"MAIL": {"", "", "drop", "", "", "", "drop", ""}},
		"enough":                             {"MAIL": {"", "", "421 4.7.0 too many messages", ""}},
		"no RSET":                            {"RSET": {"502 5.5.1 what"}},
	} {
		server := startSink(t, "tcp", "127.0.0.1:2525", sink.Options{Keywords: []string{"PIPELINING", "8BITMIME"}, Rules: rules})
		s := site(t, "transport_maps=inline:{{far.example=smtp:[127.0.0.1]:2525}}", "default_destination_concurrency_limit=1", "max_use=3",
			"smtp_connection_cache_destinations=127.0.0.1")
		s.Start()
		for i := range messages {
			s.Send(fmt.Sprintf("Subject: %d\n\nx\n", i), "-f", "ann", "x@far.example")
		}
		s.WaitEmpty()
		seen := map[string]bool{}
		for _, m := range server.Messages() {
			subject := regexp.MustCompile(`Subject: \d+`).FindString(m.Data)
			if seen[subject] {
				t.Errorf("%s: %s came twice", about, subject)
			}
			seen[subject] = true
		}
		if len(seen) != messages {
			t.Errorf("%s: %d of %d messages came", about, len(seen), messages)
		}
		log := s.Log()
		wantNot(t, log, "status=deferred", "status=bounced", "panic", "fatal")
		t.Logf("%s: %d sessions, %d messages over used ones", about, server.Sessions(), strings.Count(log, ", conn_use="))
		s.Stop()
		server.Close()
	}
}
