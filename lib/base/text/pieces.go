package text

import "strings"

// A Piece is a part of a file of logical lines, for programs that edit such a
// file: one logical line as it is written, or what stands between two.
type Piece struct {
	Raw      string // as it is written, with newlines
	Line     Line   // Line.First is 0 when Raw has only comments and empty lines
	Comments string // the comments inside a logical line, with newlines
}

// Pieces takes a file apart. The Raw texts together are the file; comments
// before a continuation line belong to the logical line.
func Pieces(data string) []Piece {
	var pieces []Piece
	var between strings.Builder // comments since the last text
	number := 0
	for physical := range strings.Lines(data) {
		number++
		if skipped([]byte(physical)) {
			between.WriteString(physical)
			continue
		}
		plain := strings.TrimSuffix(physical, "\n")
		n := len(pieces)
		if n > 0 && IsBlank(physical[0]) {
			last := &pieces[n-1]
			last.Raw += between.String() + physical
			last.Comments += between.String()
			last.Line.Text += plain
			last.Line.Last = number
			between.Reset()
			continue
		}
		pieces = appendComments(pieces, &between)
		pieces = append(pieces, Piece{Raw: physical, Line: Line{Text: plain, First: number, Last: number}})
	}
	for i := range pieces {
		pieces[i].Line.Text = strings.TrimRight(pieces[i].Line.Text, blank)
	}
	return appendComments(pieces, &between)
}

func appendComments(pieces []Piece, between *strings.Builder) []Piece {
	if between.Len() > 0 {
		pieces = append(pieces, Piece{Raw: between.String()})
		between.Reset()
	}
	return pieces
}
