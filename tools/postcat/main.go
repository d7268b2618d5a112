// Postcat shows what is in queue files.
//
// # USAGE
//
//	postcat [-bdehoqrv] [-c config_dir] [-s offset] [file ...]
//
// # DESCRIPTION
//
// The command prints the records of queue files as text: the envelope, the
// message, and what was taken from its headers. Without a file it reads
// standard input. Without -b, -e and -h it shows everything. Options:
//
//	-b             show the body, from the first line that is no header
//	-c config_dir  the folder with main.cf
//	-d             show the type of each record as a number
//	-e             show the envelope
//	-h             show the headers
//	-o             show the place of each record in the file
//	-q             the names are queue IDs: look for them in the queue
//	-r             show records in the order of the file, and do not follow
//	               pointers
//	-s offset      begin at this place of the file
//	-v             also show records that only say how the file is laid out,
//	               and what kind of text a line of the message is
//
// # SECURITY
//
// The command needs no privileges of its own; who can read queue files can use
// it. Text of a message is printed as it is: do not let it loose on a terminal
// that obeys control characters.
//
// # DIAGNOSTICS
//
// A file that is no queue file, or whose records are in a wrong order, gets a
// warning. What cannot be read ends the command with status 1.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"postrider/lib/base/msg"
	"postrider/lib/base/option"
	"postrider/lib/daemon/command"
	"postrider/lib/mail/queue"
	"postrider/lib/mail/site"
)

// conf holds the main.cf parameters of postcat(1).
var conf struct {
	site.Params
}

// searched are the queues where -q looks.
var searched = []queue.Name{queue.Maildrop, queue.Hold, queue.Incoming, queue.Active, queue.Deferred, queue.Corrupt}

func main() {
	o, search, names := readOptions(os.Args[1:])
	out := bufio.NewWriterSize(os.Stdout, 32*1024)
	// Fatal must not lose what was printed before.
	msg.AtExit(func() { out.Flush() })
	if search {
		command.CleanEnvironment()
		command.Load(&conf)
		command.Enter(conf.Site())
	}
	if len(names) == 0 {
		text, err := io.ReadAll(os.Stdin)
		if err != nil {
			msg.Fatal("read standard input: %v", err)
		}
		show(out, o, bytes.NewReader(text), "stdin")
	}
	for _, name := range names {
		f, path := open(name, search)
		show(out, o, f, path)
		f.Close()
	}
	if err := out.Flush(); err != nil {
		msg.Fatal("write to standard output: %v", err)
	}
}

// show prints one file.
func show(out *bufio.Writer, o options, f io.ReaderAt, path string) {
	err := newDump(out, o, f, path).run()
	// Messages and text come in the order in which they belong together.
	out.Flush()
	if errors.Is(err, io.ErrUnexpectedEOF) {
		msg.Fatal("record read error") // the dump has said where
	}
	if err != nil {
		msg.Fatal("%s: record read error: %v", path, err)
	}
}

func readOptions(args []string) (o options, search bool, names []string) {
	list, names, err := option.Parse(args, "bc:dehoqrs:v")
	if err != nil {
		fmt.Fprintf(os.Stderr, "postcat: %v\n", err)
		msg.Fatal("usage: postcat [-b (body text)] [-c config_dir] [-d (decimal record type)] [-e (envelope records)] " +
			"[-h (header text)] [-o (record offsets)] [-q (access queue)] [-r (raw file order)] [-s offset] [-v] [file(s)...]")
	}
	for _, opt := range list {
		switch opt.Letter {
		case 'b':
			o.body = true
		case 'c':
			command.Configure(opt.Value)
		case 'd':
			o.types = true
		case 'e':
			o.envelope = true
		case 'h':
			o.header = true
		case 'o':
			o.offsets = true
		case 'q':
			search = true
		case 'r':
			o.raw = true
		case 's':
			if o.start, err = strconv.ParseInt(opt.Value, 10, 64); err != nil || o.start < 0 {
				msg.Fatal("bad offset: %s", opt.Value)
			}
		case 'v':
			o.verbose = true
			msg.Verbose++
		}
	}
	if !o.body && !o.envelope && !o.header {
		o.body, o.envelope, o.header = true, true, true
	}
	return o, search, names
}

// open opens a file, or looks for it in the queue.
func open(name string, search bool) (*os.File, string) {
	if !search {
		f, err := os.Open(name)
		if err != nil {
			msg.Fatal("%v", err)
		}
		return f, name
	}
	if !queue.ValidID(name) {
		msg.Fatal("bad mail queue ID: %s", name)
	}
	var trouble error
	for _, q := range searched {
		path := queue.Path(q, name)
		f, err := os.Open(path)
		if err == nil {
			return f, path
		}
		if trouble == nil || !os.IsNotExist(err) {
			trouble = err
		}
	}
	if os.IsNotExist(trouble) {
		msg.Fatal("open queue file %s: No such file or directory", name)
	}
	var failed *os.PathError
	if errors.As(trouble, &failed) {
		trouble = failed.Err
	}
	msg.Fatal("open queue file %s: %v", name, trouble)
	return nil, ""
}
