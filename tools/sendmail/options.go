package main

import (
	"os"
	"path/filepath"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/mail/dsn"
)

// A request is what the command line asks for.
type request struct {
	mode       byte
	configDir  string
	sender     string
	senderSet  bool
	fullName   string
	encoding   string // "7bit", "8bit"
	envelopeID string
	verp       string // delimiters, or "default"
	notify     dsn.Notify
	ret        dsn.Return
	ignoreDots bool
	fromHeader bool // -t
	remote     bool // -G
	verbose    int
	flushSite  string
	flushID    string
	recipients []string
}

// takesValue are the options that are followed by a value, at once or as the
// next word; optionalValue those whose value follows at once or not at all.
const (
	takesValue    = "BCFLNORVXbfhopr"
	optionalValue = "AMqd"
	noValue       = "GIUimntvsx7e"
)

// parse reads the command line. Options may stand among recipients.
func parse(name string, args []string) *request {
	r := &request{mode: 'm'}
	switch name {
	case "mailq":
		r.mode = 'p'
	case "newaliases":
		r.mode = 'i'
	case "smtpd":
		r.mode = 'd'
	}
	for len(args) > 0 {
		word := args[0]
		args = args[1:]
		if word == "--" {
			r.recipients = append(r.recipients, args...)
			break
		}
		if len(word) < 2 || word[0] != '-' {
			r.recipients = append(r.recipients, word)
			continue
		}
		args = r.cluster(word[1:], args)
	}
	r.check()
	return r
}

// cluster reads the letters of one word, such as "ti" or "fjoe".
func (r *request) cluster(letters string, args []string) []string {
	for i := 0; i < len(letters); i++ {
		c, rest := letters[i], letters[i+1:]
		switch {
		case strings.IndexByte(noValue, c) >= 0:
			r.flag(c)
			continue
		case strings.IndexByte(optionalValue, c) >= 0:
			r.value(c, rest)
			return args
		case strings.IndexByte(takesValue, c) >= 0:
			if rest == "" {
				if len(args) == 0 {
					usage("option -%c needs a value", c)
				}
				rest, args = args[0], args[1:]
			}
			r.value(c, rest)
			return args
		}
		usage("invalid option -- '%c'", c)
	}
	return args
}

func usage(format string, args ...any) {
	os.Stderr.WriteString("usage: sendmail [options] recipient ...\n")
	msg.FatalStatus(exUsage, format, args...)
}

func (r *request) flag(c byte) {
	switch c {
	case 'G':
		r.remote = true
	case 'I':
		r.mode = 'i'
	case 'i':
		r.ignoreDots = true
	case 't':
		r.fromHeader = true
	case 'v':
		r.verbose++
	}
}

func (r *request) value(c byte, v string) {
	switch c {
	case 'b':
		r.setMode(v)
	case 'q':
		r.setFlush(v)
	case 'B':
		r.setEncoding(v)
	case 'C':
		r.configDir = v
		if filepath.Base(v) == "main.cf" || strings.HasSuffix(v, ".cf") {
			r.configDir = filepath.Dir(v)
		}
	case 'F':
		r.fullName = v
	case 'f', 'r':
		r.sender, r.senderSet = strings.TrimSpace(v), true
	case 'o':
		r.setOld(v)
	case 'N':
		n, ok := dsn.ParseNotify(v)
		if !ok {
			usage("bad -N option value %q: write never, or a list of success, failure and delay", v)
		}
		r.notify = n
	case 'R':
		ret, ok := dsn.ParseReturn(v)
		if !ok {
			usage("bad -R option value %q: write full or hdrs", v)
		}
		r.ret = ret
	case 'V':
		r.envelopeID = v
	case 'X':
		r.setVerp(v)
	}
}

func (r *request) setMode(v string) {
	if len(v) == 1 {
		switch v[0] {
		case 'm', 'i', 'p', 's', 'v', 'd', 'h':
			r.mode = v[0]
			return
		case 'l':
			r.mode = 'd'
			return
		case 'H':
			r.mode = 'h'
			return
		}
	}
	usage("unsupported: -b%s", v)
}

func (r *request) setFlush(v string) {
	r.mode = 'q'
	switch {
	case strings.HasPrefix(v, "R"):
		r.flushSite = v[1:]
		if r.flushSite == "" {
			usage("-qR needs a site")
		}
	case strings.HasPrefix(v, "I"):
		r.flushID = v[1:]
		if r.flushID == "" {
			usage("-qI needs a queue ID")
		}
	case strings.HasPrefix(v, "S"), strings.HasPrefix(v, "F"), strings.HasPrefix(v, "G"):
		usage("unsupported: -q%s", v)
	case v != "" && v[0] >= '0' && v[0] <= '9':
		r.mode = 'm' // an interval for the daemon, which has its own
	}
}

func (r *request) setEncoding(v string) {
	switch strings.ToUpper(v) {
	case "8BITMIME":
		r.encoding = "8bit"
	case "7BIT":
		r.encoding = "7bit"
	default:
		usage("bad -B option value %q: write 7BIT or 8BITMIME", v)
	}
}

// setOld reads -o in its old form, a letter: only i and the encodings matter.
func (r *request) setOld(v string) {
	switch {
	case v == "i":
		r.ignoreDots = true
	case v == "7":
		r.encoding = "7bit"
	case v == "8":
		r.encoding = "8bit"
	}
}

// setVerp reads -XV and -XV+=; other values name a log file, which is ignored.
func (r *request) setVerp(v string) {
	if !strings.HasPrefix(v, "V") {
		return
	}
	switch r.verp = v[1:]; len(r.verp) {
	case 0:
		r.verp = "+="
	case 2:
	default:
		usage("-XV needs two delimiter characters")
	}
}

func (r *request) check() {
	switch r.mode {
	case 'm', 'v':
	case 'p', 'q', 'i', 's', 'd':
		if len(r.recipients) > 0 && r.mode != 'i' {
			usage("stray recipients on the command line: %s", r.recipients[0])
		}
	}
	if r.fromHeader && r.mode == 'v' {
		usage("-t option cannot be used with -bv")
	}
	if r.fromHeader && r.mode != 'm' {
		usage("-t can be used only in delivery mode")
	}
	if (r.mode == 'm' || r.mode == 'v') && !r.fromHeader && len(r.recipients) == 0 {
		usage("Recipient addresses must be specified on the command line or via the -t option")
	}
	if r.senderSet && (r.sender == "<>" || r.sender == "") {
		r.sender = ""
	}
}
