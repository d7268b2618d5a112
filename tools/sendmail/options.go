package main

import (
	"os"
	"path/filepath"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/option"
	"postrider/lib/mail/address"
	"postrider/lib/mail/dsn"
)

// A request is what the command line asks for.
type request struct {
	mode       byte
	configDir  string
	sender     string
	senderSet  bool
	fullName   string
	nameSet    bool
	encoding   string // "7bit", "8bit"
	envelopeID string
	verp       string // delimiters
	aliases    string // -oA: an alias database
	notify     dsn.Notify
	ret        dsn.Return
	ignoreDots bool
	fromHeader bool // -t
	remote     bool // -G
	utf8       bool // -O smtputf8=yes
	requireTLS bool // -O requiretls=yes
	verbose    int
	flushSite  string
	flushID    string
	recipients []string
}

// letters are all options; a colon says that a value follows.
const letters = "A:B:C:F:GIL:N:O:R:UV:X:b:ce:f:h:imno:p:q:r:tvx"

// parse reads the command line of a command that is called name.
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
	list, rest, err := option.Parse(separate(args), letters)
	if err != nil {
		os.Stderr.WriteString(name + ": " + err.Error() + "\n")
		bad("usage: %s [options]", name)
	}
	for _, o := range list {
		r.option(o.Letter, o.Value)
	}
	r.recipients = rest
	r.check()
	return r
}

// separate lets -q stand alone: it takes a value only in the same word.
func separate(args []string) []string {
	var list []string
	for i, word := range args {
		if word == "--" || len(word) < 2 || word[0] != '-' {
			return append(list, args[i:]...)
		}
		if word == "-q" {
			word = "-qA" // everything
		}
		list = append(list, word)
		// A value in the next word is no option.
		if at := strings.IndexByte(letters, word[len(word)-1]); len(word) == 2 && at >= 0 && strings.HasPrefix(letters[at+1:], ":") && i+1 < len(args) {
			return append(append(list, args[i+1]), separate(args[i+2:])...)
		}
	}
	return list
}

// bad ends the command because of its command line. All callers of sendmail
// know the status that says: keep the message and try again.
func bad(format string, args ...any) { msg.Fatal(format, args...) }

func (r *request) option(c byte, v string) {
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
	case 'b':
		r.setMode(v)
	case 'q':
		r.setFlush(v)
	case 'B':
		r.setEncoding(v)
	case 'C':
		r.configDir = v
		if filepath.Base(v) == "main.cf" {
			r.configDir = filepath.Dir(v)
		}
	case 'F':
		r.fullName, r.nameSet = v, true
	case 'f', 'r':
		r.setSender(v)
	case 'o':
		r.setOld(v)
	case 'O':
		r.setOption(v)
	case 'N', 'R':
		r.setNotice(c, v)
	case 'V':
		if r.envelopeID = v; v == "" || len(v) > 100 || msg.Printable(v) != v {
			r.envelopeID = ""
			msg.Warn("bad syntax in -V option value -- ignored")
		}
	case 'X':
		r.setVerp(v)
	}
}

func (r *request) setMode(v string) {
	switch {
	case v == "m": // which is so anyway
	case len(v) == 1 && strings.Contains("dhipsv", v):
		r.mode = v[0]
	case v == "l":
		r.mode = 'd'
	case v == "H":
		r.mode = 'h'
	default:
		bad("unsupported: -b%s", v)
	}
}

// setSender takes the envelope sender, which may be written as in a header.
func (r *request) setSender(v string) {
	r.sender, r.senderSet = v, true
	spans := address.Find(v)
	switch {
	case strings.TrimSpace(v) == "" || strings.TrimSpace(v) == "<>":
		r.sender = ""
	case len(spans) > 0:
		r.sender = address.Unquote(spans[0].Address)
	}
	if len(spans) > 1 {
		msg.Warn("-f option specified malformed sender: %s", v)
	}
}

func (r *request) setFlush(v string) {
	switch c := v[0]; {
	case c >= '0' && c <= '9': // the interval of a daemon, which has its own
		if r.mode == 'm' {
			r.mode = 'h'
		}
		return
	case c == 'A':
	case c == 'R':
		if r.flushSite = v[1:]; r.flushSite == "" {
			bad("specify: -qRsitename")
		}
	case c == 'I':
		if r.flushID = v[1:]; r.flushID == "" {
			bad("specify: -qIqueueid")
		}
	default:
		bad("-q%c is not implemented", c)
	}
	r.mode = 'q'
}

func (r *request) setEncoding(v string) {
	switch v {
	case "8BITMIME":
		r.encoding = "8bit"
	case "7BIT":
		r.encoding = "7bit"
	default:
		bad("-B option needs 8BITMIME or 7BIT")
	}
}

// setNotice takes what the sender wants to hear, and to get back. A mistake
// there is no reason to keep the message.
func (r *request) setNotice(c byte, v string) {
	ok := false
	if c == 'N' {
		for word := range strings.SplitSeq(v, ",") {
			if _, known := dsn.ParseNotify(word); !known {
				msg.Warn("unknown DSN NOTIFY command value \"%s\" in \"%s\"", word, v)
				break
			}
		}
		r.notify, ok = dsn.ParseNotify(v)
	} else {
		r.ret, ok = dsn.ParseReturn(v)
	}
	if !ok && c == 'N' {
		r.notify = 0
	}
	if !ok {
		msg.Warn("bad -%c option value -- ignored", c)
	}
}

// setOld reads -o: a letter and, for some, a value.
func (r *request) setOld(v string) {
	switch {
	case v == "i":
		r.ignoreDots = true
	case strings.HasPrefix(v, "A"):
		if r.aliases = v[1:]; r.aliases == "" {
			bad("-oA requires pathname")
		}
	}
}

// setOption reads -O. Options of the original sendmail mean nothing here; what
// asks for protection must not be passed over.
func (r *request) setOption(v string) {
	name, value, _ := strings.Cut(strings.ToLower(v), "=")
	if name != "requiretls" && name != "smtputf8" {
		return
	}
	switch {
	case value != "yes" && value != "no":
		bad("-O %s: specify %s=yes or %s=no", v, name, name)
	case name == "smtputf8":
		r.utf8 = value == "yes"
	default:
		r.requireTLS = value == "yes"
	}
}

// setVerp reads -XV and -XV+=; other values name a log file, which is ignored.
func (r *request) setVerp(v string) {
	if !strings.HasPrefix(v, "V") {
		return
	}
	r.verp = v[1:]
	if r.verp == "" {
		r.verp = "+="
	}
	if len(r.verp) != 2 || strings.Trim(r.verp, verpDelimiters) != "" {
		bad("-V requires two characters from %s", verpDelimiters)
	}
}

// verpDelimiters are those that everybody can use, whatever main.cf says.
const verpDelimiters = "-=+"

// titles are the modes that have no recipients.
var titles = map[byte]string{
	'd': "daemon mode", 'i': "alias initialization mode", 'p': "display queue mode",
	'q': "flush queue mode", 's': "stand-alone mode",
}

// check looks for things that do not go together.
func (r *request) check() {
	switch title := titles[r.mode]; {
	case r.fromHeader && r.mode == 'v':
		bad("-t option cannot be used with -bv")
	case r.fromHeader && r.mode != 'm':
		bad("-t can be used only in delivery mode")
	case title != "" && len(r.recipients) > 0:
		bad("%s requires no recipient", title)
	case (r.mode == 'm' || r.mode == 'v') && !r.fromHeader && len(r.recipients) == 0:
		bad("%s: Recipient addresses must be specified on the command line or via the -t option", caller())
	}
}
