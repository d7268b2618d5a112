package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/mail/queue"
)

// An action is what an option does with a message.
type action struct {
	from    []queue.Name // where it makes sense
	count   string       // line at the end
	change  func(c *changer, name queue.Name, id string) (bool, error)
	andThen byte // another action on the same message
}

// actions by the letter of their option.
var actions = map[byte]action{
	'r': {[]queue.Name{queue.Deferred, queue.Hold, queue.Incoming, queue.Active}, "Requeued", (*changer).requeue, 0},
	'd': {[]queue.Name{queue.Deferred, queue.Hold, queue.Incoming, queue.Active, queue.Maildrop}, "Deleted", (*changer).remove, 0},
	'e': {[]queue.Name{queue.Deferred, queue.Hold, queue.Incoming, queue.Active}, "Force-expired", (*changer).expire, 0},
	'f': {[]queue.Name{queue.Deferred, queue.Hold, queue.Incoming, queue.Active}, "Force-expired", (*changer).expire, 'H'},
	'h': {[]queue.Name{queue.Deferred, queue.Incoming, queue.Active}, "Placed on hold", (*changer).hold, 0},
	'H': {[]queue.Name{queue.Hold}, "Released from hold", (*changer).release, 0},
}

// said is what is logged about a message that an option named.
var said = map[byte]string{'r': "requeued", 'd': "removed", 'e': "expired", 'f': "expired", 'h': "placed on hold", 'H': "released from hold"}

// summaryOrder is the order of the lines at the end.
const summaryOrder = "rdefhH"

// A changer does what options say, and counts.
type changer struct {
	stdin  *bufio.Scanner
	queues []queue.Name // limits where to look
	counts map[string]int
	at     directories
	logged *logNames // nil: not known
	sure   bool      // and it is right for the message at hand
}

// places are the queues to look into.
func (c *changer) places(a action) []queue.Name {
	if len(c.queues) == 0 {
		return a.from
	}
	return slices.DeleteFunc(slices.Clone(c.queues), func(name queue.Name) bool { return !slices.Contains(a.from, name) })
}

// do carries out one option.
func (c *changer) do(r request) error {
	switch r.id {
	case all:
		return c.everything(r.op)
	case "-":
		for c.stdin.Scan() {
			if err := c.one(r.op, c.stdin.Text()); err != nil {
				return err
			}
		}
		return c.stdin.Err()
	}
	return c.one(r.op, r.id)
}

// one acts on the message with an ID, wherever it is. It may move while we
// look; the second round finds it.
func (c *changer) one(op byte, id string) error {
	if !queue.ValidID(id) {
		msg.Warn("invalid mail queue id: %s", id)
		return nil
	}
	for range 2 {
		for _, name := range c.places(actions[op]) {
			if !c.ready(name, id) {
				continue
			}
			if gone, err := c.apply(op, name, id, true); err != nil || !gone {
				return err
			}
		}
	}
	return nil
}

// apply does an action, and the one that belongs to it. Gone says that the
// message was not there any more.
func (c *changer) apply(op byte, name queue.Name, id string, aloud bool) (gone bool, err error) {
	a := actions[op]
	changed, err := a.change(c, name, id)
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if changed {
		c.add(a.count, 1)
		if aloud {
			msg.Info("%s: %s", id, said[op])
		}
	}
	if a.andThen != 0 && slices.Contains(actions[a.andThen].from, name) {
		return c.apply(a.andThen, name, id, aloud)
	}
	return false, nil
}

// everything acts on all messages. They are not named one by one.
func (c *changer) everything(op byte) error {
	for _, name := range c.places(actions[op]) {
		msg.Debug("queue: %s", name)
		// An action may put files into the directory that is scanned, so
		// the names are collected first.
		ids, err := scan(name)
		if err != nil {
			return err
		}
		if op == 'd' {
			if c.logged, err = takeLogs(); err != nil {
				return err
			}
		}
		if err := c.several(op, name, ids); err != nil {
			return err
		}
	}
	if op == 'd' && len(c.queues) == 0 {
		return c.strays()
	}
	return nil
}

// strays removes logs without a message, such as those of messages that were
// requeued, and so have another ID now.
func (c *changer) strays() error {
	for _, log := range logs {
		ids, err := scan(log)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if c.exists(id) {
				continue
			}
			if err := c.at.remove(log, id); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// exists reports whether there is a message with the ID, complete or not. It may
// move while we look; the second round finds it.
func (c *changer) exists(id string) bool {
	for range 2 {
		for _, name := range withMessages {
			if _, err := c.at.stat(name, id); err == nil {
				return true
			}
		}
	}
	return false
}

func scan(name queue.Name) (ids []string, err error) {
	for id, err := range name.Scan() {
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// several acts on many messages, one after the other: the time goes into
// directories, where the system lets only one at a time.
func (c *changer) several(op byte, name queue.Name, ids []string) error {
	for _, id := range ids {
		if !c.ready(name, id) {
			continue
		}
		if _, err := c.apply(op, name, id, false); err != nil {
			return err
		}
	}
	return nil
}

func (c *changer) ready(name queue.Name, id string) bool {
	st, err := c.at.stat(name, id)
	c.sure = c.logged != nil && name != queue.Active && !c.logged.stale(st)
	return err == nil && st.Mode&syscall.S_IFMT == syscall.S_IFREG && queue.Ready(st.Mode)
}

func (c *changer) add(what string, n int) {
	if c.counts == nil {
		c.counts = map[string]int{}
	}
	c.counts[what] += n
}

// remove deletes a message. Its logs go first: left over, they would come up
// with another message that gets the same ID.
func (c *changer) remove(name queue.Name, id string) (bool, error) {
	for _, log := range logs {
		if c.sure && !c.logged.names[log][id] {
			continue
		}
		if err := c.at.remove(log, id); err != nil && !errors.Is(err, os.ErrNotExist) {
			return false, err
		}
	}
	return true, c.at.remove(name, id)
}

// requeue moves a message to where mail comes from. Its mode tells pickup(8)
// that it is no new mail.
func (c *changer) requeue(name queue.Name, id string) (bool, error) {
	if err := queue.Rename(id, name, queue.Maildrop); err != nil {
		return false, err
	}
	if err := queue.SetTime(queue.Maildrop, id, time.Now()); err != nil && !errors.Is(err, os.ErrNotExist) {
		msg.Warn("%s: reset time stamps: %v", id, err)
	}
	return true, nil
}

func (c *changer) hold(name queue.Name, id string) (bool, error) {
	return true, queue.Rename(id, name, queue.Hold)
}

func (c *changer) release(name queue.Name, id string) (bool, error) {
	return true, queue.Rename(id, name, queue.Deferred)
}

// expire marks a message, once.
func (c *changer) expire(name queue.Name, id string) (bool, error) {
	st, err := queue.Stat(name, id)
	if err != nil {
		return false, os.ErrNotExist
	}
	if st.Mode&queue.ModeExpire != 0 {
		return false, nil
	}
	if err := syscall.Chmod(queue.Path(name, id), st.Mode&0o7777|queue.ModeExpire); err != nil {
		return false, fmt.Errorf("expire file %s: cannot set permission: %w", queue.Path(name, id), err)
	}
	return true, nil
}

// summary says how many messages each kind of request changed.
func (c *changer) summary(requests []request) {
	printed := map[string]bool{}
	for _, op := range []byte(summaryOrder) {
		asked := slices.ContainsFunc(requests, func(r request) bool { return r.op == op || op == 'H' && r.op == 'f' })
		what := actions[op].count
		if !asked || printed[what] {
			continue
		}
		printed[what] = true
		msg.Info("%s: %s", what, messages(c.counts[what]))
	}
}

func messages(n int) string {
	if n == 1 {
		return "1 message"
	}
	return fmt.Sprintf("%d messages", n)
}
