package milter

import (
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
)

// A packet is a length of four bytes, a byte that says what it is, and data of
// that length less one. Source: libmilter, mfdef.h.

// maxPacket is the longest packet that a filter may send. Parts of a body have
// at most one megabyte.
const maxPacket = 1 << 24

// An event is a message to a filter.
type event struct {
	kind   byte
	name   string // in log lines
	unwant uint32 // the bit of the negotiation that says: do not send it
	silent uint32 // ... that the filter does not answer it
	stage  stage  // of its macros
}

// message reports whether it is about the text of a message.
func (e event) message() bool { return e.kind == 'L' || e.kind == 'N' || e.kind == 'B' }

// Steps of the negotiation.
const (
	stepSkip     = 0x400
	stepRejected = 0x800 // also wants RCPT commands that the server refuses
	stepSpace    = 0x100000
	noData       = 0x200
	noUnknown    = 0x100
	noHeaderNR   = 0x80
)

var (
	evConnect = event{'C', "SMFIC_CONNECT", 0x1, 0x1000, atConnect}
	evHelo    = event{'H', "SMFIC_HELO", 0x2, 0x2000, atHelo}
	evMail    = event{'M', "SMFIC_MAIL", 0x4, 0x4000, atMail}
	evRcpt    = event{'R', "SMFIC_RCPT", 0x8, 0x8000, atRcpt}
	evBody    = event{'B', "SMFIC_BODY", 0x10, 0x80000, atEndOfData}
	evHeader  = event{'L', "SMFIC_HEADER", 0x20, 0x80, atEndOfHeader}
	evEOH     = event{'N', "SMFIC_EOH", 0x40, 0x40000, atEndOfHeader}
	evUnknown = event{'U', "SMFIC_UNKNOWN", noUnknown, 0x20000, atUnknown}
	evData    = event{'T', "SMFIC_DATA", noData, 0x10000, atData}
	evEOM     = event{'E', "SMFIC_BODYEOB", 0, 0, atEndOfData}
	evOptions = event{kind: 'O', name: "SMFIC_OPTNEG"}
	evAbort   = event{kind: 'A', name: "SMFIC_ABORT"}
	evQuit    = event{kind: 'Q', name: "SMFIC_QUIT"}
)

// replies are the names of answers, for log lines.
var replies = map[byte]string{'+': "SMFIR_ADDRCPT", '-': "SMFIR_DELRCPT", '2': "SMFIR_ADDRCPT_PAR", '4': "SMFIR_SHUTDOWN",
	'a': "SMFIR_ACCEPT", 'b': "SMFIR_REPLBODY", 'c': "SMFIR_CONTINUE", 'd': "SMFIR_DISCARD", 'e': "SMFIR_CHGFROM",
	'f': "SMFIR_CONN_FAIL", 'h': "SMFIR_ADDHEADER", 'i': "SMFIR_INSHEADER", 'l': "SMFIR_SETSYMLIST", 'm': "SMFIR_CHGHEADER",
	'p': "SMFIR_PROGRESS", 'q': "SMFIR_QUARANTINE", 'r': "SMFIR_REJECT", 's': "SMFIR_SKIP", 't': "SMFIR_TEMPFAIL", 'y': "SMFIR_REPLYCODE"}

func replyName(kind byte) string {
	if name, ok := replies[kind]; ok {
		return name
	}
	return "(unknown filter reply)"
}

// write buffers a packet.
func (f *filter) write(kind byte, parts ...[]byte) {
	n := 1
	for _, p := range parts {
		n += len(p)
	}
	var head [5]byte
	binary.BigEndian.PutUint32(head[:], uint32(n))
	head[4] = kind
	f.s.Write(head[:])
	for _, p := range parts {
		f.s.Write(p)
	}
}

// zero is a string as filters want it.
func zero(s string) []byte { return append([]byte(s), 0) }

// read takes one packet, within the time limit. The data are valid until the
// next call.
func (f *filter) read(after event, limit time.Duration) (kind byte, data []byte, ok bool) {
	f.s.SetDeadline(time.Now().Add(limit))
	head, err := f.s.Next(4)
	if err != nil {
		msg.Warn("milter %s: can't read %s reply packet header: %s", f.name, after.name, reason(err))
		return 0, nil, false
	}
	n := binary.BigEndian.Uint32(head)
	switch {
	case n == 0:
		msg.Warn("milter %s: bad packet length: 0", f.name)
		return 0, nil, false
	case n > maxPacket:
		msg.Warn("milter %s: unreasonable packet length: %d > %d", f.name, n, maxPacket)
		return 0, nil, false
	}
	// Memory is taken as the data come, not as the filter announces them.
	packet := f.packet[:0]
	for len(packet) < int(n) {
		piece, err := f.s.Next(min(int(n)-len(packet), 32*1024))
		if err != nil {
			msg.Warn("milter %s: can't read %s reply packet data: %s", f.name, after.name, reason(err))
			return 0, nil, false
		}
		packet = append(packet, piece...)
	}
	f.packet = packet
	return packet[0], packet[1:], true
}

// reason words an error as log readers know it.
func reason(err error) string {
	switch {
	case errors.Is(err, stream.ErrTimeout):
		return "Connection timed out"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "Application error"
	}
	return systemText(err)
}

// systemText is the text of a system error, as the C library has it.
func systemText(err error) string {
	var number unix.Errno
	if !errors.As(err, &number) {
		return err.Error()
	}
	text := number.Error()
	if text != "" && !strings.Contains(text, " ") && text == strings.ToUpper(text) {
		return text
	}
	return strings.ToUpper(text[:min(1, len(text))]) + text[min(1, len(text)):]
}

// errMalformed says that the data of a packet are not what its kind says.
var (
	errString = errors.New("missing string null terminator")
	errNumber = errors.New("input packet too short for network long")
	errIndex  = errors.New("bad header index")
)

// fields take the data of a packet apart.
type fields struct {
	data []byte
	err  error
}

// text is the next string.
func (d *fields) text() string {
	if d.err != nil {
		return ""
	}
	i := strings.IndexByte(string(d.data), 0)
	if i < 0 {
		d.err = errString
		return ""
	}
	s := string(d.data[:i])
	d.data = d.data[i+1:]
	return s
}

// number is the next number.
func (d *fields) number() uint32 {
	if d.err != nil || len(d.data) < 4 {
		if d.err == nil {
			d.err = errNumber
		}
		return 0
	}
	n := binary.BigEndian.Uint32(d.data)
	d.data = d.data[4:]
	return n
}
