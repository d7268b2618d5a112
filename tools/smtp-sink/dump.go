package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"postrider/lib/base/msg"
)

// A dump is a message on its way to a file.
type dump struct {
	path   string
	append bool
	text   bytes.Buffer
	start  int // of the content, in text
}

// newDump writes down what is known before the content.
func (s *sink) newDump(c *client) *dump {
	id := fmt.Sprintf("%x", rand.Uint32())
	d := &dump{path: expandTime(s.dump, time.Now()), append: s.append}
	if !s.append {
		d.path += id
	}
	proto := "SMTP"
	switch {
	case s.lmtp:
		proto = "LMTP"
	case c.esmtp:
		proto = "ESMTP"
	}
	fmt.Fprintf(&d.text, "%sX-Client-Addr: %s\nX-Client-Proto: %s\n", s.start, c.peer, proto)
	helo := c.helo
	if helo != "" {
		fmt.Fprintf(&d.text, "X-Helo-Args: %s\n", helo)
	} else {
		helo = "[" + c.peer + "]"
	}
	fmt.Fprintf(&d.text, "X-Mail-Args: %s\n", c.mail)
	for _, rcpt := range c.rcpts {
		fmt.Fprintf(&d.text, "X-Rcpt-Args: %s\n", rcpt)
	}
	fmt.Fprintf(&d.text, "Received: from %s ([%s])\n\tby %s (smtp-sink) with %s id %s;\n\t%s\n", helo, c.peer, s.name, proto, id,
		time.Now().Format("Mon, 2 Jan 2006 15:04:05 -0700 (MST)"))
	d.start = d.text.Len()
	return d
}

func (d *dump) write(data []byte) { d.text.Write(data) }

func (d *dump) abandon() {}

// finish turns the content into lines of text, and writes the file.
func (d *dump) finish() {
	content := strings.TrimSuffix(d.text.String()[d.start:], ".\r\n")
	content = strings.ReplaceAll("\n"+strings.ReplaceAll(content, "\r\n", "\n"), "\n.", "\n")[1:]
	d.text.Truncate(d.start)
	d.text.WriteString(content + "\n")
	if err := d.store(); err != nil {
		msg.Warn("%v", err)
	}
}

func (d *dump) store() error {
	if dir := filepath.Dir(d.path); dir != "." {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	flags := os.O_CREATE | os.O_WRONLY | os.O_EXCL
	if d.append {
		flags = os.O_CREATE | os.O_WRONLY | os.O_APPEND
	}
	f, err := os.OpenFile(d.path, flags, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(d.text.Bytes())
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// expandTime fills in the parts of a template that strftime(3) knows.
func expandTime(template string, now time.Time) string {
	forms := map[byte]string{'Y': "2006", 'm': "01", 'd': "02", 'H': "15", 'M': "04", 'S': "05", 'y': "06", 'j': "002", 'b': "Jan", 'a': "Mon"}
	var b strings.Builder
	for i := 0; i < len(template); i++ {
		c := template[i]
		if c != '%' || i+1 == len(template) {
			b.WriteByte(c)
			continue
		}
		i++
		switch form, ok := forms[template[i]]; {
		case ok:
			b.WriteString(now.Format(form))
		case template[i] == '%':
			b.WriteByte('%')
		default:
			b.WriteString(template[i-1 : i+1])
		}
	}
	return b.String()
}
