package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestMain(m *testing.M) {
	if os.Getenv("POSTMAP_TEST") != "" {
		os.Args[0] = "postmap"
		main()
		return
	}
	os.Exit(m.Run())
}

// setup makes a folder with a main.cf current.
func setup(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("MAIL_CONFIG", dir)
	put(t, "main.cf", "myhostname = mail.example.com\nsmtputf8_enable = yes\n")
}

func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// run runs the command and compares what it prints, its messages without the name
// of the program, and its exit status.
func run(t *testing.T, input, want string, status int, args ...string) {
	t.Helper()
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), "POSTMAP_TEST=1")
	c.Stdin = strings.NewReader(input)
	var out, messages bytes.Buffer
	c.Stdout, c.Stderr = &out, &messages
	c.Run()
	got := out.String() + strings.ReplaceAll(messages.String(), "postmap: ", "")
	if got != want || c.ProcessState.ExitCode() != status {
		t.Errorf("postmap %s: got status %d and\n%s\nwant %d and\n%s", strings.Join(args, " "), c.ProcessState.ExitCode(), got, status, want)
	}
}

// S6.3: the default type, and the texts that scripts look for; those of stock
// postmap.
func TestBuild(t *testing.T) {
	setup(t)
	put(t, "s", "a b\nB c\na d\n# c\nk\n x y\nlast: z\n\"a b\" e\n")
	run(t, "", "warning: s: duplicate entry: \"a\"\n"+
		"warning: s, line 7: record is in \"key: value\" format; is this an alias file?\n", 0, "s")
	run(t, "", "b\n", 0, "-q", "A", "cdb:s")
	run(t, "", "", 1, "-q", "none", "s")
	run(t, "a\nB\nx\n\"A B\"\n", "a\tb\nB\tc\n\"A B\"\te\n", 0, "-q", "-", "s")
	run(t, "x\n", "", 1, "-q", "-", "s")
	run(t, "", "a\tb\nb\tc\nk\tx y\nlast:\tz\n\"a b\"\te\n", 0, "-s", "s")
	run(t, "", "", 0, "-d", "A", "s")
	run(t, "", "", 1, "-d", "a", "s")
	run(t, "b\nx\n", "", 0, "-d", "-", "s")
	run(t, "n 1\nk 2\nn 3\n", "warning: s: duplicate entry: \"k\"\nwarning: s: duplicate entry: \"n\"\n", 0, "-i", "s")
	run(t, "n 9\n", "", 0, "-i", "-r", "s")
	run(t, "", "9\n", 0, "-q", "n", "s")
	run(t, "", "9\n", 0, "-q", "n", "inline:{x=y}", "s")
}

func TestHash(t *testing.T) {
	setup(t)
	put(t, "h", "a b\n")
	run(t, "", "hash:h is written as h.cdb, a table of type cdb\n", 0, "hash:h")
	run(t, "", "", 0, "hash:h")
	run(t, "", "b\n", 0, "-q", "a", "hash:h")
	run(t, "", "b\n", 0, "-q", "a", "cdb:h")
}

func TestTrouble(t *testing.T) {
	setup(t)
	put(t, "s", " lead\nkey\n\"a b c\na\xff b\nok fine\n")
	run(t, "", "warning: s: logical line must not start with whitespace: \" lead\"\n"+
		"warning: s, line 2: expected format: key whitespace value\n"+
		"warning: s, line 3: unbalanced '\"' in '\"a b c' -- ignoring this line\n"+
		"warning: s, line 4: non-UTF-8 input \"a? b\" -- ignoring this line\n", 0, "s")
	const usage = "fatal: usage: postmap [-bfFhijmnNoprsuUvw] [-c config_dir] [-d key] [-q key] [map_type:]file...\n"
	run(t, "", usage, 1)
	run(t, "", "fatal: specify only one of -s -q or -d\n", 1, "-q", "a", "-d", "b", "s")
	run(t, "", "fatal: open none: No such file or directory\n", 1, "none")
	run(t, "", "fatal: open database none.cdb: No such file or directory\n", 1, "-q", "a", "none")
	run(t, "", "fatal: unsupported dictionary type: static does not support bulk-mode creation.\n", 1, "static:s")
	run(t, "", "fatal: table static:s: delete operation is not supported\n", 1, "-d", "a", "static:s")
	run(t, "", "fatal: table static:s: sequence operation is not supported\n", 1, "-s", "static:s")
	run(t, "", "fatal: specify -b -h or -m only with \"-q -\"\n", 1, "-h", "-q", "a", "s")
}

// A table that cannot be made leaves the old one, and no other file.
func TestOldStays(t *testing.T) {
	setup(t)
	put(t, "s", "a b\n")
	run(t, "", "", 0, "s")
	os.Remove("s")
	os.Mkdir("s", 0o755)
	run(t, "", "fatal: open s: Is a directory\n", 1, "s")
	run(t, "", "b\n", 0, "-q", "a", "s")
	if names, _ := filepath.Glob("*"); len(names) != 3 {
		t.Error(names)
	}
}

func TestMessage(t *testing.T) {
	setup(t)
	put(t, "r", "/^Subject:(.*)/ S $1\n/body/ B\n/in/ I\n/Content/ C\n")
	const message = "Subject: hi\n there\nContent-type: multipart/mixed; boundary=b\n\nbody l1\n--b\nContent-Type: text/plain\n\nin part\n--b--\n"
	const headers = "Subject: hi\n there\tS  hi\n there\nContent-type: multipart/mixed; boundary=b\tC\n"
	run(t, message, headers, 0, "-h", "-q", "-", "regexp:r")
	run(t, message, "body l1\tB\nContent-Type: text/plain\tI\nin part\tI\n", 0, "-b", "-q", "-", "regexp:r")
	run(t, message, headers+"Content-Type: text/plain\tI\n", 0, "-hm", "-q", "-", "regexp:r")
	run(t, message, "body l1\tB\nin part\tI\n", 0, "-bm", "-q", "-", "regexp:r")
}

func TestFiles(t *testing.T) {
	setup(t)
	put(t, "one", "text")
	put(t, "s", "a one one\nb none\n")
	run(t, "", "warning: s, line 2: open none: No such file or directory: skipping this entry\n", 0, "-F", "s")
	run(t, "", "dGV4dAp0ZXh0\n", 0, "-q", "a", "s")
	run(t, "", "text\ntext\n", 0, "-F", "-q", "a", "s")
}

// The table has the owner of its source and may be read by whom the source may be
// read.
func TestRights(t *testing.T) {
	setup(t)
	put(t, "s", "a b\n")
	os.Chmod("s", 0o640)
	if os.Getuid() == 0 {
		os.Chmod(".", 0o777)
		for dir := t.TempDir(); dir != "/"; dir = filepath.Dir(dir) {
			os.Chmod(dir, 0o777)
		}
		os.Chown("s", 1234, 2345)
	}
	check := func(mode os.FileMode, uid, gid uint32) {
		t.Helper()
		info, err := os.Stat("s.cdb")
		if err != nil {
			t.Fatal(err)
		}
		st := info.Sys().(*syscall.Stat_t)
		if info.Mode().Perm() != mode || os.Getuid() == 0 && (st.Uid != uid || st.Gid != gid) {
			t.Error(info.Mode(), st.Uid, st.Gid)
		}
	}
	run(t, "", "", 0, "s")
	check(0o640, 1234, 2345)
	run(t, "x y\n", "", 0, "-i", "s")
	check(0o640, 1234, 2345)
	if os.Getuid() == 0 {
		run(t, "", "", 0, "-o", "s")
		check(0o640, 0, 0)
	}
}

// Option -j, as Postfix 3.11 has it: the key is printed as it was asked for.
func TestJSON(t *testing.T) {
	setup(t)
	put(t, "s", "a \"b\\\"\n\tc\n\"k k\" \x01\x7f</>\ncaf\xc3\xa9 \xff\n")
	run(t, "", "", 0, "-u", "s")
	run(t, "", `{"A": "\"b\\\"\tc"}`+"\n", 0, "-jq", "A", "s")
	run(t, "", "", 1, "-jq", "none", "s")
	run(t, "x\n\"k k\"\nCAF\xc3\xa9\n", `{"\"k k\"": "\u0001\u007F</>"}`+"\n"+`{"CAFé": "?"}`+"\n", 0, "-u", "-j", "-q", "-", "s")
	run(t, "", `{"a": "\"b\\\"\tc"}`+"\n"+`{"\"k k\"": "\u0001\u007F</>"}`+"\n"+`{"café": "?"}`+"\n", 0, "-u", "-s", "-j", "s")
	put(t, "r", "/^Subject:(.*)/ S $1\n/body/ B\n")
	run(t, "Subject: hi\n there\n\nthe \xffbody\n", `{"Subject: hi\n there": "S  hi\n there"}`+"\n"+`{"the ?body": "B"}`+"\n",
		0, "-hbj", "-q", "-", "regexp:r")
	for _, args := range [][]string{{"-j", "s"}, {"-ij", "s"}, {"-j", "-d", "a", "s"}} {
		run(t, "", "fatal: option -j requires -q or -s\n", 1, args...)
	}
}
