package port

import (
	"os"
	"path/filepath"
	"testing"
)

func TestNumber(t *testing.T) {
	p := &Params{KnownTCPPorts: "lmtp=24, smtp=25, smtps=submissions=465,bad=x"}
	for name, want := range map[string]int{
		"smtp": 25, "smtps": 465, "submissions": 465, "2525": 2525,
		"0": 0, "65536": 0, "-1": 0, "nonsense": 0, "": 0, "bad": 0, "465": 465,
	} {
		got, err := p.Number(name)
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: got %d, %v", name, got, err)
		}
	}
}

func TestService(t *testing.T) {
	file := filepath.Join(t.TempDir(), "services")
	text := "# comment\nsmtp 25/udp\nsmtp 2525/tcp mail # old name\nbroken\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"smtp": 2525, "mail": 2525, "2525/tcp": 0, "broken": 0} {
		if got := service(name, file); got != want {
			t.Errorf("%q: got %d", name, got)
		}
	}
}
