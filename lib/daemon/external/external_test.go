package external

import (
	"os"
	"slices"
	"syscall"
	"testing"

	"postrider/lib/base/run"
	"postrider/lib/mail/dsn"
)

// The texts of the log, as stock writes them. S2.7, S2.9, S4.5.3.
func TestOutcome(t *testing.T) {
	for _, test := range []struct {
		result run.Result
		status dsn.Status
		reason string
	}{
		{run.Result{}, "2.0.0", ""},
		{run.Result{Output: "hello\n"}, "2.0.0", "hello "},
		{run.Result{Output: "5.1.1 x"}, "2.0.0", "5.1.1 x"},
		{run.Result{Status: 9, Output: "hello world\nsecond\n"}, "5.3.0", `Command died with status 9: "c "d"". Command output: hello world second `},
		{run.Result{Status: 67}, "5.1.1", "user unknown"},
		{run.Result{Status: 75, Output: "disk\a full"}, "4.3.0", "temporary failure. Command output: disk? full"},
		{run.Result{Status: 9, Output: "5.1.2 go away\n"}, "5.1.2", "go away "},
		{run.Result{Status: 67, Output: "4.1.2 go away later\n"}, "4.1.2", "go away later "},
		{run.Result{Status: 9, Output: "2.1.2 ok"}, "5.3.0", `Command died with status 9: "c "d"". Command output: 2.1.2 ok`},
		{run.Result{Status: 9, Output: "5.1 ok"}, "5.3.0", `Command died with status 9: "c "d"". Command output: 5.1 ok`},
		{run.Result{Signal: syscall.SIGKILL}, "4.3.0", `Command died with signal 9: "c "d""`},
		{run.Result{Signal: syscall.SIGKILL, TimedOut: true, Output: "x"}, "5.3.0", `Command time limit exceeded: "c "d"". Command output: x`},
	} {
		if o := Outcome(`c "d"`, test.result); o.Status != test.status || o.Reason != test.reason {
			t.Errorf("%+v: got %+v", test.result, o)
		}
	}
	for status, exit := range exits {
		if o := Outcome("c", run.Result{Status: status}); o.Status != exit.status || o.Reason != exit.text {
			t.Errorf("%d: got %+v", status, o)
		}
	}
}

func TestEnvironment(t *testing.T) {
	os.Setenv("TEST_A", "1 2")
	os.Unsetenv("TEST_B")
	p := Params{ExportEnvironment: "TEST_A, TEST_B C=d {E = f g}"}
	want := []string{"PATH=/usr/bin:/bin", "TEST_A=1 2", "C=d", "E=f g", "USER=x"}
	if got := p.Environment("USER=x"); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
