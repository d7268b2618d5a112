package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"postrider/lib/mail/record"
)

var now = time.Unix(1700000000, 0)

func put(t *testing.T, path string, minutes int, sender string, recipients ...string) {
	t.Helper()
	b := record.Append(nil, record.Time, fmt.Sprintf("%d 5", now.Unix()-int64(minutes)*60))
	b = record.Append(b, record.From, sender)
	for _, r := range recipients {
		b = record.Append(b, record.Recipient, r)
	}
	b = record.Append(record.Append(b, record.Done, "done@elsewhere"), record.Message, "")
	if err := os.WriteFile(path, b, 0o700); err != nil {
		t.Fatal(err)
	}
}

func shown(t *testing.T, args ...string) string {
	t.Helper()
	table := newTable(readOptions(args), now)
	for _, name := range table.queues {
		if err := walk(name, table.file); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	out := bufio.NewWriter(&b)
	table.print(out, 0, false)
	out.Flush()
	return b.String()
}

const long = "a.very.long.domain.name.which.does.not.fit.example.co.uk"

// The tables are those that the original prints for the same queue.
func TestTables(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"incoming", "active", "active/A", "hold"} {
		os.Mkdir(name, 0o700)
	}
	put(t, "incoming/0A1", 0, "a@x.org", "b@y.com", "c@Y.com", "d@sub1.z.net")
	put(t, "incoming/0A2", 6, "a@sub.x.org", "b@y.com")
	put(t, "active/A/0A3", 70, "", "b@sub2.z.net", "nodomain")
	put(t, "active/0A4", 3000, "q@"+long, "x@"+long, "b@sub3.z.net", "b@[1.2.3.4]")
	put(t, "incoming/0A5", 20, "A@X.ORG", "b@sub4.z.net", "b@a.sub5.z.net", "b@sub5.z.net")
	put(t, "hold/0A6", 11, "z@x.org", "b@y.com")
	os.WriteFile("hold/0A7", []byte("junk"), 0o700)
	os.WriteFile("hold/0A8", nil, 0o600)
	for _, c := range []struct{ args, want string }{
		{"", `                                         T  5 10 20 40 80 160 320 640 1280 1280+
                                  TOTAL 12  3  1  0  3  2   0   0   0    0     3
                                  y.com  3  2  1  0  0  0   0   0   0    0     0
                               nodomain  1  0  0  0  0  1   0   0   0    0     0
                              [1.2.3.4]  1  0  0  0  0  0   0   0   0    0     1
                             sub1.z.net  1  1  0  0  0  0   0   0   0    0     0
                             sub2.z.net  1  0  0  0  0  1   0   0   0    0     0
                             sub3.z.net  1  0  0  0  0  0   0   0   0    0     1
                             sub4.z.net  1  0  0  0  1  0   0   0   0    0     0
                             sub5.z.net  1  0  0  0  1  0   0   0   0    0     0
                           a.sub5.z.net  1  0  0  0  1  0   0   0   0    0     0
+.name.which.does.not.fit.example.co.uk  1  0  0  0  0  0   0   0   0    0     1
`},
		{"-s", `                                         T  5 10 20 40 80 160 320 640 1280 1280+
                                  TOTAL  5  1  1  0  1  1   0   0   0    0     1
                                  x.org  2  1  0  0  1  0   0   0   0    0     0
                              sub.x.org  1  0  1  0  0  0   0   0   0    0     0
                          MAILER-DAEMON  1  0  0  0  0  1   0   0   0    0     0
+.name.which.does.not.fit.example.co.uk  1  0  0  0  0  0   0   0   0    0     1
`},
		{"-t 10 -b 3 hold", `                                                                     T 10 20 20+
                                                              TOTAL  1  0  1   0
                                                              y.com  1  0  1   0
`},
		{"-b 1 hold", `                                                                            T 0+
                                                                     TOTAL  1  1
                                                                     y.com  1  1
`},
	} {
		if got := shown(t, strings.Fields(c.args)...); got != c.want {
			t.Errorf("%s: got\n%s", c.args, got)
		}
	}
	got := shown(t, "-p")
	if !strings.Contains(got, "\n                                 .z.net  6  1  0  0  3  1   0   0   0    0     1\n") || strings.Contains(got, ".sub5.z.net  1  0  0  0  1  0   0   0   0    0     0\n                             .") {
		t.Errorf("-p: got\n%s", got)
	}
	if got := shown(t, "-p", "-s", "-m", "1"); !strings.Contains(got, ".+name.which.does.not.fit.example.co.uk  1") || !strings.Contains(got, " .x.org  1") {
		t.Errorf("-p -s: got\n%s", got)
	}
	if got := shown(t, "-b", "20"); !strings.Contains(got, "\n+fit.example.co.uk  1") {
		t.Errorf("-b 20: got\n%s", got)
	}
	if got := shown(t, "-l", "-b", "4"); !strings.Contains(got, " T  5 10 15 15+\n") {
		t.Errorf("-l: got\n%s", got)
	}
}
