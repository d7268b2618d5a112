package dsn

import "testing"

func TestSplit(t *testing.T) {
	for _, c := range []struct{ text, status, rest string }{
		{"5.1.1 no such user", "5.1.1", "no such user"},
		{"no code", "4.0.0", "no code"},
		{"4.7.100\tx", "4.7.100", "x"},
		{"3.1.1 x", "4.0.0", "3.1.1 x"},
		{"5.1.1x", "4.0.0", "5.1.1x"},
		{"5.1.", "4.0.0", "5.1."},
		{"2.0.0", "2.0.0", ""},
	} {
		status, rest := Split(c.text, "4.0.0")
		if string(status) != c.status || rest != c.rest {
			t.Errorf("%q: %q %q", c.text, status, rest)
		}
	}
}

func TestNotify(t *testing.T) {
	for text, want := range map[string]Notify{"NEVER": 1, "success,FAILURE": 6, "SUCCESS,FAILURE,DELAY": 14, "NEVER,DELAY": -1, "x": -1, "": -1, "DELAY,DELAY": 8} {
		n, ok := ParseNotify(text)
		if ok != (want >= 0) || ok && n != want {
			t.Errorf("%q: %d %v", text, n, ok)
		}
	}
}
