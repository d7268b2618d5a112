package access

import (
	"fmt"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/text"
	"postrider/lib/mail/dsn"
)

// An answer is what one restriction says.
type answer int

const (
	dunno  answer = iota // nothing against it: ask the next restriction
	permit               // enough: skip the rest of this list
	refuse               // the refusal is in the walk
)

// A program is a list of restrictions, ready to run.
type program struct {
	steps []step
	kind  string // what a bare table means in this list
}

type step struct {
	name string
	run  func(w *walk, arg string) answer
	arg  string
	warn bool // warn_if_reject stands before it
}

// A walk is one evaluation of lists for one request of the client. Name and
// class say who would be refused, as what: <joe@x>: Sender address rejected.
type walk struct {
	*Checker
	*Facts
	name, class string
	program     *program

	warnOnly bool
	refusal  *Refusal
	ifPermit *Refusal // refuse in the end what all lists let pass
	ifReject *pending // temporary trouble that may have hidden a permission
	depth    int
	listed   bool // the recipient was looked for in the tables of addresses
}

// A pending is a refusal that is not formatted yet.
type pending struct {
	trouble Trouble
	code    int
	status  dsn.Status
	text    string
}

// maxDepth limits restriction classes that contain each other.
const maxDepth = 100

// list evaluates one list of main.cf for a name of a class.
func (w *walk) list(parameter, name, class string) answer {
	p := w.lists[parameter]
	if p == nil || len(p.steps) == 0 {
		return dunno
	}
	w.name, w.class, w.ifReject = name, class, nil
	return w.run(p)
}

func (w *walk) run(p *program) answer {
	if w.depth++; w.depth > maxDepth {
		msg.Warn("restriction classes go round in circles")
		return w.misconfigured()
	}
	outer, outerWarn := w.program, w.warnOnly
	defer func() { w.depth--; w.program, w.warnOnly = outer, outerWarn }()
	w.program = p
	for i, s := range p.steps {
		if w.Transaction != nil && w.Transaction.Discard {
			return permit
		}
		w.warnOnly = outerWarn || s.warn
		switch got := s.run(w, s.arg); got {
		case permit:
			if rest := p.steps[i+1:]; s.name == "permit" && len(rest) > 0 {
				msg.Warn("restriction `%s' after `permit' is ignored", rest[0].name)
			}
			return permit
		case refuse:
			return refuse
		}
		if w.ifPermit != nil && w.ifReject != nil {
			// Whatever the rest of the list says, the answer is "later".
			w.refusal = w.ifPermit
			w.Log("reject", w.refusal.Reply)
			return refuse
		}
	}
	return dunno
}

// reject refuses, unless it is only to warn. Earlier temporary trouble turns
// a permanent refusal into a temporary one.
func (w *walk) reject(trouble Trouble, code int, status dsn.Status, format string, args ...any) answer {
	words := format
	if len(args) > 0 {
		words = fmt.Sprintf(format, args...)
	}
	if w.warnOnly && trouble == Policy {
		w.Log("reject_warning", w.format(code, status, words))
		return dunno
	}
	if w.ifReject != nil && code/100 == 5 {
		p := w.ifReject
		trouble, code, status, words = p.trouble, p.code, p.status, p.text
		w.ifReject = nil
	}
	w.refusal = &Refusal{Reply: w.format(code, status, words), Trouble: trouble}
	w.Log("reject", w.refusal.Reply)
	return refuse
}

// format makes a reply. The classes of the two codes agree.
func (w *walk) format(code int, status dsn.Status, words string) string {
	if code < 400 || code > 599 {
		msg.Warn("SMTP reply code configuration error: %d: %s", code, words)
		code, status, words = 450, "4.3.5", "Server configuration error"
	}
	if w.conf.SoftBounce && code >= 500 {
		code -= 100
	}
	return fmt.Sprintf("%d %s %s", code, status.WithClass('0'+byte(code/100)), words)
}

// deferIfPermit asks for a temporary refusal of what all lists let pass. The
// first reason counts.
func (w *walk) deferIfPermit(trouble Trouble, code int, status dsn.Status, format string, args ...any) answer {
	words := fmt.Sprintf(format, args...)
	switch {
	case w.warnOnly:
		w.Log("reject_warning", w.format(code, status, words))
	case w.ifPermit == nil:
		w.ifPermit = &Refusal{Reply: w.format(code, status, words), Trouble: trouble}
	}
	return dunno
}

// deferIfReject asks for a temporary refusal instead of a permanent one.
func (w *walk) deferIfReject(trouble Trouble, code int, status dsn.Status, format string, args ...any) answer {
	if w.ifReject == nil {
		w.ifReject = &pending{trouble, code, status, fmt.Sprintf(format, args...)}
	}
	return dunno
}

// tempfail does what a tempfail_action parameter says.
func (w *walk) tempfail(action string, trouble Trouble, code int, status dsn.Status, format string, args ...any) answer {
	if action == "defer" {
		return w.reject(trouble, code, status, format, args...)
	}
	return w.deferIfPermit(trouble, code, status, format, args...)
}

// misconfigured refuses for now, because main.cf is wrong.
func (w *walk) misconfigured() answer {
	return w.reject(Software, 451, "4.3.5", "Server configuration error")
}

// lookupFailed refuses for now, because a table does not answer.
func (w *walk) lookupFailed(address string) answer {
	return w.reject(Data, 451, "4.3.0", "<%s>: Temporary lookup failure", address)
}

// permitted logs a permission when the administrator wants to see it.
func (w *walk) permitted(action, class, name string) answer {
	return w.permittedBy(action, class, name, "")
}

// permittedBy also says which table permits.
func (w *walk) permittedBy(action, class, name, origin string) answer {
	if ok, err := w.logPermit.Match(action); ok && err == nil {
		w.Log("permit", fmt.Sprintf("action=%s for %s=%s %s", action, class, name, origin))
	}
	return permit
}

// named is permitted for what the list is about.
func (w *walk) named(action string) answer { return w.permitted(action, w.class, w.name) }

// compile turns the text of a list into a program. Classes are compiled where
// they stand, because a bare table in them means what the outer list is about.
func (c *Checker) compile(list, kind string, outer []string) *program {
	p := &program{kind: kind}
	words := text.SplitBraces(list)
	warn := false
	for i := 0; i < len(words); i++ {
		word := words[i]
		if word == "warn_if_reject" {
			warn = true
			continue
		}
		s := step{name: word, warn: warn}
		warn = false
		known, class := restrictions[word], c.classes[word]
		_, isClass := c.classes[word]
		switch {
		case isTable(word) && !known.valid():
			s.name, s.arg, s.run = kind, word, c.bareTable(kind, word)
		case isClass:
			s.run = c.class(word, class, kind, outer)
		case !known.valid():
			s.run = unknownRestriction(word)
		default:
			s.run = known.run
			if known.arg {
				if i++; i < len(words) {
					s.arg = words[i]
				} else {
					s.arg = word
				}
				s.run = c.prepare(word, s.arg, known)
			} else if known.notice != "" {
				s.run = c.oldName(word, known)
			}
		}
		p.steps = append(p.steps, s)
	}
	return p
}

func (c *Checker) bareTable(kind, spec string) func(*walk, string) answer {
	r, ok := restrictions[kind]
	if !ok {
		return func(w *walk, arg string) answer {
			msg.Warn("specify the kind of access table before %q, such as check_client_access", arg)
			return w.misconfigured()
		}
	}
	return c.prepare(kind, spec, r)
}

func unknownRestriction(word string) func(*walk, string) answer {
	return func(w *walk, _ string) answer {
		msg.Warn("unknown smtpd restriction: %q", word)
		return w.misconfigured()
	}
}

// class runs a list of smtpd_restriction_classes.
func (c *Checker) class(name, list, kind string, outer []string) func(*walk, string) answer {
	for _, o := range outer {
		if o == name {
			return func(w *walk, _ string) answer {
				msg.Warn("restriction class %q contains itself", name)
				return w.misconfigured()
			}
		}
	}
	p := c.compile(list, kind, append(outer[:len(outer):len(outer)], name))
	return func(w *walk, _ string) answer { return w.run(p) }
}

// oldName warns that there is a better name.
func (c *Checker) oldName(word string, r restriction) func(*walk, string) answer {
	return func(w *walk, arg string) answer {
		if r.deprecated {
			msg.Warn("restriction %s is deprecated. Use %s instead", word, r.notice)
		} else if !c.warned[word] {
			c.warned[word] = true
			msg.Warn("support for restriction %q will be removed from %s; use %q instead", word, c.svc.Mail.Name, r.notice)
		}
		return r.run(w, arg)
	}
}

// sleep slows a client down.
func sleep(w *walk, arg string) answer {
	var seconds int
	if n, err := fmt.Sscanf(arg, "%d", &seconds); n != 1 || err != nil || seconds < 0 || seconds > 3600 {
		msg.Warn("restriction sleep: bad argument %q: need a number of seconds", arg)
		return w.misconfigured()
	}
	time.Sleep(time.Duration(seconds) * time.Second)
	return dunno
}

// guarded reports whether the program holds a restriction that keeps strangers
// from relaying, before anything that lets everybody pass.
func (p *program) guarded(c *Checker, depth int) bool {
	if p == nil || depth > maxDepth {
		return false
	}
	for _, s := range p.steps {
		if s.warn {
			continue
		}
		if s.name == "permit" {
			return false
		}
		for _, guard := range relayGuards {
			if s.name == guard {
				return true
			}
		}
		if list, ok := c.classes[s.name]; ok && depth < maxDepth {
			if c.compile(list, p.kind, []string{s.name}).guarded(c, depth+1) {
				return true
			}
		}
	}
	return false
}
