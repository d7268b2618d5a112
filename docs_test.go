package postrider

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"postrider/lib/mail/param"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	foreign = regexp.MustCompile(`^[a-z]+:`) // an address on the network
	span    = regexp.MustCompile("`[^`\n]+`")
	setting = regexp.MustCompile(`(?:^|[ '])([a-z0-9]+_[a-z0-9_]+)(?: = | =$|=[^=\s])`)
	notYet  = regexp.MustCompile(`<!-- not yet: (.*?) -->`)
	classes = regexp.MustCompile(`smtpd_restriction_classes = (.*)`)
)

// pages reads the documents in docs and the README above them.
func pages(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("docs/*.md")
	if err != nil || len(names) == 0 {
		t.Fatal("no documents", err)
	}
	texts := make(map[string]string)
	for _, name := range append(names, "README.md", "conf/examples/README.md") {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(b)
	}
	return texts
}

// Links in documents lead somewhere, and each document is found from the README
// by way of the index.
func TestLinks(t *testing.T) {
	texts := pages(t)
	links := make(map[string][]string)
	for name, text := range texts {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			goal, _, _ := strings.Cut(m[1], "#")
			if goal == "" || foreign.MatchString(goal) {
				continue
			}
			goal = path.Join(path.Dir(name), goal)
			if _, err := os.Stat(goal); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", name, m[1])
			}
			links[name] = append(links[name], goal)
		}
	}
	if !slices.Contains(links["README.md"], "docs/README.md") {
		t.Error("README.md has no link to docs/README.md")
	}
	for name := range texts {
		if name != "README.md" && name != "docs/README.md" && !slices.Contains(links["docs/README.md"], name) {
			t.Errorf("docs/README.md has no link to %s", name)
		}
	}
}

// A setting in a document, between backquotes or on an indented line, is one of a
// parameter that exists.
func TestDocumentedSettings(t *testing.T) {
	count := 0
	for name, text := range pages(t) {
		own := make(map[string]bool) // restriction classes that the page defines
		for _, m := range classes.FindAllStringSubmatch(text, -1) {
			for _, class := range strings.FieldsFunc(m[1], func(r rune) bool { return r == ',' || r == ' ' }) {
				own[class] = true
			}
		}
		var code []string
		for _, s := range span.FindAllString(text, -1) {
			code = append(code, strings.Trim(s, "`"))
		}
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "    ") {
				code = append(code, line)
			}
		}
		for _, c := range code {
			for _, m := range setting.FindAllStringSubmatch(strings.TrimRight(c, "\n"), -1) {
				if count++; !own[m[1]] && !documented(m[1]) {
					t.Errorf("%s: there is no parameter %s", name, m[1])
				}
			}
		}
	}
	if count < 100 {
		t.Errorf("only %d settings were found", count)
	}
}

// What a document says is not there yet, is not: the comment beside such words
// names parameters, and docs/status.md still has them.
func TestNotYet(t *testing.T) {
	texts := pages(t)
	for name, text := range texts {
		for _, m := range notYet.FindAllStringSubmatch(text, -1) {
			for word := range strings.FieldsSeq(m[1]) {
				if !strings.Contains(texts["docs/status.md"], "- `"+word+"`\n") {
					t.Errorf("%s says that %s is not acted upon yet, and it is: correct the text there", name, word)
				}
			}
		}
	}
}

// documented knows the parameters of transports of any name, too, the templates of
// bounce(5), and what stands in log lines and in entries of master.cf.
func documented(name string) bool {
	if slices.Contains([]string{"orig_to", "orig_client", "orig_queue_id", "null_sender", "sasl_method", "sasl_username",
		"default_action", "connect_timeout", "content_timeout", "bind_socket", "self_scan"}, name) { // of mail filters
		return true
	}
	_, rest, _ := strings.Cut(name, "_")
	return param.Lookup(name) != nil || strings.HasSuffix(name, "_template") ||
		param.Lookup("smtp_"+rest) != nil || param.Lookup("default_"+rest) != nil || param.Lookup(rest) != nil
}

// Each main.cf of docs/set-ups.md can be read, and has nothing that does not exist
// or is not acted upon.
func TestSetUps(t *testing.T) {
	b, err := os.ReadFile("docs/set-ups.md")
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile("docs/status.md")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for part := range strings.SplitSeq(string(b), "\n## ") {
		if !strings.Contains(part, "    compatibility_level = ") {
			continue
		}
		count++
		var file strings.Builder
		_, block, _ := strings.Cut(part, "    compatibility_level")
		file.WriteString("compatibility_level")
		for line := range strings.Lines(block) {
			code, indented := strings.CutPrefix(line, "    ")
			if !indented && strings.TrimSpace(line) != "" && file.Len() > len("compatibility_level = 3.11\n") {
				break // text again
			}
			file.WriteString(code)
		}
		title, _, _ := strings.Cut(part, "\n")
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "main.cf"), []byte(file.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := param.Read(dir)
		if err != nil {
			t.Errorf("%s: %v", title, err)
			continue
		}
		if warnings := s.Warnings(); len(warnings) > 0 || len(s.Names()) < 8 {
			t.Errorf("%s: %d settings, %v", title, len(s.Names()), warnings)
		}
		for _, name := range s.Names() {
			if param.Lookup(name) == nil || strings.Contains(string(status), "- `"+name+"`\n") {
				t.Errorf("%s: %s does nothing", title, name)
			}
		}
	}
	if count != 4 {
		t.Errorf("%d set-ups were found", count)
	}
}
