package access

import (
	"strconv"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/text"
	"postrider/lib/mail/dsn"
)

// actions are what the result of an access table may begin with; the text
// after the word is the argument. Source: access(5).
var actions map[string]func(q query, key, words string) answer

func init() {
	actions = map[string]func(q query, key, words string) answer{
		"DUNNO":           func(query, string, string) answer { return dunno },
		"OK":              actionOK,
		"RELAY":           actionOK,
		"REJECT":          actionReject,
		"DEFER":           actionDefer,
		"DEFER_IF_PERMIT": actionDeferIfPermit,
		"DEFER_IF_REJECT": actionDeferIfReject,
		"WARN":            func(q query, _, words string) answer { q.Log("warn", words); return dunno },
		"INFO":            func(q query, _, words string) answer { q.Log("info", words); return dunno },
		"HOLD":            actionHold,
		"DISCARD":         actionDiscard,
		"FILTER":          actionFilter,
		"REDIRECT":        actionRedirect,
		"BCC":             actionBcc,
		"PREPEND":         actionPrepend,
	}
}

// plainWords are the actions that stand alone: with more words they are a list
// of restrictions.
var plainWords = map[string]bool{"DUNNO": true, "OK": true, "RELAY": true}

// act does what the table says. Text that is no action is a list of
// restrictions.
func (q query) act(key, value string) answer {
	value = text.Trim(value)
	word, words, more := cut(value)
	if code, ok := replyCode(value); ok {
		status, rest := dsn.Split(words, dsn.Status(strconv.Itoa(code/100)+".7.1"))
		if rest == "" {
			rest = "Access denied"
		}
		return q.reject(Policy, code, status, "<%s>: %s rejected: %s", q.name, q.class, rest)
	}
	name := strings.ToUpper(word)
	if action, ok := actions[name]; ok && !(plainWords[name] && more) {
		return action(q, key, words)
	}
	if text.Digits(value) {
		return q.permittedBy("OK", q.class, q.name, "from "+q.spec)
	}
	if value == "" {
		return dunno
	}
	kind := ""
	if q.program != nil {
		kind = q.program.kind
	}
	outerName, outerClass := q.walk.name, q.walk.class
	defer func() { q.walk.name, q.walk.class = outerName, outerClass }()
	q.walk.name, q.walk.class = q.name, q.class
	return q.run(q.compile(value, kind, nil))
}

func cut(value string) (word, rest string, more bool) {
	i := strings.IndexAny(value, " \t")
	if i < 0 {
		return value, "", false
	}
	return value[:i], strings.TrimLeft(value[i:], " \t"), true
}

// replyCode reads a reply code of a refusal: 4xx or 5xx.
func replyCode(value string) (int, bool) {
	if len(value) < 3 || value[0] != '4' && value[0] != '5' || !text.Digits(value[:3]) || len(value) > 3 && value[3] != ' ' && value[3] != '\t' {
		return 0, false
	}
	code, _ := strconv.Atoi(value[:3])
	return code, len(value) > 3
}

func actionOK(q query, _, _ string) answer {
	return q.permittedBy("OK", q.class, q.name, "from "+q.spec)
}

// refusalText splits the words of REJECT and its kind.
func refusalText(words string, otherwise dsn.Status, text string) (dsn.Status, string) {
	status, rest := dsn.Split(words, otherwise)
	if rest == "" {
		rest = text
	}
	return status, rest
}

func actionReject(q query, _, words string) answer {
	status, rest := refusalText(words, "5.7.1", "Access denied")
	return q.reject(Policy, q.codes.AccessReject, status, "<%s>: %s rejected: %s", q.name, q.class, rest)
}

func actionDefer(q query, _, words string) answer {
	status, rest := refusalText(words, "4.7.1", "Access denied")
	return q.reject(Policy, q.codes.AccessDefer, status, "<%s>: %s rejected: %s", q.name, q.class, rest)
}

func actionDeferIfPermit(q query, _, words string) answer {
	status, rest := refusalText(words, "4.7.1", "Service unavailable")
	return q.deferIfPermit(Policy, q.codes.AccessDefer, status, "<%s>: %s rejected: %s", q.name, q.class, rest)
}

func actionDeferIfReject(q query, _, words string) answer {
	status, rest := refusalText(words, "4.7.1", "Service unavailable")
	return q.deferIfReject(Policy, q.codes.AccessDefer, status, "<%s>: %s rejected: %s", q.name, q.class, rest)
}

// trigger logs an action on the message.
func (q query) trigger(action, words, otherwise string) {
	if words == "" {
		words = otherwise
	}
	q.Log(action, "<"+q.name+">: "+q.class+" "+words)
}

func actionHold(q query, _, words string) answer {
	if q.Transaction != nil && !q.Transaction.Hold {
		q.Transaction.Hold = true
		q.trigger("hold", words, "triggers HOLD action")
	}
	return dunno
}

func actionDiscard(q query, _, words string) answer {
	if q.Transaction != nil {
		q.Transaction.Discard = true
		q.trigger("discard", words, "triggers DISCARD action")
	}
	return permit
}

func actionFilter(q query, key, words string) answer {
	if !strings.Contains(words, ":") {
		msg.Warn("access table %s entry %q requires transport:destination", q.spec, key)
		return dunno
	}
	if q.Transaction != nil {
		q.Transaction.Filter = words
		q.trigger("filter", "", "triggers FILTER "+words)
	}
	return dunno
}

func actionRedirect(q query, key, words string) answer {
	if !strings.Contains(words, "@") {
		msg.Warn("access table %s entry %q requires user@domain target", q.spec, key)
		return dunno
	}
	if q.Transaction != nil {
		q.Transaction.Redirect = words
		q.trigger("redirect", "", "triggers REDIRECT "+words)
	}
	return dunno
}

func actionBcc(q query, key, words string) answer {
	if !strings.Contains(words, "@") {
		msg.Warn("access table %s entry %q requires user@domain target", q.spec, key)
		return dunno
	}
	if q.Transaction != nil {
		q.Transaction.Bcc = append(q.Transaction.Bcc, words)
		q.trigger("bcc", "", "triggers BCC "+words)
	}
	return dunno
}

func actionPrepend(q query, key, words string) answer {
	name, _, ok := strings.Cut(words, ":")
	if !ok || name == "" || strings.ContainsAny(name, " \t") {
		msg.Warn("access table %s entry %q requires header: text", q.spec, key)
		return dunno
	}
	if q.Stage == endOfDataMarker {
		msg.Warn("access table %s: with PREPEND at %s the message is already in the queue", q.spec, q.Stage)
		return dunno
	}
	if q.Transaction != nil {
		q.Transaction.Prepend = append(q.Transaction.Prepend, words)
	}
	return dunno
}
