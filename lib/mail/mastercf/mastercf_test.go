package mastercf

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

const sample = `# comment
smtp      inet  n       -       y       -       -       smtpd
  -o smtpd_x={ a b }
# inside
  -o { name = value with space } -v

tlsmgr    unix  -       -       -       1000?   1       tlsmgr
postlog   unix-dgram n  y       n       60      0       postlogd
# after
uucp unix - n n - - pipe flags=F user=uucp argv=uux -o x=y ($recipient)
`

// The whole syntax of an entry. S4.1.
func TestParse(t *testing.T) {
	file, err := Parse("master.cf", strings.NewReader(sample))
	if err != nil || len(file.Warnings) != 0 || len(file.Entries) != 4 {
		t.Fatal(file, err)
	}
	e := file.Entries[0]
	if e.Name != "smtp" || e.Type != "inet" || e.Private || !e.Unprivileged || !e.Chroot || e.Line != 2 ||
		e.MaxProc != DefaultLimit || e.Command != "smtpd" {
		t.Errorf("%+v", e)
	}
	if want := []string{"-o", "smtpd_x={ a b }", "-o", "name = value with space", "-v"}; !reflect.DeepEqual(e.Args, want) {
		t.Errorf("arguments %q, want %q", e.Args, want)
	}
	if e := file.Entries[1]; e.Wakeup != 1000*time.Second || !e.WakeupIfUsed || e.MaxProc != 1 || !e.Private || !e.ChrootUnset || e.Chroot {
		t.Errorf("%+v", e)
	}
	if e := file.Entries[2]; e.Type != "unix-dgram" || e.MaxProc != 0 || e.Wakeup != time.Minute || e.WakeupIfUsed {
		t.Errorf("%+v", e)
	}
	if options := file.Entries[0].Options(); len(options) != 2 || options[1].Name != "name" || options[1].Value != "value with space" {
		t.Errorf("%+v", options)
	}
	if options := file.Entries[3].Options(); len(options) != 0 {
		t.Errorf("options of a command of pipe: %+v", options)
	}
}

// Errors name file, line and field, and say what to write. S4.1.
func TestParseErrors(t *testing.T) {
	text := `a unix - - - - -
a tcp - - - - - x
a inet - - - - - x
a unix Y - - - - x
a unix - q - - - x
a unix - - yes - - x
a unix - - - 5m - x
a unix - - - ? - x
a unix - - - - -1 x
a unix - - - - - x { y
a unix - - - - - x {y}z
`
	_, err := Parse("/etc/master.cf", strings.NewReader("  lost\n"+text))
	if err == nil {
		t.Fatal("no error")
	}
	want := []string{
		"line 1: an entry must not begin with white space",
		`line 2: field "command" is missing`, `line 3: service a: field "type" is "tcp": write inet,`,
		`line 4: service a: field "private" is "-": write n`, `line 5: service a: field "private" is "Y": write y, n or -`,
		`line 6: service a: field "unprivileged" is "q"`, `line 7: service a: field "chroot" is "yes"`,
		`line 8: service a: field "wakeup" is "5m"`, `line 9: service a: field "wakeup"`,
		`line 10: service a: field "process_limit" is "-1"`, "line 11: argument", "line 12: argument",
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d errors:\n%v", len(lines), err)
	}
	for i, line := range lines {
		if !strings.HasPrefix(line, "/etc/master.cf, "+want[i]) {
			t.Errorf("got  %s\nwant %s", line, want[i])
		}
	}
}

func TestDuplicate(t *testing.T) {
	file, err := Parse("m", strings.NewReader("a unix - - - - - x\nb unix - - - - - x\na unix - - - - - y\na inet n - - - - z\n"))
	if err != nil || len(file.Entries) != 3 || file.Entries[0].Command != "y" || len(file.Warnings) != 1 ||
		!strings.Contains(file.Warnings[0], "m, line 3: duplicate entry") {
		t.Error(file, err)
	}
}

func TestReadHostile(t *testing.T) {
	dir := t.TempDir()
	if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), "regular") {
		t.Error(err)
	}
	name := filepath.Join(dir, "master.cf")
	os.WriteFile(name, []byte("\x7fELF\x00\n"), 0o644)
	if _, err := Read(name); err == nil || !strings.Contains(err.Error(), "NUL") {
		t.Error(err)
	}
	os.Truncate(name, 100<<20)
	if _, err := Read(name); err == nil || !strings.Contains(err.Error(), "bytes") {
		t.Error(err)
	}
	if err := os.WriteFile(name, []byte(sample[:len(sample)-1]), 0o644); err != nil { // no newline at the end
		t.Fatal(err)
	}
	if entries, err := Read(name); err != nil || len(entries) != 4 {
		t.Error(entries, err)
	}
}

func TestFormat(t *testing.T) {
	tests := []struct{ in, plain, folded string }{
		{"smtp inet n - y - - smtpd", "smtp       inet  n       -       y       -       -       smtpd", ""},
		{"scalemail-backend unix - n n - 2 pipe a b", "scalemail-backend unix - n       n       -       2       pipe a b", ""},
		{"postlog unix-dgram n - n - 1 postlogd", "postlog    unix-dgram n  -       n       -       1       postlogd", ""},
		{"smtp inet n - y - - smtpd -v -o a=b -o {c=d e} -v",
			"smtp       inet  n       -       y       -       -       smtpd -v -o a=b -o {c=d e} -v",
			"smtp       inet  n       -       y       -       -       smtpd -v\n    -o a=b\n    -o {c=d e}\n    -v"},
		{"ifmail unix - n n - - pipe flags=F user=ftn argv=/usr/lib/ifmail/ifmail -r $nexthop ($recipient)",
			"ifmail     unix  -       n       n       -       -       pipe flags=F user=ftn argv=/usr/lib/ifmail/ifmail -r $nexthop ($recipient)",
			"ifmail     unix  -       n       n       -       -       pipe flags=F user=ftn\n    argv=/usr/lib/ifmail/ifmail -r $nexthop ($recipient)"},
	}
	for _, test := range tests {
		e, err := ParseEntry(test.in)
		if err != nil {
			t.Fatal(err)
		}
		if test.folded == "" {
			test.folded = test.plain
		}
		if got := e.Format(false); got != test.plain {
			t.Errorf("got  %s\nwant %s", got, test.plain)
		}
		if got := e.Format(true); got != test.folded {
			t.Errorf("got  %s\nwant %s", got, test.folded)
		}
	}
}

// Edits keep comments and the form of other entries. S6.3.
func TestEdit(t *testing.T) {
	d, err := ParseDocument("m", sample)
	if err != nil {
		t.Fatal(err)
	}
	if d.String() != sample {
		t.Errorf("not the same: %s", d)
	}
	count, err := d.Select("smtp", "*", func(e *Entry) (bool, error) {
		e.SetOption("smtpd_x", "new")
		e.SetOption("spaced", "a b")
		return e.RemoveOption("name"), e.SetField(Chroot, "n")
	})
	if err != nil || count != 1 {
		t.Error(count, err)
	}
	if d.CommentOut("tlsmgr", "unix") != 1 || d.Remove("postlog", "unix-dgram") != 1 || d.Remove("none", "unix") != 0 {
		t.Error("wrong counts")
	}
	entry, err := ParseEntry("new unix - - n - - smtp")
	if err != nil {
		t.Fatal(err)
	}
	d.Replace("new", "unix", entry)
	want := `# comment
# inside
smtp       inet  n       -       n       -       -       smtpd
    -o smtpd_x=new
    -v
    -o {spaced=a b}

#tlsmgr    unix  -       -       -       1000?   1       tlsmgr
# after
uucp unix - n n - - pipe flags=F user=uucp argv=uux -o x=y ($recipient)
new        unix  -       -       n       -       -       smtp
`
	if got := d.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestSetField(t *testing.T) {
	e, _ := ParseEntry("a unix - - n - - smtp -v")
	if err := e.SetField(Chroot, "q"); err == nil || e.Fields[Chroot] != "n" {
		t.Error("bad value accepted", err)
	}
	if err := e.SetField(Command, "lmtp -o a=b"); err != nil || e.Command != "lmtp" || len(e.Args) != 2 {
		t.Error(e, err)
	}
	if err := e.SetField(Command, ""); err == nil {
		t.Error("empty command accepted")
	}
}

func TestDisabled(t *testing.T) {
	e, _ := ParseEntry("foo inet n - n - - smtp")
	for list, want := range map[string]bool{
		"": false, "foo.inet": true, "foo/inet": true, "inet": true, "unix": false, "*.inet": true, "bar.inet, foo.inet": true,
		"!foo/inet inet": false, "foo": false,
	} {
		if got := e.Disabled(list); got != want {
			t.Errorf("%q: %v", list, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample)
	f.Fuzz(func(t *testing.T, data string) {
		file, err := Parse("m", strings.NewReader(data))
		if err != nil {
			return
		}
		for _, e := range file.Entries {
			again, err := ParseEntry(e.Format(false))
			if err != nil || again.Format(true) != e.Format(true) {
				t.Fatalf("%q: %v", e.Format(false), err)
			}
		}
	})
}
