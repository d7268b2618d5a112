package memcache

import (
	"fmt"
	"strconv"
	"strings"

	"postrider/lib/base/stream"
	"postrider/lib/base/table/remote"
)

// command sends a command, and returns the line that answers it.
func (c *client) command(command string) (reply string, err error) {
	err = c.server.Do(func(s *stream.Stream) error {
		if _, err := s.WriteString(command); err != nil {
			return fmt.Errorf("send command: %w", err)
		}
		reply, err = c.line(s)
		return err
	})
	return reply, err
}

// line reads a line, without its end.
func (c *client) line(s *stream.Stream) (string, error) {
	line, err := s.ReadSlice('\n', c.lineLimit)
	if err == stream.ErrTooLong {
		return "", fmt.Errorf("%w: a line is longer than line_size_limit, %d bytes", remote.ErrReply, c.lineLimit)
	}
	if err != nil {
		return "", fmt.Errorf("receive reply: %w", err)
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

// exchangeGet asks for a value: the answer is a line VALUE key flags size, the
// value, and a line END; or the line END alone.
func (c *client) exchangeGet(s *stream.Stream, name string) (value string, found bool, err error) {
	if _, err := s.WriteString("get " + name + "\r\n"); err != nil {
		return "", false, fmt.Errorf("send command: %w", err)
	}
	line, err := c.line(s)
	if err != nil || line == "END" {
		return "", false, err
	}
	word := strings.Fields(line)
	if len(word) < 4 || word[0] != "VALUE" || word[1] != name {
		return "", false, fmt.Errorf("%w: %.100q", remote.ErrReply, line)
	}
	size, err := strconv.ParseUint(word[3], 10, 31)
	if err != nil || int(size) > c.dataLimit {
		return "", false, fmt.Errorf("%w: a value of %s bytes; data_size_limit is %d", remote.ErrReply, word[3], c.dataLimit)
	}
	data := make([]byte, size)
	for n := 0; n < len(data); {
		m, err := s.Read(data[n:])
		if n += m; err != nil && n < len(data) {
			return "", false, fmt.Errorf("receive value: %w", err)
		}
	}
	for _, want := range []string{"", "END"} {
		if line, err = c.line(s); err != nil {
			return "", false, err
		}
		if line != want {
			return "", false, fmt.Errorf("%w: %.100q after the value", remote.ErrReply, line)
		}
	}
	return string(data), true, nil
}
