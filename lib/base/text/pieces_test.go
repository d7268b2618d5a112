package text

import (
	"io"
	"strings"
	"testing"
)

func TestPieces(t *testing.T) {
	const data = "# top\n\na = 1\nb = 2\n# in\n  3\n # also\n\n\t4 \n# after\nc = 5"
	pieces := Pieces(data)
	want := []Piece{
		{Raw: "# top\n\n"},
		{Raw: "a = 1\n", Line: Line{"a = 1", 3, 3}},
		{Raw: "b = 2\n# in\n  3\n # also\n\n\t4 \n", Line: Line{"b = 2  3\t4", 4, 9}, Comments: "# in\n # also\n\n"},
		{Raw: "# after\n"},
		{Raw: "c = 5", Line: Line{"c = 5", 11, 11}},
	}
	if len(pieces) != len(want) {
		t.Fatalf("%d pieces: %+v", len(pieces), pieces)
	}
	for i := range want {
		if pieces[i] != want[i] {
			t.Errorf("%d: got %+v, want %+v", i, pieces[i], want[i])
		}
	}
}

// Pieces lose nothing, and have the lines that the reader has.
func FuzzPieces(f *testing.F) {
	f.Add("# top\n\na = 1\nb = 2\n# in\n  3\n # also\n\n\t4 \n# after\nc = 5")
	f.Add("  x\n#\ny\r\n \v z")
	f.Fuzz(func(t *testing.T, data string) {
		var raw strings.Builder
		lines := NewLines(strings.NewReader(data), 0)
		for _, piece := range Pieces(data) {
			raw.WriteString(piece.Raw)
			if piece.Line.First == 0 {
				continue
			}
			if want, err := lines.Next(); err != nil || want != piece.Line {
				t.Fatalf("got %+v, want %+v, %v", piece.Line, want, err)
			}
		}
		if _, err := lines.Next(); err != io.EOF {
			t.Error("lines are missing")
		}
		if raw.String() != data {
			t.Error("text is lost")
		}
	})
}
