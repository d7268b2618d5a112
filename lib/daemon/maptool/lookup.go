package maptool

import (
	"bufio"
	"errors"
	"io"
	"os"
	"strings"

	"postrider/lib/base/jsonline"
	"postrider/lib/base/msg"
	"postrider/lib/base/table"
)

// Find asks one table after the other. Trouble ends the process.
func Find(tables []table.Table, specs []string, key string) (value string, found bool) {
	for i, t := range tables {
		value, found, err := t.Lookup(key)
		if err != nil {
			var failed *table.Error
			if errors.As(err, &failed) && failed.Table == specs[i] {
				err = failed.Err // the rest is said here
			}
			msg.Fatal("table %s: query error: %v", specs[i], err)
		}
		if found && value == "" {
			msg.Warn("table %s: key %s: empty string result is not allowed", specs[i], key)
			msg.Warn("table %s should return NO RESULT in case of NOT FOUND", specs[i])
		}
		if found {
			return value, true
		}
	}
	return "", false
}

// lookupKey prints the value of one key. The status is 1 when there is none.
func (o *Order) lookupKey(specs []string) (status int) {
	value, found := Find(o.Open(specs), specs, *o.lookup)
	if !found {
		return 1
	}
	line := []byte(value + "\n")
	if o.json {
		line = jsonline.AppendPair(nil, *o.lookup, value)
	}
	if _, err := os.Stdout.Write(line); err != nil {
		msg.Fatal("write output: %v", err)
	}
	return 0
}

// lookupLines reads keys from standard input, and prints those that are found
// with their values. The status is 1 when none is.
func (o *Order) lookupLines(specs []string) (status int) {
	tables := o.Open(specs)
	out := bufio.NewWriter(os.Stdout)
	defer flush(out)
	status = 1
	for key := range lines(os.Stdin) {
		if value, found := Find(tables, specs, key); found {
			o.Print(out, key, value)
			status = 0
		}
	}
	return status
}

// listEntries prints all entries of a table.
func (o *Order) listEntries(spec string) {
	all, ok := o.open(spec).(table.Sequencer)
	if !ok {
		msg.Fatal("table %s: sequence operation is not supported", spec)
	}
	out := bufio.NewWriter(os.Stdout)
	defer flush(out)
	for key, value := range all.All() {
		switch {
		case key == "":
			msg.Warn("table %s: empty lookup key value is not allowed", spec)
		case value == "":
			msg.Warn("table %s: key %s: empty string value is not allowed", spec, key)
		}
		o.Print(out, key, value)
	}
	if err := all.Err(); err != nil {
		out.Flush()
		Fail(err)
	}
}

// Print writes the line of an entry.
func (o *Order) Print(out *bufio.Writer, key, value string) {
	if o.json {
		out.Write(jsonline.AppendPair(out.AvailableBuffer(), key, value))
		return
	}
	out.WriteString(key)
	out.WriteString(o.separator)
	out.WriteByte('\t')
	out.WriteString(value)
	out.WriteByte('\n')
}

// removeKeys removes a key, or all that standard input names, from each table.
// The status is 1 when nothing was there to remove.
func (o *Order) removeKeys(specs []string) (status int) {
	keys := []string{*o.remove}
	if *o.remove == "-" {
		keys = nil
		for key := range lines(os.Stdin) {
			keys = append(keys, key)
		}
	}
	status = 1
	for _, spec := range specs {
		w, any := o.change(spec), false
		for _, key := range keys {
			found, err := w.b.Delete(w.key(key))
			if err != nil {
				w.fail(err)
			}
			any = any || found
		}
		if !any {
			w.b.Abort()
			continue
		}
		w.commit()
		status = 0
	}
	return status
}

// lines yields the lines of r without newlines.
func lines(r io.Reader) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		in := bufio.NewReader(r)
		for {
			line, err := in.ReadString('\n')
			if line != "" && !yield(strings.TrimSuffix(line, "\n")) {
				return
			}
			if err == io.EOF {
				return
			}
			if err != nil {
				msg.Fatal("read standard input: %v", err)
			}
		}
	}
}

func flush(out *bufio.Writer) {
	if err := out.Flush(); err != nil {
		msg.Fatal("write output: %v", err)
	}
}
