package main

import (
	"encoding/json"
	"testing"
)

// The line of an instance in a list: that of people, and that of programs, in
// the form of Postfix 3.11.
func TestLine(t *testing.T) {
	var i instance
	i.dir = "/etc/postfix"
	check := func(people, programs string) {
		t.Helper()
		if got := i.line(false); got != people {
			t.Errorf("got  %q\nwant %q", got, people)
		}
		if got := i.line(true); got != programs {
			t.Errorf("got  %s\nwant %s", got, programs)
		}
	}
	i.MultiInstanceEnable = true
	check("-               -               y         /etc/postfix\n",
		`{"name": "-","group": "-","enabled": "y","config_directory": "/etc/postfix"}`+"\n")
	i.MultiInstanceEnable, i.MultiInstanceName, i.MultiInstanceGroup, i.dir = false, "postfix-a", "group", `/etc/"a\`+"\x01\xff"
	check("postfix-a       group           n         /etc/\"a\\\x01\xff\n",
		`{"name": "postfix-a","group": "group","enabled": "n","config_directory": "/etc/\"a\\\u0001?"}`+"\n")
	var object map[string]string
	if err := json.Unmarshal([]byte(i.line(true)), &object); err != nil || object["config_directory"] != `/etc/"a\`+"\x01?" {
		t.Errorf("%q %v", object, err)
	}
}
