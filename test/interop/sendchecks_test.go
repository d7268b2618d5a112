package interop

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"postrider/test/machine"
	"postrider/test/peer/sink"
)

// sentChecked sends messages through the checks of smtp(8). It returns, for each,
// what the server got and what the log says.
func sentChecked(t *testing.T, s side, messages []string, o sink.Options, settings ...string) []string {
	t.Helper()
	server, err := sink.Start("tcp", "127.0.0.1:2526", o)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	b := newBed(t, mix{base: s}, append([]string{"default_transport=smtp:[127.0.0.1]:2526", "transport_maps=", "local_transport=smtp:[127.0.0.1]:2526",
		"smtp_header_checks=regexp:/src/test/interop/testdata/checks/header", "delay_warning_time=0", "notify_classes="}, settings...)...)
	b.start()
	defer b.stop()
	lines := regexp.MustCompile(`(?m)^.* postfix/smtp\[.*$`)
	var results []string
	for _, text := range messages {
		before, count := len(b.log()), len(server.Messages())
		machine.Run(text, stock.command("sendmail"), "-f", "" /* no notices */, "alice@example.com")
		wait(t, "an outcome", func() bool { return strings.Contains(b.log()[before:], "status=") })
		b.settle()
		var got string
		for _, m := range server.Messages()[count:] {
			got += m.Data
		}
		machine.Run("", stock.command("postsuper"), "-d", "ALL")
		results = append(results, normal(got+"\n"+strings.Join(lines.FindAllString(b.log()[before:], -1), "\n"), nil))
	}
	return results
}

// failure is what a table says about its trouble; only that of smtp(8) is compared.
var failure = regexp.MustCompile(`(?m)^.*lookup error for.*$\n`)

// TestSendChecks: smtp_header_checks and its kind do the same, with the same words
// in the log. S4.3.1.
func TestSendChecks(t *testing.T) {
	text, err := os.ReadFile("testdata/checks/messages")
	if err != nil {
		t.Fatal(err)
	}
	var names, messages []string
	for block := range strings.SplitSeq(strings.TrimPrefix(string(text), "-- "), "\n-- ") {
		name, message, _ := strings.Cut(block, "\n")
		names, messages = append(names, name), append(messages, message+"\n")
	}
	names = append(names, "8-bit parts", "a long body")
	messages = append(messages, "Subject: 8\nMIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\nContent-Type: multipart/mixed; boundary=b\n\n"+
		"--b\nContent-Transfer-Encoding: 8bit\nX-Warn: y\n\nwarn grün\n--b--\n",
		"Subject: long\n\n"+strings.Repeat(strings.Repeat("x", 99)+"\n", 600)+"warn\nrep\n"+"warn "+strings.Repeat("y", 5000)+"\n")
	all := []string{"smtp_mime_header_checks=$smtp_header_checks", "smtp_nested_header_checks=$smtp_header_checks",
		"smtp_body_checks=regexp:/src/test/interop/testdata/checks/body"}
	same, sets := 0, []struct {
		sink     sink.Options
		settings []string
	}{
		{sink.Options{}, nil},
		{sink.Options{}, all},
		{sink.Options{Keywords: []string{"8BITMIME"}}, append(all, "smtp_generic_maps=static:outside@example.net")},
		{sink.Options{}, []string{"smtp_header_checks=", "smtp_body_checks=regexp:/src/test/interop/testdata/checks/body"}},
		{sink.Options{}, []string{"smtp_header_checks=", "smtp_nested_header_checks=static:strip", "smtp_mime_header_checks=static:{replace X-Y: z}"}},
		{sink.Options{}, []string{"smtp_header_checks=fail:me", "maximal_backoff_time=1h"}},
	}
	for _, set := range sets {
		want, got := sentChecked(t, stock, messages, set.sink, set.settings...), sentChecked(t, ours, messages, set.sink, set.settings...)
		for i := range messages {
			got[i] = failure.ReplaceAllString(got[i], "")
			if want[i] = failure.ReplaceAllString(want[i], ""); want[i] == got[i] {
				same++
				continue
			}
			_, list := compareLines(want[i], got[i])
			t.Errorf("%v, message %q (- stock, + ours):\n%s", set.settings, names[i], report(list))
		}
	}
	t.Logf("%d of %d results are the same", same, len(sets)*len(messages))
}
