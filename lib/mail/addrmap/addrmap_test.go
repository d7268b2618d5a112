package addrmap

import (
	"strings"
	"testing"

	_ "postrider/lib/base/table/inline"
	"postrider/lib/mail/address"
)

func open(t *testing.T, entries string) *Maps {
	t.Helper()
	m, err := Open("virtual_alias_maps", "inline:{"+entries+"}", Options{Params: &address.Params{MyOrigin: "example.com", RecipientDelimiter: "+"}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// S4.6.4, S4.6.2: the forms of a key, and their order.
func TestAddresses(t *testing.T) {
	m := open(t, "{joe+x@a.example=1@b} {joe@a.example=2@b,3@c} {jim=4@b} {@cat.example=5@b} {@move.example=@new.example}")
	for in, want := range map[string]string{
		"joe+x@a.example":        "1@b",
		"joe+y@a.example":        "2+y@b 3+y@c",
		"Joe@A.example":          "2@b 3@c",
		"jim@example.com":        "4@b",
		"jim+z@example.com":      "4+z@b",
		"jim@a.example":          "",
		"x@cat.example":          "5@b",
		"two words@move.example": `"two words"@new.example`,
	} {
		got, found, err := m.Addresses(in, true)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Join(got, " ") != want || found != (want != "") {
			t.Errorf("%s: %q", in, got)
		}
	}
}
