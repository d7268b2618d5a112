package milter

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"postrider/lib/base/text"
)

// A Set is a list of filters, with the settings of each, and what they all get.
type Set struct {
	specs    []spec
	macros   macroLists
	defaults []macro
	resolve  Resolver
}

// A Resolver finds the addresses of a host.
type Resolver func(host string) ([]netip.Addr, error)

// A spec is a filter in main.cf.
type spec struct {
	name     string // "inet:host:port" or "unix:path"
	connect  time.Duration
	command  time.Duration
	content  time.Duration
	action   string
	protocol string
}

// New reads a list such as smtpd_milters. An empty list gives nil.
func New(p *Params, list string, resolve Resolver) (*Set, error) {
	items := text.SplitBraces(list)
	if len(items) == 0 {
		return nil, nil
	}
	set := &Set{macros: p.lists(), resolve: resolve}
	for _, item := range items {
		sp, err := p.spec(item)
		if err != nil {
			return nil, err
		}
		set.specs = append(set.specs, sp)
	}
	var err error
	set.defaults, err = parseDefaults(p.MacroDefaults)
	return set, err
}

// spec reads one filter: a name, or a name with settings in braces.
func (p *Params) spec(item string) (spec, error) {
	sp := spec{item, p.ConnectTimeout, p.CommandTimeout, p.ContentTimeout, p.DefaultAction, p.Protocol}
	if !strings.HasPrefix(item, "{") {
		return sp, nil
	}
	inside, ok := text.Unbrace(item)
	if !ok {
		return sp, fmt.Errorf("mail filter %q: a } is missing", item)
	}
	for i, word := range text.SplitBraces(inside) {
		if i == 0 {
			sp.name = word
			continue
		}
		if err := sp.set(word); err != nil {
			return sp, fmt.Errorf("mail filter %s: %w", sp.name, err)
		}
	}
	if sp.name == item {
		return sp, errors.New("a mail filter without name: write { inet:host:port, setting = value }")
	}
	return sp, nil
}

// set reads one setting of a filter.
func (sp *spec) set(word string) (err error) {
	if inside, ok := text.Unbrace(word); ok && strings.HasPrefix(word, "{") {
		word = inside
	}
	name, value, ok := text.NameValue(word)
	if !ok {
		return fmt.Errorf("%q: want setting = value", word)
	}
	switch name {
	case "connect_timeout":
		sp.connect, err = duration(value)
	case "command_timeout":
		sp.command, err = duration(value)
	case "content_timeout":
		sp.content, err = duration(value)
	case "default_action":
		sp.action = value
	case "protocol":
		sp.protocol = value
	default:
		return fmt.Errorf("unknown option: %q", word)
	}
	return err
}

// units of time, as in main.cf.
var units = map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}

func duration(value string) (time.Duration, error) {
	number, unit := value, time.Second
	if value != "" {
		if u, ok := units[value[len(value)-1]|0x20]; ok {
			number, unit = value[:len(value)-1], u
		}
	}
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not a time, such as 30s", value)
	}
	return time.Duration(n) * unit, nil
}

// The stages at which filters get macros.
type stage int

const (
	atConnect stage = iota
	atHelo
	atMail
	atRcpt
	atData
	atEndOfHeader
	atEndOfData
	atUnknown
)

// macroLists are lists of names, in the order of stages and of the hand-over.
type macroLists struct {
	Connect     string `attr:"conn_macros"`
	Helo        string `attr:"helo_macros"`
	Mail        string `attr:"mail_macros"`
	Rcpt        string `attr:"rcpt_macros"`
	Data        string `attr:"data_macros"`
	EndOfHeader string `attr:"eoh_macros"`
	EndOfData   string `attr:"eod_macros"`
	Unknown     string `attr:"unk_macros"`
}

func (l *macroLists) at(s stage) *string {
	return [...]*string{&l.Connect, &l.Helo, &l.Mail, &l.Rcpt, &l.Data, &l.EndOfHeader, &l.EndOfData, &l.Unknown}[s]
}

// notAsked stands for a list of which a filter said nothing: it gets the one of
// main.cf.
const notAsked = "\x00"

// wanted are the stages for which a filter may name macros. Source: libmilter,
// SMFIM.
var wanted = map[uint32]stage{0: atConnect, 1: atHelo, 2: atMail, 3: atRcpt, 4: atData, 5: atEndOfData, 6: atEndOfHeader}

// A macro is a name, in braces when it is long, and its value.
type macro struct{ name, value string }

// parseDefaults reads milter_macro_defaults.
func parseDefaults(list string) ([]macro, error) {
	var macros []macro
	for _, item := range text.SplitBraces(list) {
		entry := item
		if inside, ok := text.Unbrace(item); ok && strings.HasPrefix(item, "{") && strings.Contains(inside, "=") {
			entry = inside
		}
		name, value, ok := text.NameValue(entry)
		if !ok {
			return nil, fmt.Errorf("parameter milter_macro_defaults: missing '=' after the name in %q", item)
		}
		macros = append(macros, macro{braced(name), value})
	}
	return macros, nil
}

// braced is the form of a macro's name on the wire.
func braced(name string) string {
	if len(name) > 1 && name[0] != '{' {
		return "{" + name + "}"
	}
	return name
}
