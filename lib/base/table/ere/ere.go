// Package ere matches POSIX regular expressions, extended and basic, by byte and
// in the way of the C library of GNU systems. Most are translated for package
// regexp, which takes time in proportion to the text. What that does not know,
// above all back-references, goes to a small matcher of our own that tries the
// ways one after the other and gives up after many.
package ere

import (
	"errors"
	"regexp"
	"sync"
)

// Options change what a pattern means.
type Options struct {
	FoldCase bool // letter case does not matter
	Newline  bool // ^ and $ match at newlines, and . does not match one
	Basic    bool // basic syntax instead of extended
}

// A Regexp is a pattern. It can be used by several goroutines.
type Regexp struct {
	groups  int
	tree    *node
	o       Options
	special bool

	compile sync.Once
	fast    *regexp.Regexp // nil when only the tree will do
}

// ErrTooHard says that a pattern with back-references did not find an answer in
// reasonable time.
var ErrTooHard = errors.New("the pattern needs too many steps for this text")

// Compile checks a pattern. The work of making it ready is left to the first
// match.
func Compile(pattern string, o Options) (*Regexp, error) {
	p := &parser{s: pattern, o: o}
	tree, err := p.alternatives()
	if err != nil {
		return nil, err
	}
	return &Regexp{groups: p.groups, tree: tree, o: o, special: p.special}, nil
}

// Groups returns the number of parenthesised groups.
func (r *Regexp) Groups() int { return r.groups }

// MatchString says whether the pattern is somewhere in text.
func (r *Regexp) MatchString(text string) (bool, error) {
	r.compile.Do(r.prepare)
	if r.fast != nil {
		return r.fast.MatchString(widen(text)), nil
	}
	groups, err := match(r, text)
	return groups != nil, err
}

// Find returns the text that the pattern matches and the text of each group, or
// nil. A group that took no part is empty.
func (r *Regexp) Find(text string) ([]string, error) {
	r.compile.Do(r.prepare)
	if r.fast == nil {
		return match(r, text)
	}
	groups := r.fast.FindStringSubmatch(widen(text))
	for i := range groups {
		groups[i] = narrow(groups[i])
	}
	return groups, nil
}

func (r *Regexp) prepare() {
	if r.special {
		return
	}
	t := translator{o: r.o}
	t.node(r.tree)
	if t.impossible {
		return
	}
	if fast, err := regexp.Compile(t.text()); err == nil {
		fast.Longest()
		r.fast = fast
	}
}

// widen makes each byte of text one letter, because package regexp matches
// letters in UTF-8.
func widen(text string) string {
	for i := 0; i < len(text); i++ {
		if text[i] >= 0x80 {
			wide := make([]rune, len(text))
			for i := range wide {
				wide[i] = rune(text[i])
			}
			return string(wide)
		}
	}
	return text
}

// narrow undoes widen.
func narrow(wide string) string {
	for i := 0; i < len(wide); i++ {
		if wide[i] >= 0x80 {
			var text []byte
			for _, c := range wide {
				text = append(text, byte(c))
			}
			return string(text)
		}
	}
	return wide
}
