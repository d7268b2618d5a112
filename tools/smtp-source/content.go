package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// A content is the part of all messages that is the same: what follows the
// header, up to the last dot.
type content struct {
	body    []byte
	header  string // "" when there is none, or when body has it
	subject string // what comes behind the message ID
}

// lineLength is the length of a line of filler text with its end. The last line
// has what is left, and its end is not counted.
const lineLength = 80

// makeContent reads the message, or makes one up.
func makeContent(o settings) (content, error) {
	if o.file != "" {
		text, err := os.ReadFile(o.file)
		if err != nil {
			return content{}, err
		}
		return content{body: asLines(text)}, nil
	}
	var body bytes.Buffer
	left := o.length
	for n := 1; left > lineLength; n++ {
		number := strconv.Itoa(n % 10)
		body.WriteString(number + strings.Repeat("X", lineLength-len("\r\n")-len(number)) + "\r\n")
		left -= lineLength
	}
	if left > 0 {
		body.WriteString(strings.Repeat("X", left) + "\r\n")
	}
	c := content{body: append(body.Bytes(), ".\r\n"...)}
	if !o.old {
		c.header = fmt.Sprintf("From: <%s>\r\nTo: <%s>\r\nDate: %s\r\n", o.from, o.to, time.Now().Format("Mon, 2 Jan 2006 15:04:05 -0700 (MST)"))
		if o.subject != "" {
			c.subject = "Subject: " + o.subject + "\r\n"
		}
	}
	return c, nil
}

// asLines gives a text the line ends and the double dots of SMTP, and the last
// dot.
func asLines(text []byte) []byte {
	var b bytes.Buffer
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		if bytes.HasPrefix(line, []byte(".")) {
			b.WriteByte('.')
		}
		b.Write(bytes.TrimSuffix(line, []byte("\r")))
		b.WriteString("\r\n")
		text = rest
	}
	b.WriteString(".\r\n")
	return b.Bytes()
}

// message appends a whole message to buf.
func (c content) message(buf []byte, number int, name string) []byte {
	if c.header != "" {
		buf = append(buf, c.header...)
		buf = fmt.Appendf(buf, "Message-Id: <%04x.%04x.%04x@%s>\r\n%s\r\n", os.Getpid(), time.Now().UnixMicro()&0xffffffff, number, name, c.subject)
	}
	return append(buf, c.body...)
}
