package milter

import (
	"bytes"
	"strings"

	"postrider/lib/base/msg"
)

// A Message is what filters see of a message: it is read anew for each filter,
// with what those before it have changed.
type Message interface {
	// Headers calls yield for each header until it returns false. Lines of
	// a value are separated by "\n". The header that the mail system itself
	// has put in front is left out.
	Headers(yield func(name, value string) bool) error
	// Body calls yield for pieces of the body with CR LF line ends.
	Body(yield func(piece []byte) bool) error
}

// An Editor carries out what filters ask for. It takes note of its own errors.
type Editor interface {
	AddHeader(name, value string)
	InsertHeader(index int, name, value string) // 0: in front of all others
	ChangeHeader(index int, name, value string) // 1: the first of that name
	DeleteHeader(index int, name string)
	ReplaceBody(piece []byte) // again and again
	EndBody(done bool)        // of a new body; not done: forget it
	AddRecipient(address, params string)
	DeleteRecipient(address string)
	ChangeSender(address, params string)
	Hold(reason string)
}

// pieceSize is how much of a body goes into one packet. Source: libmilter,
// MILTER_CHUNK_SIZE.
const pieceSize = 65535

// Message shows a message to the filters and has their changes made.
func (s *Session) Message(m Message, e Editor) (Verdict, error) {
	if s == nil {
		return Verdict{}, nil
	}
	held := false
	for _, f := range s.filters {
		v, err := f.verdict, error(nil)
		if f.usable() {
			v, err = s.show(f, m, e)
		}
		switch {
		case err != nil:
			return v, err
		case v.Action == Hold: // a filter that signs or copies still has its turn
			held = true
		case v.Action != Continue:
			return v, nil
		}
	}
	return orHold(Verdict{}, held), nil
}

// show shows the message to one filter.
func (s *Session) show(f *filter, m Message, e Editor) (v Verdict, err error) {
	f.state, f.skipped = inMessage, 0
	going := func() bool { return v.Action == Continue && f.usable() }
	err = m.Headers(func(name, value string) bool {
		if f.steps&stepSpace == 0 {
			value = strings.TrimPrefix(value, " ")
		}
		v = f.event(evHeader, s.macros, zero(name), zero(value))
		return going()
	})
	if err == nil && going() {
		v = f.event(evEOH, s.macros)
	}
	if err == nil && going() && f.steps&evBody.unwant == 0 {
		err = s.body(f, m, func(piece []byte) bool {
			v = f.event(evBody, s.macros, piece)
			return going() && f.skipped != evBody.kind
		})
	}
	if err == nil && going() {
		v = s.end(f, e)
	}
	return v, err
}

// body joins pieces of the body to packets of the usual size.
func (s *Session) body(f *filter, m Message, show func([]byte) bool) error {
	var packet []byte
	on := true
	err := m.Body(func(piece []byte) bool {
		for len(piece) > 0 && on {
			n := min(len(piece), pieceSize-len(packet))
			packet, piece = append(packet, piece[:n]...), piece[n:]
			if len(packet) == pieceSize {
				on = show(packet)
				packet = packet[:0]
			}
		}
		return on
	})
	if err == nil && on && len(packet) > 0 {
		show(packet)
	}
	return err
}

// end tells the filter that this was all, and has done what it asks for.
func (s *Session) end(f *filter, e Editor) Verdict {
	f.write('D', append([]byte{evEOM.kind}, s.macros(evEOM.stage, f.macros)...))
	f.write(evEOM.kind)
	body, held := false, false
	for {
		kind, data, ok := f.read(evEOM, f.content)
		if !ok {
			e.EndBody(false)
			return orHold(f.fail(), held)
		}
		switch kind {
		case 'p':
			continue
		case 'b':
			body = true
			e.ReplaceBody(data)
			continue
		case 'q':
			held = true
			d := fields{data: data}
			e.Hold(d.text())
			continue
		}
		if done, err := f.edit(e, kind, data); err != nil {
			msg.Warn("milter %s: %s: %v", f.name, replyName(kind), err)
			e.EndBody(false)
			return orHold(f.fail(), held)
		} else if done {
			continue
		}
		v := f.decide(evEOM, kind, data)
		if body {
			e.EndBody(v.Action == Continue && f.state != inError)
		}
		return orHold(v, held)
	}
}

// orHold is the verdict of a filter that also wants the message to be held.
func orHold(v Verdict, held bool) Verdict {
	if held && v.Action == Continue {
		return Verdict{Action: Hold}
	}
	return v
}

// edit carries one change out. Not done: the packet is something else.
func (f *filter) edit(e Editor, kind byte, data []byte) (done bool, err error) {
	d := fields{data: bytes.Clone(data)}
	switch kind {
	case 'h':
		if name, value := d.text(), d.text(); d.err == nil {
			e.AddHeader(name, f.spaced(value))
		}
	case 'i', 'm':
		return true, f.editHeader(e, kind, &d)
	case '+':
		if to := d.text(); d.err == nil {
			e.AddRecipient(to, "")
		}
	case '2':
		to := d.text()
		if params := d.optional(); d.err == nil {
			e.AddRecipient(to, params)
		}
	case '-':
		if to := d.text(); d.err == nil {
			e.DeleteRecipient(to)
		}
	case 'e':
		from := d.text()
		if params := d.optional(); d.err == nil {
			e.ChangeSender(from, params)
		}
	default:
		return false, nil
	}
	return true, d.err
}

// optional is the next string, or "" when there is none.
func (d *fields) optional() string {
	if len(d.data) == 0 {
		return ""
	}
	return d.text()
}

func (f *filter) editHeader(e Editor, kind byte, d *fields) error {
	index, name, value := int(int32(d.number())), d.text(), d.text()
	switch {
	case d.err != nil:
		return d.err
	case kind == 'i' && index < 0:
		return errIndex
	case kind == 'i':
		e.InsertHeader(index, name, f.spaced(value))
	case index < 1:
		return errIndex
	case value == "":
		e.DeleteHeader(index, name)
	default:
		e.ChangeHeader(index, name, f.spaced(value))
	}
	return nil
}

// spaced is the value of a header with what stands behind the colon. A filter that
// does not care gets one space.
func (f *filter) spaced(value string) string {
	if f.steps&stepSpace != 0 {
		return value
	}
	return " " + value
}
