// Package socketmap has the table type "socketmap": a server that answers one
// question at a time, in netstrings; see socketmap_table(5).
//
//	socketmap:inet:host:port:name
//	socketmap:unix:path:name
package socketmap

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"postrider/lib/base/stream"
	"postrider/lib/base/table"
	"postrider/lib/base/table/remote"
)

func init() { table.Register("socketmap", openTable) }

type client struct {
	server remote.Server
	name   string
}

func openTable(name string, flags table.Flags) (table.Table, error) {
	if flags&table.NoUnauth != 0 {
		return nil, table.Mistake("socketmap:%s map is not allowed for security-sensitive data", name)
	}
	at := strings.LastIndexByte(name, ':')
	if at < 0 || at == len(name)-1 {
		return nil, table.Mistake("bad syntax: \"socketmap:%s\": need socketmap:inet:host:port:name or socketmap:unix:path:name", name)
	}
	where, err := remote.Parse(name[:at])
	if err != nil {
		return nil, table.Mistake("socketmap:%s: %w", name, err)
	}
	return &client{name: name[at+1:], server: remote.Server{
		Endpoint: where, Timeout: 100 * time.Second, Idle: 10 * time.Second, Life: 100 * time.Second, Tries: 2,
	}}, nil
}

// Pattern says that the server decides what a key is: it is not asked for parts of
// an address.
func (c *client) Pattern() bool { return true }

func (c *client) Close() error { return c.server.Close() }

func (c *client) Lookup(key string) (value string, found bool, err error) {
	err = c.server.Do(func(s *stream.Stream) error {
		value, found, err = c.ask(s, key)
		return err
	})
	if err != nil {
		return "", false, err
	}
	return interpret(value)
}

// ask returns what is in the reply.
func (c *client) ask(s *stream.Stream, key string) (reply string, found bool, err error) {
	s.WriteString(strconv.Itoa(len(c.name) + 1 + len(key)))
	for _, text := range []string{":", c.name, " ", key, ","} {
		if _, err := s.WriteString(text); err != nil {
			return "", false, fmt.Errorf("send request: %w", err)
		}
	}
	data, err := readNetstring(s)
	return string(data), false, err
}

// readNetstring reads "length:data,".
func readNetstring(s *stream.Stream) ([]byte, error) {
	length, limit := 0, table.Settings().SocketmapMaxReplySize
	for digits := 0; ; digits++ {
		c, err := s.ReadByte()
		if err != nil {
			return nil, fmt.Errorf("receive reply: %w", err)
		}
		switch {
		case c == ':' && digits > 0:
			return readData(s, length)
		case c < '0' || c > '9':
			return nil, fmt.Errorf("%w: not a netstring", remote.ErrReply)
		}
		if length = length*10 + int(c-'0'); length > limit {
			return nil, fmt.Errorf("%w: longer than socketmap_max_reply_size, %d bytes", remote.ErrReply, limit)
		}
	}
}

func readData(s *stream.Stream, length int) ([]byte, error) {
	data := make([]byte, length+1)
	for n := 0; n < len(data); {
		m, err := s.Read(data[n:])
		if n += m; err != nil && n < len(data) {
			return nil, fmt.Errorf("receive reply: %w", err)
		}
	}
	if data[length] != ',' {
		return nil, fmt.Errorf("%w: no comma at the end of the netstring", remote.ErrReply)
	}
	return bytes.Clone(data[:length]), nil
}

// interpret returns what a reply means.
func interpret(reply string) (value string, found bool, err error) {
	word, text, _ := strings.Cut(reply, " ")
	switch word {
	case "OK":
		return text, true, nil
	case "NOTFOUND":
		return "", false, nil
	case "TEMP", "TIMEOUT":
		return "", false, fmt.Errorf("the server reports a temporary error: %.200s", text)
	case "PERM":
		return "", false, table.Mistake("the server reports a permanent error: %.200s", text)
	}
	return "", false, fmt.Errorf("unexpected reply %.100q", reply)
}
