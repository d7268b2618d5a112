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
		s.Reload()
		run(t, 0, "", "postqueue", "-f")
		s.WaitEmpty()
		log := s.Log()
		if n := len(server.Messages()); n != messages {
			t.Errorf("%q: %d of %d messages came", settings, n, messages)
		}
		used := len(regexp.MustCompile(`relay=127.0.0.1\[127.0.0.1\]:2525, conn_use=\d+, delay=\S+ delays=\S+ dsn=2.0.0, status=sent`).FindAllString(log, -1))
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
