package domains

import (
	"testing"

	"postrider/lib/base/msg"
)

// debug_peer_list makes sessions with single hosts talkative, and only those.
func TestDebug(t *testing.T) {
	d := Debug{PeerList: "192.0.2.0/24, mx.example.com, .example.net", PeerLevel: 2}
	if err := d.Open(Parents{}); err != nil {
		t.Fatal(err)
	}
	before := msg.Verbose
	for _, test := range []struct {
		name, addr string
		listed     bool
	}{{"unknown", "192.0.2.7", true}, {"mx.example.com", "198.51.100.1", true}, {"a.example.net", "198.51.100.1", true}, {"example.org", "198.51.100.1", false}} {
		end := d.Begin(test.name, test.addr)
		if listed := msg.Verbose == before+2; listed != test.listed {
			t.Errorf("%s: %v", test.name, listed)
		}
		if end(); msg.Verbose != before {
			t.Errorf("%s: it does not end", test.name)
		}
	}
}
