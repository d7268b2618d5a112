package convert

// quoted writes lines in quoted-printable. RFC 2045, section 6.7.
type quoted struct {
	column int
	blank  byte // a blank or tab that may be the last of its line
	out    []byte
}

const (
	lineMax = 76
	hex     = "0123456789ABCDEF"
)

// line writes a line, or a piece of one.
func (q *quoted) line(data []byte, ended bool, emit func([]byte, bool) error) error {
	q.out = q.out[:0]
	for _, c := range data {
		if q.blank != 0 {
			if err := q.put(emit, q.blank); err != nil {
				return err
			}
			q.blank = 0
		}
		var err error
		switch {
		case c == ' ' || c == '\t':
			q.blank = c
		case c < ' ' || c == '=' || c > '~':
			err = q.put(emit, '=', hex[c>>4], hex[c&15])
		default:
			err = q.put(emit, c)
		}
		if err != nil {
			return err
		}
	}
	if ended && q.blank != 0 {
		// White space at the end of a line does not survive everywhere.
		if err := q.put(emit, '=', hex[q.blank>>4], hex[q.blank&15]); err != nil {
			return err
		}
		q.blank = 0
	}
	if ended {
		q.column = 0
	}
	return emit(q.out, ended)
}

// put writes the bytes for one character, on the next line if there is no room.
func (q *quoted) put(emit func([]byte, bool) error, b ...byte) error {
	if q.column+len(b) > lineMax-1 {
		err := emit(append(q.out, '='), true)
		q.out, q.column = q.out[:0], 0
		if err != nil {
			return err
		}
	}
	q.out = append(q.out, b...)
	q.column += len(b)
	return nil
}
