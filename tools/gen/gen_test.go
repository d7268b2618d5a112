package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tree writes files below a new root.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	files["tools/gen/remaining.txt"] = "# comment\nx_name = joe\nsmtp_helo_x = 1s\nlmtp_lhlo_x = 2s\nlocal_limit = 2\nsmtp_limit = $limit\nunused = (computed)\n"
	files["tools/gen/changed.txt"] = "x_name = jim\n"
	files["tools/gen/reasons.txt"] = "# why\n"
	files["tools/gen/missing.txt"] = "3.9 tables = not there\n"
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const program = `// Smtp delivers. It is
// a program.
//
// # SECURITY
//
// None: -v does not help, see postconf(5).
package main

import (
	"time"

	"postrider/lib/mail/family"
)

var conf struct {
	family.Params

	// LIMITS

	// How long it takes. The value of smtp_helo_x
	// is small.
	HeloX time.Duration ` + "`param:\"smtp_helo_x\" default:\"1s\" default.lmtp:\"2s\"`" + `

	Limit int ` + "`param:\"<transport>_limit\" default:\"$limit\" default.local:\"2\" min:\"1\"`" + ` // the limit
}
`

const shared = `package family

// Params are shared.
type Params struct {
	// The name. .start of a line
	// 'quoted' \ text
	Name string ` + "`param:\"x_name\" default:\"jim\" old:\"x_nom\"`" + `
}
`

// The struct is the table: all derived files come from it.
func TestGenerate(t *testing.T) {
	root := tree(t, map[string]string{"smtp/main.go": program, "lib/mail/family/family.go": shared,
		"lib/service/x/x.go": "// Package x asks.\npackage x\n\n// A Request is one.\ntype Request struct {\n\tBase\n\tName string `attr:\"name\"` // a|b\n}\n"})
	stale, err := run(root, true)
	if err != nil || len(stale) != 6 {
		t.Fatal(stale, err)
	}
	for name, wants := range map[string][]string{
		"lib/mail/param/builtin.go": {
			`{Name: "lmtp_lhlo_x", Default: "2s", Users: "smtp", Kind: Time}`,
			`{Name: "local_limit", Default: "2", Min: "1", Users: "smtp", Kind: Int}`,
			`{Name: "smtp_limit", Default: "$limit", Min: "1", Users: "smtp", Kind: Int}`,
			`{Name: "unused", Unread: true}`, `{Name: "x_name", Default: "jim", Old: "x_nom", Users: "smtp"}`,
		},
		"conf/main.cf.default": {"\nunused =\nx_name = jim\n"},
		"docs/status.md":       {"Of 6 parameters of Postfix 3.11, 5 are read", "- `unused`", "\n- 3.9 tables: not there\n"},
		"docs/man/man8/smtp.8": {
			".TH SMTP 8", "smtp \\- delivers\n", ".SH \"SECURITY\"", "None: \\-v does not help, see \\fBpostconf(5)\\fR.",
			".SS \"LIMITS\"", "\\fBsmtp_helo_x (1s)\\fR", "The name. .start of a line\n\\&'quoted' \\e text\n", "Older name: x_nom.",
		},
		"docs/protocols.md":        {"## x\n\nPackage x asks.\n\n### Request\n\nA Request is one.\n", "| (those of Base) | |  |\n| `name` | string | a\\|b |\n"},
		"docs/man/man5/postconf.5": {"\\fBlmtp_lhlo_x (2s)\\fR", "The value of lmtp_lhlo_x", "unused."},
	} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Error(err)
		}
		for _, want := range wants {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s has no %q:\n%s", name, want, text)
			}
		}
	}
	if stale, err := run(root, false); err != nil || len(stale) != 0 {
		t.Error("stale after a run:", stale, err)
	}
}

// A file that somebody is just editing is no reason to stop.
func TestBrokenFile(t *testing.T) {
	root := tree(t, map[string]string{"smtp/main.go": program, "smtp/edit.go": "package main\nfunc {", "lib/mail/family/family.go": shared})
	if _, err := run(root, true); err != nil {
		t.Error(err)
	}
}

// Two declarations of one parameter, a default that is not Postfix's, and a missing
// text are found.
func TestJudge(t *testing.T) {
	other := strings.Replace(strings.Replace(shared, "\"jim\\\"", "\"other\\\"", 1), "// Params are", "// Params are", 1)
	other = strings.Replace(strings.Replace(other, "jim", "other", 1), "package family", "package main", 1)
	root := tree(t, map[string]string{
		"smtp/main.go": program, "lib/mail/family/family.go": shared, "zzz/main.go": other,
		"pipe/main.go": "package main\n\nvar conf struct {\n\tX bool `param:\"unused\" default:\"no\"`\n}\n",
	})
	src, err := readSource(root, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := readReference(filepath.Join(root, "tools/gen"))
	if err != nil {
		t.Fatal(err)
	}
	declared, errs := src.declared(ref)
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "x_name is declared in ") {
		t.Error(errs)
	}
	errs = ref.judge(merge(declared, ref), declared)
	bad := parameter{kind: "Time", fallback: "5x", min: "1s"}
	if bad.valid() == nil {
		t.Error("a bad default is accepted")
	}
	if len(errs) != 2 || !strings.Contains(errs[0].Error(), "unused has no text") || !strings.Contains(errs[1].Error(), `has default "no"`) {
		t.Error(errs)
	}
}
