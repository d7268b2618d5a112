package endtoend

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postrider/test/machine"
	"postrider/test/peer/sink"
)

// A request to try deferred mail now is never lost, whatever else goes on: other
// requests, scans of the queue that are under way, new mail, mail that is deferred
// in the same moment. S2.5.
func TestFlushIsNeverLost(t *testing.T) {
	all := func(id string) []string { return []string{"-f"} }
	one := func(id string) []string { return []string{"-i", id} }
	site := func(string) []string { return []string{"-s", "relay.example"} }
	t.Run("mixed", func(t *testing.T) { flushInCrowd(t, 3, 40, 200, all, one, site) })
	t.Run("site", func(t *testing.T) { flushInCrowd(t, 6, 40, 20, site) })
}

// flushInCrowd has some workers deposit messages that are deferred at first, each
// followed by a request, while others stay deferred.
func flushInCrowd(t *testing.T, workers, rounds, others int, requests ...func(id string) []string) {
	rules := map[string][]string{}
	for i := range others {
		rules["RCPT "+stubborn(i)] = []string{"450 4.2.1 Never"}
	}
	for i := range workers * rounds {
		rules["RCPT "+flushed(i)] = []string{"450 4.2.1 Not yet", ""}
	}
	server, err := sink.Start("tcp", "127.0.0.1:2525", sink.Options{Keywords: []string{"PIPELINING"}, Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	s := site(t, "relay_domains=relay.example,never.example", "relay_recipient_maps=", "relayhost=[127.0.0.1]:2525", "relay_transport=smtp",
		"in_flow_delay=0", "smtp_destination_concurrency_failed_cohort_limit=0").Start()
	for i := range others { // scans take their time
		deposit(t, stubborn(i))
	}
	s.Wait("deferred mail", func() bool { return len(inQueue("deferred")) == others })
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := w * rounds; i < (w+1)*rounds; i++ {
				id := deposit(t, flushed(i))
				// Another request may be faster than we look.
				s.Wait("message "+id+" in the deferred queue", func() bool { return inDeferred(id) || arrived(server, flushed(i)) })
				args := requests[i%len(requests)](id)
				if out, status := machine.Run("", "postqueue", args...); status != 0 {
					t.Errorf("postqueue %v: status %d\n%s", args, status, out)
				}
			}
		})
	}
	all.Wait()
	if _, err := server.Wait(workers*rounds, 20*time.Second); err != nil {
		t.Error(err)
	}
}

func stubborn(i int) string { return fmt.Sprintf("o%d@never.example", i) }

func flushed(i int) string { return fmt.Sprintf("u%d@relay.example", i) }

func arrived(server *sink.Server, to string) bool {
	return slices.ContainsFunc(server.Messages(), func(m sink.Message) bool { return m.Recipients[0] == "<"+to+">" })
}

func inDeferred(id string) bool {
	_, err := os.Stat(machine.Queue + "/deferred/" + id[:1] + "/" + id)
	return err == nil
}

// inQueue lists a queue that is being worked on.
func inQueue(name string) []string {
	out, _ := machine.Run("", "find", machine.Queue+"/"+name, "-type", "f")
	return strings.Fields(out)
}

// deposit sends a message over SMTP and returns its queue ID.
func deposit(t *testing.T, to string) string {
	c := dial(t, "127.0.0.1:25")
	defer c.Close()
	c.expect("220")
	c.say("HELO client.example", "250")
	c.say("MAIL FROM:<ann@example.com>", "250")
	c.say("RCPT TO:<"+to+">", "250")
	c.say("DATA", "354")
	fmt.Fprint(c, "Subject: x\r\n\r\nx\r\n.\r\n")
	line, err := c.in.ReadString('\n')
	_, id, ok := strings.Cut(strings.TrimSpace(line), "queued as ")
	if err != nil || !ok {
		t.Fatalf("to %s: %q, %v", to, line, err)
	}
	return id
}
