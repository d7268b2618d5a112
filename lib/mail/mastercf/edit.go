package mastercf

import (
	"fmt"
	"strings"

	"postrider/lib/base/text"
)

// A Document is a master.cf file that is being edited. Comments, order and the
// form of the entries that are not changed stay as they are.
type Document struct {
	parts []part
}

// A part is an entry, or the text between two.
type part struct {
	raw      string
	comments string // inside the entry
	entry    *Entry // nil: text
	changed  bool
}

// ParseDocument takes the text of a master.cf file apart; path is for messages.
func ParseDocument(path, data string) (*Document, error) {
	d := &Document{}
	for _, piece := range text.Pieces(data) {
		if piece.Line.First == 0 {
			d.parts = append(d.parts, part{raw: piece.Raw})
			continue
		}
		entry, err := ParseEntry(piece.Line.Text)
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, piece.Line.First, err)
		}
		entry.Line = piece.Line.First
		d.parts = append(d.parts, part{raw: piece.Raw, comments: piece.Comments, entry: &entry})
	}
	return d, nil
}

// Select calls change for each entry that a pattern "name/type" names; * stands
// for any name or type. It returns the number of these entries. Change reports
// whether it changed the entry.
func (d *Document) Select(name, kind string, change func(*Entry) (bool, error)) (int, error) {
	count := 0
	for i := range d.parts {
		p := &d.parts[i]
		if p.entry == nil || !p.entry.Matches(name, kind) {
			continue
		}
		count++
		changed, err := change(p.entry)
		if err != nil {
			return count, err
		}
		p.changed = p.changed || changed
	}
	return count, nil
}

// Matches reports whether a name and a type, either of which may be *, name the
// entry.
func (e *Entry) Matches(name, kind string) bool {
	return (name == "*" || name == e.Name) && (kind == "*" || kind == e.Type)
}

// Replace puts an entry in the place of that with the given name and type, or at
// the end when there is none.
func (d *Document) Replace(name, kind string, entry Entry) {
	done := false
	kept := d.parts[:0]
	for _, p := range d.parts {
		if p.entry != nil && p.entry.Matches(name, kind) {
			if done { // a duplicate
				continue
			}
			done = true
			p.entry, p.changed = &entry, true
		}
		kept = append(kept, p)
	}
	d.parts = kept
	if !done {
		d.parts = append(d.parts, part{entry: &entry, changed: true})
	}
}

// Remove removes entries, and returns how many.
func (d *Document) Remove(name, kind string) int {
	return d.drop(name, kind, func(p part) string { return p.comments })
}

// CommentOut makes entries comments, and returns how many.
func (d *Document) CommentOut(name, kind string) int {
	return d.drop(name, kind, func(p part) string {
		var b strings.Builder
		for line := range strings.Lines(p.raw) {
			if !strings.HasPrefix(line, "#") {
				b.WriteByte('#')
			}
			b.WriteString(line)
		}
		return b.String()
	})
}

// drop replaces entries by text.
func (d *Document) drop(name, kind string, replace func(part) string) int {
	count := 0
	for i, p := range d.parts {
		if p.entry != nil && p.entry.Matches(name, kind) {
			d.parts[i] = part{raw: replace(p)}
			count++
		}
	}
	return count
}

// String returns the text of the file.
func (d *Document) String() string {
	var b strings.Builder
	for _, p := range d.parts {
		if n := b.Len(); n > 0 && b.String()[n-1] != '\n' {
			b.WriteByte('\n')
		}
		if !p.changed {
			b.WriteString(p.raw)
			continue
		}
		b.WriteString(p.comments + p.entry.Format(true) + "\n")
	}
	return b.String()
}
