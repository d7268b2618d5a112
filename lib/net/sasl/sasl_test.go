package sasl

import (
	"slices"
	"testing"

	"postrider/lib/base/match"
	_ "postrider/lib/base/table/all"
)

func TestNames(t *testing.T) {
	all := []Mechanism{{"PLAIN", Plaintext}, {"CRAM-MD5", Active | Dictionary}, {"SCRAM-SHA-1", MutualAuth}, {"ANONYMOUS", Anonymous}, {"EXTERNAL", 0}}
	for _, c := range []struct {
		options, filter string
		want            []string
	}{
		{"", "", []string{"PLAIN", "CRAM-MD5", "SCRAM-SHA-1", "ANONYMOUS", "EXTERNAL"}},
		{"noanonymous", "!external, static:rest", []string{"PLAIN", "CRAM-MD5", "SCRAM-SHA-1"}},
		{"noplaintext,noactive noanonymous", "", []string{"SCRAM-SHA-1", "EXTERNAL"}},
		{"nodictionary", "plain", []string{"PLAIN"}},
		{"mutual_auth", "", []string{"SCRAM-SHA-1"}},
		{"forward_secrecy", "", nil},
	} {
		o, err := ParseOptions(c.options)
		if err != nil {
			t.Fatal(err)
		}
		filter, err := match.Strings("filter", c.filter)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Names(all, o, filter); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q %q: %v %v, want %v", c.options, c.filter, got, err, c.want)
		}
	}
	if _, err := ParseOptions("noplaintext, bogus"); err == nil {
		t.Error("bogus is an option")
	}
}
