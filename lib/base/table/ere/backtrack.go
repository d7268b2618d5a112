package ere

import "slices"

// maxSteps limits the work on one text.
const maxSteps = 2_000_000

// maxNesting limits the stack.
const maxNesting = 200_000

// A matcher tries the ways in which a pattern can match, the longest repetition
// first. It is for the patterns that package regexp does not know.
type matcher struct {
	text   string
	o      Options
	groups []int // begin and end of each group, -1 when it took no part
	steps  int
	depth  int
}

// match returns what the pattern and its groups match, or nil: the longest match
// of those that begin first.
func match(r *Regexp, text string) ([]string, error) {
	m := &matcher{text: text, o: r.o, groups: make([]int, 2*(r.groups+1))}
	for start := 0; start <= len(text); start++ {
		for i := range m.groups {
			m.groups[i] = -1
		}
		var best []int
		m.node(r.tree, start, func(end int) bool {
			if best == nil || end > best[1] {
				m.groups[0], m.groups[1] = start, end
				best = slices.Clone(m.groups)
			}
			return end == len(text) // there is none that is longer
		})
		if best != nil {
			m.groups = best
			return m.texts(), nil
		}
		if m.steps > maxSteps {
			return nil, ErrTooHard
		}
	}
	return nil, nil
}

func (m *matcher) texts() []string {
	texts := make([]string, len(m.groups)/2)
	for i := range texts {
		if start := m.groups[2*i]; start >= 0 {
			texts[i] = m.text[start:m.groups[2*i+1]]
		}
	}
	return texts
}

// node matches n at a place and then what comes after it, next. It returns false
// when there is no way.
func (m *matcher) node(n *node, at int, next func(at int) bool) bool {
	if m.steps++; m.steps > maxSteps {
		return false
	}
	if m.depth++; m.depth > maxNesting {
		m.steps = maxSteps + 1
	}
	defer func() { m.depth-- }()
	switch n.op {
	case opSet:
		return at < len(m.text) && n.set.has(m.text[at]) && next(at+1)
	case opConcat:
		return m.concat(n.subs, at, next)
	case opAlternate:
		for _, sub := range n.subs {
			if m.node(sub, at, next) {
				return true
			}
		}
		return false
	case opRepeat:
		return m.repeat(n, 0, at, next)
	case opGroup:
		return m.group(n, at, next)
	case opReference:
		return m.reference(n.number, at, next)
	}
	return m.anchored(n.op, at) && next(at)
}

func (m *matcher) concat(subs []*node, at int, next func(int) bool) bool {
	if len(subs) == 0 {
		return next(at)
	}
	return m.node(subs[0], at, func(at int) bool { return m.concat(subs[1:], at, next) })
}

func (m *matcher) repeat(n *node, done, at int, next func(int) bool) bool {
	sub := n.subs[0]
	if n.high < 0 || done < n.high {
		again := func(to int) bool {
			if to == at && done >= n.low {
				return false // an empty match repeats for ever
			}
			return m.repeat(n, done+1, to, next)
		}
		if sub.op == opSet && done >= n.low {
			return m.repeatSet(n, done, at, next)
		}
		if m.node(sub, at, again) {
			return true
		}
	}
	return done >= n.low && next(at)
}

// repeatSet is repeat without recursion for single characters, the common case.
func (m *matcher) repeatSet(n *node, done, at int, next func(int) bool) bool {
	end := at
	for end < len(m.text) && (n.high < 0 || done+end-at < n.high) && n.subs[0].set.has(m.text[end]) {
		end++
	}
	for ; end >= at; end-- {
		if m.steps++; m.steps > maxSteps {
			return false
		}
		if next(end) {
			return true
		}
	}
	return false
}

func (m *matcher) group(n *node, at int, next func(int) bool) bool {
	i := 2 * n.number
	oldStart, oldEnd := m.groups[i], m.groups[i+1]
	if m.node(n.subs[0], at, func(end int) bool {
		start, stop := m.groups[i], m.groups[i+1]
		m.groups[i], m.groups[i+1] = at, end
		if next(end) {
			return true
		}
		m.groups[i], m.groups[i+1] = start, stop
		return false
	}) {
		return true
	}
	m.groups[i], m.groups[i+1] = oldStart, oldEnd
	return false
}

func (m *matcher) reference(number, at int, next func(int) bool) bool {
	start, end := m.groups[2*number], m.groups[2*number+1]
	if start < 0 || len(m.text)-at < end-start {
		return false
	}
	for i := range end - start {
		a, b := m.text[start+i], m.text[at+i]
		if a != b && !(m.o.FoldCase && lower(a) == lower(b)) {
			return false
		}
	}
	return next(at + end - start)
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func (m *matcher) anchored(o op, at int) bool {
	words := wordSet()
	before := at > 0 && words.has(m.text[at-1])
	after := at < len(m.text) && words.has(m.text[at])
	switch o {
	case opTextBegin:
		return at == 0
	case opTextEnd:
		return at == len(m.text)
	case opBegin:
		return at == 0 || m.o.Newline && m.text[at-1] == '\n'
	case opEnd:
		return at == len(m.text) || m.o.Newline && m.text[at] == '\n'
	case opBoundary:
		return before != after
	case opNoBoundary:
		return before == after
	case opWordBegin:
		return !before && after
	case opWordEnd:
		return before && !after
	}
	return false
}
