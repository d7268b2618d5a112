// Package endtoend tests the installed mail system with real programs at both
// ends.
package endtoend

import (
	"strings"
	"testing"

	"postrider/test/machine"
)

func TestMain(m *testing.M) { machine.Main(m) }

// S2.1, S2.4, S2.5, S6.4: the first message, through every boundary.
func TestSendmailToTransport(t *testing.T) {
	s := machine.Install(t, "local_transport=discard:silently", "alias_maps=").Start()
	s.Send("Subject: first\n\nbody\n", "root")
	line := s.WaitLog(`postfix/discard\[\d+\]: [0-9A-F]+: to=<root@[^>]+>, .*status=sent \(silently\)`)
	if !strings.Contains(line, "relay=none") {
		t.Error(line)
	}
	s.WaitLog(`postfix/qmgr\[\d+\]: [0-9A-F]+: removed`)
	s.WaitEmpty()
}
