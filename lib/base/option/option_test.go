package option

import (
	"fmt"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for line, want := range map[string]string{
		"-vv -o a=b -oc=d -i100 x -v": "[{v } {v } {o a=b} {o c=d} {i 100}] [x -v]",
		"-v -- -x":                    "[{v }] [-x]",
		"-":                           "[] [-]",
		"-x":                          "invalid option -- 'x'",
		"-:":                          "invalid option -- ':'",
		"-o":                          "option requires an argument -- 'o'",
	} {
		options, rest, err := Parse(strings.Fields(line), "vo:i:")
		var parts []string
		for _, o := range options {
			parts = append(parts, fmt.Sprintf("{%c %s}", o.Letter, o.Value))
		}
		got := fmt.Sprintf("[%s] %v", strings.Join(parts, " "), rest)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}
