package crash

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"postrider/test/machine"
)

// A load is the mail that clients send, and what they were promised.
type load struct {
	todo chan int

	mu           sync.Mutex
	acknowledged []bool
}

func (l *load) promise(i int) {
	l.mu.Lock()
	l.acknowledged[i] = true
	l.mu.Unlock()
}

func (l *load) total() (n int) {
	for _, yes := range l.acknowledged {
		if yes {
			n++
		}
	}
	return n
}

// run sends everything, as often as it takes, until the time is over.
func (l *load) run(end time.Time) {
	var all sync.WaitGroup
	for range clients {
		all.Go(func() { l.client(end) })
	}
	all.Wait()
}

// client sends messages over SMTP, one in fifty with sendmail.
func (l *load) client(end time.Time) {
	var c *session
	for i := range l.todo {
		for done := false; !done && time.Now().Before(end); {
			if i%50 == 7 {
				_, status := machine.Run(message(i), "sendmail", append([]string{"-f", "sender@example.com"}, ways[i%len(ways)]...)...)
				done = status == 0
				continue
			}
			if c == nil {
				if c = connect(); c == nil {
					time.Sleep(10 * time.Millisecond)
					continue
				}
			}
			if done = c.send(i); !done {
				c.Close()
				c = nil
			}
		}
		if time.Now().Before(end) {
			l.promise(i)
		}
	}
	if c != nil {
		c.Close()
	}
}

// A session is one connection to the SMTP server.
type session struct {
	net.Conn
	in *bufio.Reader
}

func connect() *session {
	conn, err := net.DialTimeout("tcp", "127.0.0.1:25", 5*time.Second)
	if err != nil {
		return nil
	}
	c := &session{conn, bufio.NewReader(conn)}
	if !c.expect("220") || !c.say("EHLO client.example", "250") {
		conn.Close()
		return nil
	}
	return c
}

// send reports whether the server has promised to deliver the message.
func (c *session) send(i int) bool {
	if !c.say("MAIL FROM:<sender@example.com>", "250") {
		return false
	}
	for _, to := range ways[i%len(ways)] {
		if !c.say("RCPT TO:<"+to+">", "250") {
			return false
		}
	}
	return c.say("DATA", "354") && c.say(strings.ReplaceAll(message(i), "\n", "\r\n")+".", "250")
}

func (c *session) say(line, code string) bool {
	c.SetDeadline(time.Now().Add(20 * time.Second))
	_, err := fmt.Fprint(c, line+"\r\n")
	return err == nil && c.expect(code)
}

func (c *session) expect(code string) bool {
	c.SetDeadline(time.Now().Add(20 * time.Second))
	for {
		line, err := c.in.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, code) {
			return false
		}
		if len(line) > 3 && line[3] == ' ' {
			return true
		}
	}
}
