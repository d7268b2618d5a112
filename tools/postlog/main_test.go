package main

import (
	"slices"
	"strings"
	"testing"

	"postrider/lib/base/msg"
)

// S6.4: each line is a message; a line without end is one too.
func TestLogLines(t *testing.T) {
	var got []string
	defer msg.SetOutput(func(level msg.Level, text string) {
		got = append(got, level.Prefix()+text)
	})()
	long := strings.Repeat("x", lineLimit)
	if err := logLines(strings.NewReader("one\r\ntwo\n"+long+"y\nlast"), msg.LevelWarn); err != nil {
		t.Fatal(err)
	}
	want := []string{"warning: one", "warning: two", "warning: " + long, "warning: y", "warning: last"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestOptions(t *testing.T) {
	o := readOptions(strings.Fields("-i -t my/tag -p FATAL some text"))
	if o.level != msg.LevelFatal || o.tag != "my/tag" || !slices.Equal(o.text, []string{"some", "text"}) {
		t.Errorf("got %+v", o)
	}
}
