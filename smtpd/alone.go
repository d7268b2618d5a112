package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"postrider/lib/base/attr"
	"postrider/lib/base/stream"
	"postrider/lib/mail/record"
	"postrider/lib/service/cleanup"
)

// A maildrop is a message on its way to postdrop(1), which writes it for a user
// of this machine.
type maildrop struct {
	cmd *exec.Cmd
	s   *stream.Stream
	id  string
	err error
}

// pipes are the standard input and output of a command.
type pipes struct {
	io.Reader
	io.WriteCloser
}

func (pipes) SetTimeout(time.Duration) error { return nil }

func submitPostdrop(*session) (submission, error) {
	cmd := exec.Command(filepath.Join(conf.CommandDirectory, "postdrop"), "-r")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &maildrop{cmd: cmd, s: stream.New(pipes{out, in})}, nil
}

// ID is the name of the maildrop file.
func (d *maildrop) ID() (string, error) {
	if d.id == "" && d.err == nil {
		var a cleanup.Announcement
		d.err = attr.Read(d.s, &a)
		d.id = a.QueueID
	}
	return d.id, d.err
}

func (d *maildrop) Record(t record.Type, data string) {
	if d.err == nil {
		d.err = record.Write(d.s, t, data)
	}
}

func (d *maildrop) RecordBytes(t record.Type, data []byte) {
	if d.err == nil {
		d.err = record.Write(d.s, t, data)
	}
}

func (d *maildrop) Raw(records []byte) {
	if d.err == nil {
		_, d.err = d.s.Write(records)
	}
}

func (d *maildrop) Err() error { return d.err }

// Finish waits until the message is on disk.
func (d *maildrop) Finish() (cleanup.Status, string, error) {
	defer d.Abort()
	if d.err != nil {
		return cleanup.StatusWrite, "", d.err
	}
	var r cleanup.Reply
	if err := attr.Read(d.s, &r); err != nil {
		return cleanup.StatusWrite, "", err
	}
	return r.Status, r.Reason, nil
}

// Abort closes the pipe; without an end record postdrop(1) removes its file.
func (d *maildrop) Abort() {
	d.s.Conn().Close()
	d.cmd.Wait()
}
