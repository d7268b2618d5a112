package agent

import (
	"testing"

	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	_ "postrider/lib/base/table/inline"
	"postrider/lib/mail/dsn"
)

func TestFilter(t *testing.T) {
	defer msg.SetOutput(func(msg.Level, string) {})()
	list, err := table.OpenList("inline:{{5.1.1 gone=4.1.1 perhaps}, {2.0.0 ok=5.0.0 no}, {4.0.0 x=2.0.0 y}, {5.0.0 a=nonsense}, "+
		"{2.0.0 to file: /x=2.0.0 to file}}", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range [][4]string{
		{"5.1.1", "gone", "4.1.1", "perhaps"},
		{"5.1.1", "other", "5.1.1", "other"},
		{"2.0.0", "ok", "2.0.0", "ok"},
		{"4.0.0", "x", "4.0.0", "x"},
		{"5.0.0", "a", "5.0.0", "a"},
		{"2.0.0", "to file: /x", "2.0.0", "to file"},
	} {
		o := filtered(list, Outcome{Status: dsn.Status(test[0]), Reason: test[1]})
		if string(o.Status) != test[2] || o.Reason != test[3] {
			t.Errorf("%q: got %+v", test, o)
		}
	}
	if o := filtered(nil, Outcome{Status: "5.1.1", Reason: "gone"}); o.Reason != "gone" {
		t.Errorf("got %+v", o)
	}
}
