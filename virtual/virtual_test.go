package main

import (
	"testing"

	"postrider/lib/base/asuser"
	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	_ "postrider/lib/base/table/inline"
)

func tables(t *testing.T, spec string) *table.List {
	list, err := table.OpenList(spec, table.FoldKey|table.NoSubstitute|table.NoProxy)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// Addresses are looked up from the whole to the domain. S2.7.
func TestFind(t *testing.T) {
	conf.Address.RecipientDelimiter = "+"
	list := tables(t, "inline:{{joe@v=v/joe} {joe+ext@v=v/ext} {@w=w/all} {\"a b\"@v=v/quoted}}")
	for address, want := range map[string]string{"joe@v": "v/joe", "JOE+Ext@V": "v/ext", "joe+x@v": "v/joe", "ann@v": "", "any@w": "w/all",
		"any+x@W": "w/all", "joe": "", "@v": "", "a@b@w": "w/all", "a b@v": "v/quoted"} {
		got, found, err := find(list, address)
		if got != want || found != (want != "") || err != nil {
			t.Errorf("%s: got %q %v %v", address, got, found, err)
		}
	}
}

func TestOwner(t *testing.T) {
	var log []string
	defer msg.SetOutput(func(_ msg.Level, text string) { log = append(log, text) })()
	conf.MinimumUID = 100
	maps.uid = tables(t, "inline:{{a=1000} {b=99} {c=x} {d=1000} {e=1000} {f=4294967296}}")
	maps.gid = tables(t, "inline:{{a=1} {b=1} {c=1} {d=0} {f=1}}")
	for name, want := range map[string]string{"a": "", "b": "recipient b: bad uid 99 in virtual_uid_maps", "c": "recipient c: bad uid x in virtual_uid_maps",
		"d": "recipient d: bad gid 0 in virtual_gid_maps", "e": "recipient e: not found in virtual_gid_maps",
		"f": "recipient f: bad uid 4294967296 in virtual_uid_maps", "g": "recipient g: not found in virtual_uid_maps"} {
		log = nil
		user, ok := owner(name)
		if ok != (want == "") || ok && user.String() != (asuser.User{UID: 1000, GID: 1}).String() || want != "" && (len(log) != 1 || log[0] != want) {
			t.Errorf("%s: got %v %v %q", name, user, ok, log)
		}
	}
}
