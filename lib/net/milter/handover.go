package milter

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/attr"
	"postrider/lib/base/stream"
)

// The SMTP server hands its connections to filters over to cleanup(8) as one long
// list of attributes: macro lists and defaults first, then each filter. After each
// filter cleanup asks for the descriptor of its connection, and says that it has
// come. Both sides have the descriptor then, but only one uses it at a time.

// handed is what is said about one filter.
type handed struct {
	Name    string `attr:"milter_name"`
	Version int    `attr:"milter_version"`
	Actions int    `attr:"milter_actions"`
	Events  int    `attr:"milter_events"`
	Outside int    `attr:"milter_non_events"`
	State   int    `attr:"milter_state"`
	Connect int    `attr:"milter_conn_timeout"`
	Command int    `attr:"milter_cmd_timeout"`
	Content int    `attr:"milter_msg_timeout"`
	Action  string `attr:"milter_action"`
	Macros  int    `attr:"milter_macro_list"` // 1: lists of its own follow
}

type (
	sizeAttr struct {
		N int `attr:"size"`
	}
	dummyAttr struct {
		Dummy string `attr:"dummy"`
	}
	statusAttr struct {
		Status int `attr:"status"`
	}
)

// Active is the number of filters that want to see the message.
func (s *Session) Active() int {
	n := 0
	if s != nil {
		for _, f := range s.filters {
			if f.usable() {
				n++
			}
		}
	}
	return n
}

// HandOver sends the session over a connection to cleanup(8), of which fd is the
// descriptor. The record with the number of active filters must have been sent.
func (s *Session) HandOver(over *stream.Stream, fd int) error {
	attr.WriteMore(over, s.set.macros)
	attr.WriteMore(over, sizeAttr{len(s.set.defaults)})
	if len(s.set.defaults) > 0 {
		over.WriteString("{\x00")
		for _, m := range s.set.defaults {
			over.WriteString(m.name + "\x00" + m.value + "\x00")
		}
		over.WriteString("}\x00")
	}
	for _, f := range s.filters {
		if !f.usable() {
			continue
		}
		attr.WriteMore(over, f.handed())
		if f.macros != nil {
			attr.WriteMore(over, f.macros.filled())
		}
		over.WriteByte(0)
		var dummy dummyAttr
		if err := attr.Read(over, &dummy); err != nil {
			return fmt.Errorf("hand mail filters over: %w", err)
		}
		if err := f.pass(fd); err != nil {
			return err
		}
		if err := attr.Read(over, &dummy); err != nil {
			return fmt.Errorf("hand mail filters over: %w", err)
		}
	}
	var status statusAttr
	if err := attr.Read(over, &status); err != nil {
		return fmt.Errorf("hand mail filters over: %w", err)
	}
	if status.Status != 0 {
		return fmt.Errorf("hand mail filters over: status %d", status.Status)
	}
	return nil
}

func (f *filter) handed() handed {
	h := handed{f.name, f.version, int(f.actions), int(f.steps), int(f.outside), int(f.state),
		int(f.connect / time.Second), int(f.command / time.Second), int(f.content / time.Second), f.action, 0}
	if f.macros != nil {
		h.Macros = 1
	}
	return h
}

// filled is the form on the wire: a list that the filter did not ask for is empty.
func (l *macroLists) filled() macroLists {
	result := *l
	for s := atConnect; s <= atUnknown; s++ {
		if *result.at(s) == notAsked {
			*result.at(s) = ""
		}
	}
	return result
}

// most is how many filters and macros a hand-over may have.
const most = 1000

// Receive takes a session with count filters over from the SMTP server. Lookup
// gives the macros from then on.
func Receive(over *stream.Stream, fd, count int, lookup Lookup) (*Session, error) {
	s := &Session{set: &Set{}, lookup: lookup}
	if count > most {
		return nil, fmt.Errorf("%d mail filters", count)
	}
	for i := range count {
		list, err := attr.ReadList(over, 0)
		if err == nil && i == 0 {
			list, err = s.set.receive(list)
		}
		if err == nil {
			err = s.receiveFilter(over, fd, list)
		}
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("take mail filters over: %w", err)
		}
	}
	if count > 0 {
		attr.Write(over, statusAttr{})
	}
	return s, nil
}

// receive reads what comes before the first filter.
func (set *Set) receive(list attr.List) (attr.List, error) {
	rest, err := list.Take(&set.macros)
	if err != nil {
		return nil, err
	}
	var size sizeAttr
	if rest, err = rest.Take(&size); err != nil || size.N == 0 {
		return rest, err
	}
	if size.N > most || len(rest) < size.N+2 || rest[0].Name != "{" {
		return nil, errors.New("malformed list of macros")
	}
	for rest = rest[1:]; len(rest) > 0 && rest[0].Name != "}"; rest = rest[1:] {
		set.defaults = append(set.defaults, macro{rest[0].Name, rest[0].Value})
	}
	if len(rest) == 0 {
		return nil, errors.New("malformed list of macros")
	}
	return rest[1:], nil
}

// receiveFilter reads what is said about one filter, and asks for its connection.
func (s *Session) receiveFilter(over *stream.Stream, fd int, list attr.List) error {
	var h handed
	rest, err := list.Take(&h)
	if err != nil {
		return err
	}
	second := func(n int) time.Duration { return time.Duration(max(n, 1)) * time.Second }
	f := newFilter(spec{h.Name, second(h.Connect), second(h.Command), second(h.Content), h.Action, ""})
	f.version, f.actions, f.steps, f.outside, f.state = h.Version, uint32(h.Actions), uint32(h.Events), uint32(h.Outside), inEnvelope
	if h.Macros != 0 {
		f.macros = &macroLists{}
		if rest, err = rest.Take(f.macros); err != nil {
			return err
		}
		for s := atConnect; s <= atUnknown; s++ {
			if list := f.macros.at(s); *list == "" {
				*list = notAsked
			}
		}
	}
	if len(rest) > 0 {
		return fmt.Errorf("unexpected attribute %s", rest[0].Name)
	}
	attr.Write(over, dummyAttr{})
	if err := over.Flush(); err != nil {
		return err
	}
	if f.fd, err = receiveDescriptor(fd); err != nil {
		return err
	}
	attr.Write(over, dummyAttr{})
	f.s = stream.New(stream.FD(f.fd))
	f.s.SetTimeout(f.content)
	s.filters = append(s.filters, f)
	return nil
}

// receiveDescriptor reads one descriptor, and no byte more.
func receiveDescriptor(fd int) (int, error) {
	var b [1]byte
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(fd, b[:], oob, unix.MSG_CMSG_CLOEXEC)
	for err == unix.EINTR {
		_, n, _, _, err = unix.Recvmsg(fd, b[:], oob, unix.MSG_CMSG_CLOEXEC)
	}
	if err != nil {
		return -1, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return -1, errors.New("no descriptor came")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, errors.New("no descriptor came")
	}
	return fds[0], nil
}
