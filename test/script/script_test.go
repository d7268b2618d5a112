package script

import "testing"

func TestMatch(t *testing.T) {
	for _, test := range []struct {
		pattern, text string
		want          bool
	}{
		{"abc", "abc", true}, {"abc", "abd", false}, {"a*c", "abbc", true}, {"a*c", "ac", true},
		{"a*c*e", "abcde", true}, {"a*x*e", "abcde", false}, {"*", "", true}, {"a*", "b", false}, {"*a", "ba", true},
		{"ab*bc", "abc", false},
	} {
		if got := Match(test.pattern, test.text); got != test.want {
			t.Errorf("%q %q: %v", test.pattern, test.text, got)
		}
	}
}

func TestUnescape(t *testing.T) {
	if got := Unescape(`a\r\n\\\x41\xff.`); got != "a\r\n\\A\xff." {
		t.Errorf("%q", got)
	}
}
