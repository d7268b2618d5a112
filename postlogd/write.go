package main

import (
	"os"
	"strconv"

	"postrider/lib/base/msg"
)

var pid = strconv.Itoa(os.Getpid())

// batch are the lines that came together. They are written with one system
// call, when no more are waiting or it gets large.
var batch []byte

const batchLimit = 64 << 10

// add takes one line. It gets a line end of its own and has no other.
func add(line []byte) {
	for len(line) > 0 && line[len(line)-1] == '\n' {
		line = line[:len(line)-1]
	}
	if logFile == nil {
		msg.Info("%s", line)
		return
	}
	for _, c := range line {
		if c < ' ' && c != '\t' || c == 0x7f {
			c = '?'
		}
		batch = append(batch, c)
	}
	if batch = append(batch, '\n'); len(batch) > batchLimit {
		write()
	}
}

// write adds the batch to the log.
func write() {
	if len(batch) == 0 {
		return
	}
	if _, err := logFile.Write(batch); err != nil {
		msg.Fatal("write to %s: %v", logName, err)
	}
	batch = batch[:0]
}
