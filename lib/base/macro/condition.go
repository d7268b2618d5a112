package macro

import (
	"fmt"
	"strconv"
	"strings"
)

// braced expands what stands between ${ and }: a name, a name with a
// condition, a comparison, or a function.
func (x *expansion) braced(out []byte, inner string) ([]byte, error) {
	trimmed := strings.TrimLeft(inner, blank)
	if strings.HasPrefix(trimmed, "{") {
		return x.comparison(out, trimmed)
	}
	n := nameLength(trimmed)
	name, rest := trimmed[:n], trimmed[n:]
	after := strings.TrimLeft(rest, blank)
	switch {
	case n == 0:
		return out, fmt.Errorf("no name in \"${%s}\"", inner)
	case after == "":
		return x.value(out, name)
	case after[0] == '{' && x.Call != nil:
		return x.function(out, name, after)
	case after[0] == '?' || after[0] == ':':
		empty, err := x.empty(name)
		if err != nil {
			return out, err
		}
		return x.choose(out, after, !empty, inner)
	}
	return out, fmt.Errorf("bad macro syntax: \"${%s}\": after the name stands neither ? nor :", inner)
}

const blank = " \t\r\n"

// choose expands one of the two branches in "?{a}:{b}", "?a" or ":b".
func (x *expansion) choose(out []byte, branches string, yes bool, whole string) ([]byte, error) {
	if branches[0] == ':' {
		second, err := last(branches[1:], whole)
		if err != nil || yes {
			return out, err
		}
		return x.text(out, second)
	}
	text := strings.TrimLeft(branches[1:], blank)
	if !strings.HasPrefix(text, "{") {
		if !yes {
			return out, nil
		}
		return x.text(out, branches[1:])
	}
	first, rest, ok := Group(text)
	if !ok {
		return out, fmt.Errorf("truncated macro reference: \"${%s}\"", whole)
	}
	rest = strings.TrimLeft(rest, blank)
	switch {
	case rest != "" && rest[0] != ':':
		return out, fmt.Errorf("bad macro syntax: \"${%s}\": a \":\" is wanted before %q", whole, rest)
	case rest == "":
		if !yes {
			first = ""
		}
		return x.text(out, first)
	}
	second, err := last(rest[1:], whole)
	if err != nil {
		return out, err
	}
	if yes {
		second = first
	}
	return x.text(out, second)
}

// last returns the branch that nothing may follow. Braces around it are
// removed; the blanks in them belong to the branch.
func last(branch, whole string) (string, error) {
	text := strings.TrimLeft(branch, blank)
	if !strings.HasPrefix(text, "{") {
		return branch, nil
	}
	inner, rest, ok := Group(text)
	if !ok || strings.Trim(rest, blank) != "" {
		return "", fmt.Errorf("bad macro syntax: \"${%s}\": text after the last }", whole)
	}
	return inner, nil
}

// function expands ${name{text}}.
func (x *expansion) function(out []byte, name, argument string) ([]byte, error) {
	inner, rest, ok := Group(argument)
	if !ok || strings.Trim(rest, blank) != "" {
		return out, fmt.Errorf("bad macro syntax: \"${%s%s}\"", name, argument)
	}
	text, err := x.text(nil, inner)
	if err != nil {
		return out, err
	}
	result, err := x.Call(name, string(text))
	return append(out, result...), err
}

// comparison expands "{left} op {right}", and what follows it.
func (x *expansion) comparison(out []byte, whole string) ([]byte, error) {
	left, rest, ok := Group(whole)
	rest = strings.TrimLeft(rest, blank)
	n := strings.IndexByte(rest, '{')
	if !ok || n < 0 {
		return out, fmt.Errorf("bad macro syntax: \"${%s}\": want {left} operator {right}", whole)
	}
	operator := strings.TrimRight(rest[:n], blank)
	right, rest, ok := Group(rest[n:])
	if !ok {
		return out, fmt.Errorf("truncated macro reference: \"${%s}\"", whole)
	}
	l, err := x.text(nil, left)
	if err != nil {
		return out, err
	}
	r, err := x.text(nil, right)
	if err != nil {
		return out, err
	}
	yes, err := compare(string(l), operator, string(r))
	if err != nil {
		return out, fmt.Errorf("\"${%s}\": %w", whole, err)
	}
	rest = strings.TrimLeft(rest, blank)
	switch {
	case rest != "" && rest[0] != '?' && rest[0] != ':':
		return out, fmt.Errorf("bad macro syntax: \"${%s}\": after the comparison stands neither ? nor :", whole)
	case rest != "":
		return x.choose(out, rest, yes, whole)
	case yes:
		return append(out, "true"...), nil
	}
	return out, nil
}

// compare evaluates "left operator right".
func compare(left, operator, right string) (bool, error) {
	var order int
	if name, ok := strings.CutSuffix(operator, "level"); ok {
		operator = name
		l, err := ParseLevel(left)
		if err != nil {
			return false, err
		}
		r, err := ParseLevel(right)
		if err != nil {
			return false, err
		}
		order = l.Compare(r)
	} else {
		order = compareText(left, right)
	}
	switch operator {
	case "==":
		return order == 0, nil
	case "!=":
		return order != 0, nil
	case "<":
		return order < 0, nil
	case "<=":
		return order <= 0, nil
	case ">=":
		return order >= 0, nil
	case ">":
		return order > 0, nil
	}
	return false, fmt.Errorf("unknown operator %q", operator)
}

// compareText compares by number when both sides are digits.
func compareText(left, right string) int {
	l, errLeft := strconv.ParseUint(left, 10, 64)
	r, errRight := strconv.ParseUint(right, 10, 64)
	switch {
	case errLeft != nil || errRight != nil:
		return strings.Compare(left, right)
	case l < r:
		return -1
	case l > r:
		return 1
	}
	return 0
}

// A Level is a compatibility level: major, minor, patch.
type Level [3]uint64

// ParseLevel reads a compatibility level such as "3.11". Missing parts are 0.
func ParseLevel(text string) (Level, error) {
	var level Level
	parts := strings.Split(text, ".")
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 16)
		if err != nil || i >= len(level) {
			return Level{}, fmt.Errorf("bad compatibility level %q: want a number such as 3.11", text)
		}
		level[i] = n
	}
	return level, nil
}

// Compare returns -1, 0 or 1.
func (l Level) Compare(r Level) int {
	for i := range l {
		switch {
		case l[i] < r[i]:
			return -1
		case l[i] > r[i]:
			return 1
		}
	}
	return 0
}
