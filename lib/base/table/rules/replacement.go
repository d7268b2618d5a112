package rules

import (
	"fmt"
	"strings"

	"postrider/lib/base/text"
)

// A piece is text, or a group when text is empty.
type piece struct {
	text  string
	group int
}

type pieces []piece

// substitution is a Value with the text of groups in it.
type substitution struct {
	re     Regexp
	pieces pieces
}

func (s substitution) Value(key string) (string, error) {
	groups, err := s.re.Find(key)
	if err != nil || groups == nil {
		return "", err
	}
	var b strings.Builder
	for _, p := range s.pieces {
		if p.text != "" {
			b.WriteString(p.text)
		} else {
			b.WriteString(groups[p.group])
		}
	}
	return b.String(), nil
}

// highest returns the highest number of a group, or -1.
func (p pieces) highest() int {
	highest := -1
	for _, piece := range p {
		if piece.text == "" {
			highest = max(highest, piece.group)
		}
	}
	return highest
}

func (p pieces) text() string {
	var b strings.Builder
	for _, piece := range p {
		b.WriteString(piece.text)
	}
	return b.String()
}

// parseReplacement reads text with $1, ${1}, $(1), and $$ for a dollar sign.
func parseReplacement(s string) (pieces, error) {
	var all pieces
	for s != "" {
		i := strings.IndexByte(s, '$')
		if i < 0 {
			return append(all, piece{text: s}), nil
		}
		if i > 0 {
			all = append(all, piece{text: s[:i]})
		}
		if strings.HasPrefix(s[i:], "$$") {
			all, s = append(all, piece{text: "$"}), s[i+2:]
			continue
		}
		group, rest, err := parseReference(s[i+1:])
		if err != nil {
			return nil, fmt.Errorf("%w in %q", err, s)
		}
		all, s = append(all, piece{group: group}), rest
	}
	return all, nil
}

// parseReference reads what comes after a dollar sign.
func parseReference(s string) (group int, rest string, err error) {
	name, closing := s, ""
	switch {
	case strings.HasPrefix(s, "{"):
		closing = "}"
	case strings.HasPrefix(s, "("):
		closing = ")"
	}
	if closing != "" {
		var ok bool
		if name, rest, ok = strings.Cut(s[1:], closing); !ok {
			return 0, "", fmt.Errorf("truncated macro reference")
		}
	} else {
		n := 0
		for n < len(s) && (alphanumeric(s[n]) || s[n] == '_') {
			n++
		}
		name, rest = s[:n], s[n:]
	}
	if name == "" {
		return 0, "", fmt.Errorf("empty macro name")
	}
	if !text.Digits(name) || len(name) > 4 {
		return 0, "", fmt.Errorf("non-numeric replacement index %q", name)
	}
	for i := range len(name) {
		group = group*10 + int(name[i]-'0')
	}
	return group, rest, nil
}

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
