package text

import "testing"

func TestEscape(t *testing.T) {
	const plain, escaped = "EHLO x\r\n\\ \x16\x80\t", `EHLO x\r\n\\ \026\200\t`
	if got := Escape([]byte(plain)); got != escaped {
		t.Errorf("Escape: %s, want %s", got, escaped)
	}
	for in, want := range map[string]string{`\t\n\40\\\x`: "\t\n \\x", `\1`: "\x01", `a\`: `a\`, "plain": "plain"} {
		if got := Unescape(in); got != want {
			t.Errorf("Unescape(%q) = %q, want %q", in, got, want)
		}
	}
}
