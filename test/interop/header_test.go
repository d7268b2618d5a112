package interop

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"postrider/test/machine"
)

// deferAll keeps all mail in the queue.
const deferAll = "defer_transports=local,smtp,relay,virtual,lmtp,error,pipe,discard"

// queueFiles sends messages and returns their queue files as postcat shows
// them, normalised, in the same order.
func queueFiles(t *testing.T, s side, messages []string, args ...string) []string {
	t.Helper()
	b := newBed(t, mix{base: s}, deferAll, "delay_warning_time=0")
	b.start()
	for i, text := range messages {
		text = fmt.Sprintf("X-Number: %d\n%s\n", i, text)
		if out, status := machine.Run(text, "/mix/bin/sendmail", append([]string{"-i"}, args...)...); status != 0 {
			t.Errorf("%s: sendmail: status %d\n%s", s, status, out)
		}
	}
	b.settle()
	list := make([]string, len(messages))
	for _, path := range queued("deferred", "hold") {
		out, status := machine.Run("", stock.command("postcat"), machine.Queue+"/"+path)
		var i int
		if _, number, _ := strings.Cut(out, "X-Number: "); status != 0 {
			t.Errorf("%s: postcat %s: status %d\n%s", s, path, status, out)
		} else if n, _ := fmt.Sscan(number, &i); n == 1 && i < len(list) {
			list[i] = normal(out, nil)
		}
	}
	b.stop()
	return list
}

// TestHeaders: headers with odd addresses come out of both systems alike.
func TestHeaders(t *testing.T) {
	text, err := os.ReadFile("testdata/headers.txt")
	if err != nil {
		t.Fatal(err)
	}
	messages := strings.Split(string(text), "--\n")
	for _, args := range [][]string{{"-f", "bob", "bob"}, {"-G", "-f", "bob", "bob"}} {
		want, got := queueFiles(t, stock, messages, args...), queueFiles(t, ours, messages, args...)
		same, known := 0, 0
		for i := range messages {
			_, list := compareLines(want[i], got[i])
			switch reason, differs := strings.CutPrefix(messages[i], "X-Differs: "); {
			case len(list) == 0:
				same++
			case differs && args[0] != "-G":
				known++
				reason, _, _ = strings.Cut(reason, "\n")
				t.Logf("%s:\n%s", reason, report(list))
			default:
				t.Errorf("sendmail %v, message\n%s\ndifferences (- stock, + ours):\n%s", args, messages[i], report(list))
			}
		}
		t.Logf("sendmail %v: %d of %d queue files are the same, %d differ on purpose", args, same, len(messages), known)
	}
}
