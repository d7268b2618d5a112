// Package regexp has the table type "regexp": a file of POSIX regular expressions
// and values. Letter case does not matter, unless the option i is given; m makes
// ^ and $ match at newlines; x asks for basic instead of extended syntax. Each
// option toggles.
package regexp

import (
	"postrider/lib/base/table"
	"postrider/lib/base/table/ere"
	"postrider/lib/base/table/rules"
)

func init() { table.Register("regexp", rules.Dialect{Kind: "regexp", Compile: compile}.Open) }

func compile(pattern, options string, _ bool) (rules.Regexp, error) {
	o := ere.Options{FoldCase: true}
	for i := range len(options) {
		switch options[i] {
		case 'i':
			o.FoldCase = !o.FoldCase
		case 'm':
			o.Newline = !o.Newline
		case 'x':
			o.Basic = !o.Basic
		default:
			return nil, rules.OptionError(options[i])
		}
	}
	return ere.Compile(pattern, o)
}
