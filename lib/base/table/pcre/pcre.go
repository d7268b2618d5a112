// Package pcre has the table type "pcre": a file of regular expressions in the
// language of Perl. The first one that matches gives the value.
//
// The expressions are those of PCRE2 itself, in a translation from C to Go. As in
// the C library, text is bytes, and letters are those of ASCII.
package pcre

import (
	"runtime"

	"go.elara.ws/pcre/lib"
	"modernc.org/libc"

	"postrider/lib/base/table"
	"postrider/lib/base/table/rules"
)

func init() {
	table.Register("pcre", rules.Dialect{Kind: "pcre", Obsolete: "X", Compile: compile}.Open)
}

// options are the letters behind an expression; each is on or off, and a letter
// makes it the other.
var options = map[byte]uint32{
	'i': lib.DPCRE2_CASELESS,
	'm': lib.DPCRE2_MULTILINE,
	's': lib.DPCRE2_DOTALL,
	'x': lib.DPCRE2_EXTENDED,
	'A': lib.DPCRE2_ANCHORED,
	'E': lib.DPCRE2_DOLLAR_ENDONLY,
	'U': lib.DPCRE2_UNGREEDY,
}

// An expression is what PCRE2 made of a pattern.
type expression struct {
	code   uintptr
	groups int
}

func compile(pattern, letters string, _ bool) (rules.Regexp, error) {
	flags := uint32(lib.DPCRE2_CASELESS | lib.DPCRE2_DOTALL)
	for i := range len(letters) {
		bit, known := options[letters[i]]
		if !known {
			return nil, rules.OptionError(letters[i])
		}
		flags ^= bit
	}
	w := borrow()
	defer w.giveBack()
	code, err := w.compile(pattern, flags)
	if err != nil {
		return nil, err
	}
	e := &expression{code: code, groups: w.groups(code)}
	runtime.AddCleanup(e, free, code)
	return e, nil
}

// free gives back the memory of an expression that nobody uses any more.
func free(code uintptr) {
	w := borrow()
	defer w.giveBack()
	lib.Xpcre2_code_free_8(w.stack, code)
}

func (e *expression) Groups() int { return e.groups }

func (e *expression) MatchString(text string) (bool, error) {
	matches := false
	err := e.match(text, func(_ []libc.Size) { matches = true })
	return matches, err
}

// Find returns the text that the pattern matches and that of its groups.
func (e *expression) Find(text string) ([]string, error) {
	var found []string
	err := e.match(text, func(ends []libc.Size) {
		found = make([]string, e.groups+1)
		for i := range min(len(found), len(ends)/2) {
			if from, to := ends[2*i], ends[2*i+1]; from <= to && to <= libc.Size(len(text)) {
				found[i] = text[from:to]
			}
		}
	})
	return found, err
}

// match calls found with begin and end of what the pattern and each of its groups
// match. An unused group has the largest number for both. A pattern that tries
// too many ways to match is given up.
func (e *expression) match(text string, found func(ends []libc.Size)) error {
	w := borrow()
	defer w.giveBack()
	defer runtime.KeepAlive(e)
	data := lib.Xpcre2_match_data_create_from_pattern_8(w.stack, e.code, 0)
	if data == 0 {
		return errNoMemory
	}
	defer lib.Xpcre2_match_data_free_8(w.stack, data)
	subject, err := w.text(text)
	if err != nil {
		return err
	}
	n := lib.Xpcre2_match_8(w.stack, e.code, subject, libc.Size(len(text)), 0, 0, data, limits(w.stack))
	switch {
	case n >= 0:
		found(libc.Sizes(lib.Xpcre2_get_ovector_pointer_8(w.stack, data), 2*(e.groups+1)))
		return nil
	case n == lib.DPCRE2_ERROR_NOMATCH:
		return nil
	}
	return rules.GaveUp{Reason: w.message(n)}
}
