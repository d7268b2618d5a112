package milter

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/mail/dsn"
)

// An Action says how to go on after a filter was asked.
type Action int

// Actions.
const (
	Continue Action = iota
	Refuse          // with Reply
	Discard         // pretend success
	Hold            // take the message, and keep it back
	Shutdown        // end the session with the client
)

// A Verdict is what filters decided.
type Verdict struct {
	Action Action
	Reply  string // an SMTP reply; lines are separated by CR LF
}

// Replies that filters do not word.
const (
	replyReject    = "550 5.7.1 Command rejected"
	replyTempfail  = "451 4.7.1 Service unavailable - try again later"
	replyFailed    = "550 5.5.0 Service unavailable"
	replyMistake   = "451 4.3.5 Server configuration problem - try again later"
	replyShutdown  = "421 4.7.0 Server closing connection"
	offeredActions = 0x1ff
)

func refuse(reply string) Verdict { return Verdict{Refuse, reply} }

// A state is where the conversation with a filter is. Its number is that of the
// hand-over.
type state int

const (
	inError           state = iota + 1 // it broke the protocol, or is not there
	closed                             // the connection ended as it should
	ready                              // no message
	inEnvelope                         // after MAIL
	inMessage                          // after DATA, in cleanup(8)
	acceptsConnection                  // nothing of this client is shown any more
	acceptsMessage                     // nothing of this message
	rejectsConnection                  // all of this client is refused
)

// A filter is the conversation with one filter.
type filter struct {
	spec
	s       *stream.Stream // nil: not connected
	fd      int
	state   state
	verdict Verdict // on everything, when it is not asked any more
	version int
	actions uint32
	steps   uint32 // of the negotiation
	outside uint32 // events that its version of the protocol does not have
	macros  *macroLists
	skipped byte // the kind of event that it does not want more of
	packet  []byte
}

func newFilter(sp spec) *filter { return &filter{spec: sp, state: closed, fd: -1} }

// usable reports whether it can be asked.
func (f *filter) usable() bool {
	return f.state == ready || f.state == inEnvelope || f.state == inMessage
}

// open connects and negotiates.
func (f *filter) open(resolve Resolver) {
	offered, steps, outside, ok := parseProtocol(f.protocol)
	if !ok {
		msg.Warn("milter %s: bad protocol information: %s", f.name, f.protocol)
		f.mistake()
		return
	}
	target, err := parseAddress(f.name)
	if err != nil {
		msg.Warn("%v", err)
		f.mistake()
		return
	}
	if f.fd, err = target.dial(resolve, f.connect); err != nil {
		msg.Warn("connect to Milter service %s: %s", f.name, systemText(err))
		f.fail()
		return
	}
	f.s = stream.New(stream.FD(f.fd))
	f.s.SetTimeout(f.command)
	f.version, f.outside = offered, outside
	f.negotiate(steps)
}

// negotiate agrees with the filter about what both can do.
func (f *filter) negotiate(steps uint32) {
	f.write(evOptions.kind, number(uint32(f.version)), number(offeredActions), number(steps))
	kind, data, ok := f.read(evOptions, f.connect)
	if !ok {
		msg.Warn("milter %s: read error in initial handshake", f.name)
		f.fail()
		return
	}
	d := fields{data: data}
	version, actions, wants := d.number(), d.number(), d.number()
	switch {
	case kind != evOptions.kind:
		msg.Warn("milter %s: unexpected filter response %s after event SMFIC_OPTNEG", f.name, replyName(kind))
	case d.err != nil:
		msg.Warn("milter %s: %v", f.name, d.err)
	case version > uint32(f.version):
		msg.Warn("milter %s: protocol version %d conflict with MTA protocol version %d", f.name, version, f.version)
	case actions&^offeredActions != 0:
		msg.Warn("milter %s: request mask 0x%x conflict with MTA request mask 0x%x", f.name, actions, offeredActions)
	case !f.symbols(&d):
	default:
		f.version, f.actions, f.steps = int(version), actions, wants
		f.state = ready
		return
	}
	f.fail()
}

// symbols reads the macros that a filter asks for.
func (f *filter) symbols(d *fields) bool {
	for len(d.data) > 0 {
		at, list := d.number(), d.text()
		where, known := wanted[at]
		if d.err != nil {
			msg.Warn("milter %s: list of macros: %v", f.name, d.err)
			return false
		}
		if !known {
			msg.Warn("milter %s: ignoring unknown macro type %d", f.name, at)
			continue
		}
		if f.macros == nil {
			f.macros = &macroLists{notAsked, notAsked, notAsked, notAsked, notAsked, notAsked, notAsked, notAsked}
		}
		*f.macros.at(where) = list
	}
	return true
}

// parseProtocol reads milter_protocol: the version, and what belongs to it.
func parseProtocol(s string) (version int, steps, outside uint32, ok bool) {
	for _, word := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) }) {
		switch word {
		case "2":
			version, steps, outside = 2, steps|0x7f, noData|noUnknown
		case "3":
			version, steps, outside = 3, steps|0x7f|noUnknown, noData
		case "4":
			version, steps = 4, steps|0x7f|noUnknown|noData
		case "6":
			version, steps = 6, steps|0x1fffff
		case "no_header_reply":
			steps |= noHeaderNR
		default:
			return 0, 0, 0, false
		}
	}
	return version, steps, outside, version > 0
}

// fail ends the conversation with a filter that cannot be asked, and returns what
// its default action says.
func (f *filter) fail() Verdict {
	f.close(inError)
	switch strings.ToLower(f.action) {
	case "accept":
		f.verdict = Verdict{}
	case "reject":
		f.verdict = refuse(replyFailed)
	case "tempfail":
		f.verdict = refuse(replyTempfail)
	case "quarantine":
		f.verdict = Verdict{Action: Hold}
	case "shutdown":
		f.verdict = Verdict{Shutdown, replyShutdown}
	default:
		msg.Warn("milter %s: unrecognized default action: %s", f.name, f.action)
		f.verdict = refuse(replyMistake)
	}
	return f.verdict
}

// mistake is fail for what the administrator has to put right.
func (f *filter) mistake() Verdict {
	f.close(inError)
	f.verdict = refuse(replyMistake)
	return f.verdict
}

func (f *filter) close(s state) {
	f.state = s
	if f.s != nil {
		if s == inError { // also for the SMTP server that has handed it over
			unix.Shutdown(f.fd, unix.SHUT_RDWR)
		}
		f.s.Conn().Close()
		f.s, f.fd = nil, -1
	}
}

// event shows an event to the filter and waits for its answer, when it wants the
// one and gives the other.
func (f *filter) event(e event, macros func(stage, *macroLists) []byte, parts ...[]byte) Verdict {
	if !f.usable() {
		return f.verdict
	}
	if f.skipped == e.kind {
		return Verdict{}
	}
	f.skipped = 0
	unwanted := (f.steps|f.outside)&e.unwant != 0
	if unwanted && (e.message() || f.outside&e.unwant != 0) {
		return Verdict{}
	}
	f.write('D', append([]byte{e.kind}, macros(e.stage, f.macros)...))
	if unwanted { // it may ask for these macros later
		return Verdict{}
	}
	f.write(e.kind, parts...)
	if e.silent != 0 && f.steps&e.silent != 0 {
		return Verdict{}
	}
	limit := f.command
	if e.message() {
		limit = f.content
	}
	return f.answer(e, limit)
}

// answer reads what the filter says to an event.
func (f *filter) answer(e event, limit time.Duration) Verdict {
	for {
		kind, data, ok := f.read(e, limit)
		if !ok {
			return f.fail()
		}
		if kind == 'p' {
			continue
		}
		return f.decide(e, kind, data)
	}
}

// decide carries an answer out that ends the wait for one.
func (f *filter) decide(e event, kind byte, data []byte) Verdict {
	session := e.kind == 'C' || e.kind == 'H'
	switch kind {
	case 'c':
		return Verdict{}
	case 's':
		f.skipped = e.kind
		return Verdict{}
	case 'a':
		if session {
			f.close(acceptsConnection)
		} else {
			f.state = acceptsMessage
		}
		f.verdict = Verdict{}
		return Verdict{}
	case 'd':
		if session {
			msg.Warn("milter %s: DISCARD action is not allowed for connect or helo", f.name)
			return Verdict{}
		}
		f.state = acceptsMessage
		f.verdict = Verdict{}
		return Verdict{Action: Discard}
	case 'r':
		return f.refused(session, replyReject)
	case 't':
		return f.refused(session, replyTempfail)
	case 'y':
		return f.worded(session, data)
	case '4':
		f.close(closed)
		f.verdict = Verdict{Shutdown, replyShutdown}
		return f.verdict
	}
	msg.Warn("milter %s: unexpected filter response %s after event %s", f.name, replyName(kind), e.name)
	return f.fail()
}

// refused remembers a refusal of the whole session.
func (f *filter) refused(session bool, reply string) Verdict {
	if session {
		f.close(rejectsConnection)
		f.verdict = refuse(reply)
	}
	return refuse(reply)
}

// worded takes a reply that the filter has worded.
func (f *filter) worded(session bool, data []byte) Verdict {
	d := fields{data: data}
	text := d.text()
	reply := unescape(text)
	if d.err != nil || !validReply(reply) {
		msg.Warn("milter %s: malformed reply: %s", f.name, reply)
		return f.mistake()
	}
	return f.refused(session, reply)
}

// unescape undoes what libmilter does to percent signs.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' {
			if i++; i == len(s) {
				break
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// validReply reports whether every line has a code for failure, the same one, and
// a status code, when there is one, of the same class.
func validReply(reply string) bool {
	lines := strings.Split(reply, "\r\n")
	for i, line := range lines {
		if len(line) < 3 || line[:3] != reply[:3] || line[0] != '4' && line[0] != '5' ||
			line[1] < '0' || line[1] > '9' || line[2] < '0' || line[2] > '9' {
			return false
		}
		if len(line) == 3 {
			continue
		}
		if line[3] != ' ' && (line[3] != '-' || i == len(lines)-1) {
			return false
		}
		word, _, _ := strings.Cut(line[4:], " ")
		if status := dsn.Status(word); status.Valid() && word[0] != line[0] {
			return false
		}
	}
	return true
}

// abort ends the message, and quit the session. Nobody waits for an answer.
func (f *filter) abort() {
	switch f.state {
	case ready, inEnvelope, inMessage, acceptsMessage:
		f.write(evAbort.kind)
		f.s.Flush()
		f.state, f.skipped, f.verdict = ready, 0, Verdict{}
	}
}

func (f *filter) quit() {
	switch f.state {
	case ready, inEnvelope, inMessage, acceptsMessage:
		f.write(evQuit.kind)
		f.s.Flush()
	}
	f.close(closed)
	f.verdict = Verdict{}
}

// flush sends what waits, to a filter that does not answer.
func (f *filter) flush() {
	if f.s != nil {
		f.s.Flush()
	}
}

// pass sends the descriptor of the connection over a local socket.
func (f *filter) pass(over int) error {
	f.flush()
	if err := unix.Sendmsg(over, []byte{0}, unix.UnixRights(f.fd), nil, 0); err != nil {
		return fmt.Errorf("hand the connection to milter %s over: %w", f.name, err)
	}
	return nil
}
