// Package tcp has the table type "tcp": a server that answers one question at a
// time, in lines of text; see tcp_table(5).
//
//	tcp:host:port
package tcp

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"postrider/lib/base/stream"
	"postrider/lib/base/table"
	"postrider/lib/base/table/remote"
	"postrider/lib/base/text"
)

func init() { table.Register("tcp", openTable) }

// maxReply is the length of the longest reply, with its newline.
const maxReply = 4096

type client struct{ server remote.Server }

func openTable(name string, flags table.Flags) (table.Table, error) {
	if flags&table.NoUnauth != 0 {
		return nil, table.Mistake("tcp:%s map is not allowed for security-sensitive data", name)
	}
	where, err := remote.HostPort(name)
	if err != nil {
		return nil, table.Mistake("tcp:%s: %w", name, err)
	}
	return &client{remote.Server{Endpoint: where, Title: "TCP map ", Timeout: 100 * time.Second, Tries: 10, Pause: time.Second, Refused: true}}, nil
}

// Pattern says that the server decides what a key is: it is not asked for parts of
// an address.
func (c *client) Pattern() bool { return true }

func (c *client) Close() error { return c.server.Close() }

func (c *client) Lookup(key string) (value string, found bool, err error) {
	var reply string
	err = c.server.Do(func(s *stream.Stream) error {
		reply, err = ask(s, key)
		return err
	})
	if err != nil {
		return "", false, err
	}
	return interpret(reply)
}

// ask returns the reply, without its newline.
func ask(s *stream.Stream, key string) (string, error) {
	if _, err := s.WriteString("get " + encode(key) + "\n"); err != nil {
		return "", fmt.Errorf("send request: %w", err)
	}
	line, err := s.ReadSlice('\n', maxReply)
	switch {
	case len(line) >= maxReply && line[len(line)-1] != '\n':
		return "", fmt.Errorf("%w: longer than %d bytes", remote.ErrReply, maxReply)
	case err != nil:
		return "", fmt.Errorf("receive reply: %w", err)
	}
	reply := strings.TrimRight(string(line), "\r\n")
	if len(reply) < 4 || !text.Digits(reply[:3]) || !text.IsBlank(reply[3]) {
		return "", fmt.Errorf("%w: %.100q", remote.ErrReply, reply)
	}
	return reply, nil
}

// interpret returns what a reply means.
func interpret(reply string) (value string, found bool, err error) {
	data, ok := decode(text.Trim(reply[3:]))
	if !ok {
		return "", false, fmt.Errorf("bad %%XX in the reply %.100q", reply)
	}
	switch reply[0] {
	case '2':
		return data, true, nil
	case '5':
		return "", false, nil
	case '4':
		return "", false, fmt.Errorf("the server reports an error: %.200s", data)
	}
	return "", false, fmt.Errorf("bad status in the reply %.100q", reply)
}

// encode replaces what would end the line or the word.
func encode(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c > ' ' && c < 127 && c != '%' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}

// decode is the reverse of encode.
func decode(s string) (string, bool) {
	first, rest, more := strings.Cut(s, "%")
	if !more {
		return s, true
	}
	b := []byte(first)
	for more {
		if len(rest) < 2 {
			return "", false
		}
		c, err := hex.DecodeString(rest[:2])
		if err != nil {
			return "", false
		}
		b = append(b, c[0])
		first, rest, more = strings.Cut(rest[2:], "%")
		b = append(b, first...)
	}
	return string(b), true
}
