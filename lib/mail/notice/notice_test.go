package notice

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write conf/bounce.cf.default")

func values() Values {
	return Values{
		Lookup: func(name string) (string, bool) {
			v, ok := map[string]string{"myhostname": "mail.example.com", "mail_name": "Postfix"}[name]
			return v, ok
		},
		Time: func(name string) (time.Duration, bool) {
			return map[string]time.Duration{"maximal_queue_lifetime": 5 * 24 * time.Hour, "delay_warning_time": 4 * time.Hour}[name], true
		},
	}
}

const header = `# Templates of the delivery status notifications that bounce(8) sends.
#
# Do not change this file; it is replaced when the mail system is upgraded.
# Copy what you want to change into a file of your own, and name that file with
# bounce_template_file in main.cf. "postconf -b FILE" shows the result. The
# format is described in bounce(5).

`

// The file that is shipped holds the built-in templates. S2.3.
func TestDefaultFile(t *testing.T) {
	const path = "../../../conf/bounce.cf.default"
	var b bytes.Buffer
	b.WriteString(header)
	templates := Builtin()
	templates.Dump(&b)
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != b.String() {
		t.Fatalf("%s is stale (%v): run go test -update", path, err)
	}
	read, trouble := Read(path)
	for _, kind := range read.all() {
		kind.Origin, kind.OwnFrom = "built-in", false
	}
	if len(trouble) > 0 || read != templates {
		t.Errorf("reading it back: %v\n%+v", trouble, read)
	}
}

func parse(text string) (Templates, []error) {
	t := Builtin()
	return t, t.parse("b.cf", text)
}

func TestReplace(t *testing.T) {
	got, trouble := parse("# comment\n\nfailure_template = <<X\nSUBJECT: My failure\ncharset: iso-8859-1\n\n" +
		"Text $myhostname $$5 ${mail_name} $maximal_queue_lifetime_days $maximal_queue_lifetime_weeks\n  \\keep EOF\nX\n" +
		"success_template = <<E\nNo header: here\nE\n")
	if len(trouble) > 0 {
		t.Fatal(trouble)
	}
	if got.Failure.Subject != "My failure" || got.Failure.Charset != "iso-8859-1" || got.Failure.PostmasterSubject != "Postmaster Copy: Undelivered Mail" {
		t.Errorf("%+v", got.Failure)
	}
	want := "Text mail.example.com $5 Postfix 5 0|  \\keep EOF"
	if lines := strings.Join(got.Failure.Lines(values()), "|"); lines != want {
		t.Errorf("got %q, want %q", lines, want)
	}
	if got.Success.Text != "No header: here\n" {
		t.Errorf("got %q", got.Success.Text)
	}
	if got.Delay != Builtin().Delay {
		t.Errorf("%+v", got.Delay)
	}
}

// A template with a mistake is named and the built-in one stays: a notice goes
// out in any case.
func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"failure_template = <<EOF\nFrom: x\n":                                 "missing \"EOF\" end marker",
		"nosuch_template = <<E\nx\nE\n":                                       "unknown template name",
		"junk\n":                                                              "missing '='",
		"failure_template = <<'E'\n\nx\nE\n":                                  "malformed end marker",
		"failure_template = <<E\nFrom: b\xe9\n\nx\nE\n":                       "non-ASCII \"From\"",
		"failure_template = <<E\nCharset: us-ascii\n\nt\xe9xt\nE\n":           "Charset",
		"failure_template = <<E\nCharset: utf-8\nE\n":                         "missing message text",
		"failure_template = <<E\nCharset: utf-8\n\n\xc3\xa9\nE\nlast thing\n": "missing '='",
	} {
		got, trouble := parse(text)
		if len(trouble) == 0 || !strings.Contains(trouble[0].Error()+trouble[len(trouble)-1].Error(), want) {
			t.Errorf("%q: %v, want %s", text, trouble, want)
		}
		if !strings.Contains(text, "\xc3") && got != Builtin() {
			t.Errorf("%q: replaced %+v", text, got.Failure)
		}
	}
}

func TestUnknownParameter(t *testing.T) {
	got, _ := parse("failure_template = <<E\nText $nosuch\nE\nverify_template = <<E\nbody ${bad\nE\n")
	for _, kind := range []Template{got.Failure, got.Verify} {
		lines := kind.Lines(values())
		if lines[0] != "This is the mail system at host mail.example.com." {
			t.Errorf("%s: %q", kind.Name, lines[0])
		}
	}
}

func TestDumpExpanded(t *testing.T) {
	var b bytes.Buffer
	templates := Builtin()
	templates.DumpExpanded(&b, values())
	for _, want := range []string{"expanded_failure_text = <<EOF\nThis is the mail system at host mail.example.com.\n", "more than 4 hour(s)", "it is 5 day(s) old", "\nEOF\n\nexpanded_delay_text"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("failure_template = <<E\nFrom: x\n\n$x ${y?{a}:{b}}\nE\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, _ := parse(text)
		for _, kind := range got.all() {
			if len(kind.Lines(values())) == 0 {
				t.Error("no text")
			}
		}
	})
}
