package interop

import (
	"fmt"
	"io"
	"net/textproto"
	"os"
	"regexp"
	"strings"
	"testing"

	"postrider/test/machine"
)

// checked sends messages through the checks of cleanup(8). It returns, for each,
// what the client and the log were told and the queue file as postcat shows it.
func checked(t *testing.T, s side, messages []string, settings ...string) []string {
	t.Helper()
	b := newBed(t, mix{base: s}, append([]string{deferAll, "delay_warning_time=0",
		"header_checks=regexp:/src/test/interop/testdata/checks/header", "body_checks=regexp:/src/test/interop/testdata/checks/body",
		"internal_mail_filter_classes=", "notify_classes="}, settings...)...)
	b.start()
	defer b.stop()
	cleanupLine := regexp.MustCompile(`(?m)^.* postfix/cleanup\[.*$`)
	var results []string
	for _, text := range messages {
		before := len(b.log())
		out := submit(t, text)
		b.settle()
		var files []string
		for _, path := range queued("deferred", "hold") {
			file, _ := machine.Run("", stock.command("postcat"), machine.Queue+"/"+path)
			_, file, _ = strings.Cut(file, "\n") // without its name
			files = append(files, path[:4]+"\n"+file)
		}
		machine.Run("", stock.command("postsuper"), "-d", "ALL")
		log := strings.Join(cleanupLine.FindAllString(b.log()[before:], -1), "\n")
		result := normal(out+"\n"+log+"\n"+strings.Join(files, "\n"), nil)
		results = append(results, clientPort.ReplaceAllString(result, "$1"))
	}
	return results
}

var clientPort = regexp.MustCompile(`(client_port=)\d+`)

// submit sends a message in a session without extensions, and returns the reply
// at its end.
func submit(t *testing.T, text string) string {
	t.Helper()
	conn, err := textproto.Dial("tcp", "127.0.0.1:25")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.ReadResponse(220)
	for _, command := range []string{"HELO client.example", "MAIL FROM:<bob@example.com>", "RCPT TO:<alice@example.com>",
		"RCPT TO:<carol@example.com>", "DATA"} {
		conn.PrintfLine("%s", command)
		if _, _, err := conn.ReadResponse(0); err != nil {
			t.Fatalf("%s: %v", command, err)
		}
	}
	w := conn.DotWriter()
	io.WriteString(w, text)
	w.Close()
	code, reply, _ := conn.ReadResponse(0)
	return fmt.Sprint(code, " ", reply)
}

// TestChecks: header_checks, body_checks and what belongs to them decide alike,
// with the same words in the log. S4.3.1.
func TestChecks(t *testing.T) {
	text, err := os.ReadFile("testdata/checks/messages")
	if err != nil {
		t.Fatal(err)
	}
	var names, messages []string
	for block := range strings.SplitSeq(strings.TrimPrefix(string(text), "-- "), "\n-- ") {
		name, message, _ := strings.Cut(block, "\n")
		names, messages = append(names, name), append(messages, message+"\n")
	}
	same := 0
	sets := [][]string{
		{"body_checks_size_limit=100", "header_size_limit=4000"},
		{"strict_8bitmime=yes", "strict_mime_encoding_domain=yes", "mime_nesting_limit=20"},
		{`message_reject_characters=\0\351q`, `message_strip_characters=\167k`, "mime_header_checks=static:warn", "nested_header_checks=static:strip"},
		{"disable_mime_input_processing=yes", "strict_7bit_headers=yes"},
	}
	for _, settings := range sets {
		want, got := checked(t, stock, messages, settings...), checked(t, ours, messages, settings...)
		for i := range messages {
			if want[i] == got[i] {
				same++
				continue
			}
			_, list := compareLines(want[i], got[i])
			t.Errorf("%v, message %q (- stock, + ours):\n%s", settings, names[i], report(list))
		}
	}
	t.Logf("%d of %d results are the same", same, len(sets)*len(messages))
}
