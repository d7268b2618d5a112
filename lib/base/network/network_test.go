package network

import "testing"

func TestParse(t *testing.T) {
	for _, c := range []struct {
		in, want string
		exact    bool
	}{
		{"192.0.2.1", "192.0.2.1/32", true}, {"192.0.2.0/24", "192.0.2.0/24", true}, {"192.0.2.9/24", "192.0.2.0/24", false},
		{"[2001:db8::]/32", "2001:db8::/32", true}, {"[::1]", "::1/128", true}, {"::1/0", "::/0", false}, {"0.0.0.0/0", "0.0.0.0/0", true},
		{"192.0.2.0/33", "", false}, {"192.0.2/24", "", false}, {"1.2.3.4/", "", false}, {"1.2.3.4/8 x", "", false}, {"[::1", "", false},
		{"foo", "", false}, {"", "", false}, {"1.2.3.4/+8", "", false}, {"1.2.3.4/99999999999999999999", "", false}, {"fe80::1%eth0", "", false},
	} {
		got, exact, err := Parse(c.in)
		if (err == nil) != (c.want != "") || err == nil && (got.String() != c.want || exact != c.exact) {
			t.Errorf("%q: %v, %v, %v", c.in, got, exact, err)
		}
	}
}

func TestAddress(t *testing.T) {
	for in, want := range map[string]string{"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "fe80::1%eth0": "fe80::1", "x": ""} {
		if got, ok := Address(in); ok != (want != "") || ok && got.String() != want {
			t.Errorf("%q: %v", in, got)
		}
	}
}
