package main

import (
	"os"

	"postrider/lib/base/stream"
	"postrider/lib/mail/record"
)

// A spool keeps a message until all of it is here, so that a slow client does
// not keep the filter busy. Its file has no name.
type spool struct {
	file       *os.File
	s          *stream.Stream
	recipients []string // RCPT commands
}

func (p *spool) open() error {
	file, err := os.CreateTemp("incoming", "filter.*.tmp")
	if err != nil {
		return err
	}
	os.Remove(file.Name())
	p.file, p.s = file, stream.New(stream.FD(int(file.Fd())))
	return nil
}

func (p *spool) write(t record.Type, data []byte) error { return record.Write(p.s, t, data) }

// replay has the whole conversation with the filter at once.
func (p *spool) replay(f *filter) error {
	if err := p.s.Flush(); err != nil {
		return err
	}
	if err := f.begin(); err != nil {
		return err
	}
	for _, command := range p.recipients {
		if _, err := f.command(2, command); err != nil {
			return err
		}
	}
	f.spool = nil // what follows goes to the filter itself
	defer p.close()
	if err := f.data(); err != nil {
		return err
	}
	if _, err := p.file.Seek(0, 0); err != nil {
		return err
	}
	in := stream.New(stream.FD(int(p.file.Fd())))
	for {
		t, data, err := record.Read(in, 0)
		if err != nil {
			break // the end: the file has whole records only
		}
		f.RecordBytes(t, data)
	}
	return f.err
}

func (p *spool) close() { p.file.Close() }
