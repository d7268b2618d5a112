// Package option reads command lines in the style of getopt(3), which
// administrators' scripts rely on: -vv, -oname=value, -i 100.
package option

import (
	"fmt"
	"strings"
)

// An Option is one letter with its argument.
type Option struct {
	Letter byte
	Value  string
}

// Parse splits args into options and the rest. In spec each letter is an
// option; a colon behind it says that it takes an argument, which may follow
// at once or as the next word. Options end at the first other word or at "--".
func Parse(args []string, spec string) (options []Option, rest []string, err error) {
	for len(args) > 0 {
		word := args[0]
		if word == "--" {
			return options, args[1:], nil
		}
		if len(word) < 2 || word[0] != '-' {
			break
		}
		args = args[1:]
		for i := 1; i < len(word); i++ {
			at := strings.IndexByte(spec, word[i])
			if at < 0 || word[i] == ':' {
				return nil, nil, fmt.Errorf("invalid option -- '%c'", word[i])
			}
			if at+1 >= len(spec) || spec[at+1] != ':' {
				options = append(options, Option{Letter: word[i]})
				continue
			}
			value := word[i+1:]
			if value == "" {
				if len(args) == 0 {
					return nil, nil, fmt.Errorf("option requires an argument -- '%c'", word[i])
				}
				value, args = args[0], args[1:]
			}
			options = append(options, Option{word[i], value})
			break
		}
	}
	return options, args, nil
}
