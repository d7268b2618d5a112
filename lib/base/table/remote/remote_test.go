package remote

import "testing"

func TestParse(t *testing.T) {
	for text, want := range map[string]Endpoint{
		"inet:host:25":      {"tcp", "host:25"},
		"inet:[::1]:smtp":   {"tcp", "[::1]:smtp"},
		"unix:/run/a":       {"unix", "/run/a"},
		"unix:private/x":    {"unix", "private/x"},
		"unix:":             {},
		"inet:host":         {},
		"inet:::1:25":       {},
		"inet::25":          {},
		"inet:host:":        {},
		"tcp:host:25":       {},
		"":                  {},
		"unix":              {},
		"inet:[::1:25":      {},
		"inet:127.0.0.1:25": {"tcp", "127.0.0.1:25"},
	} {
		got, err := Parse(text)
		if got != want || (err != nil) != (want == Endpoint{}) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}
