package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"postrider/lib/mail/param"
)

const usage = "usage: postconf [-a (server SASL types)] [-A (client SASL types)] [-b (bounce templates)] " +
	"[-c config_dir] [-C param_class] [-d (parameter defaults)] [-e (edit configuration)] [-f (fold lines)] " +
	"[-F (master.cf fields)] [-h (no names)] [-H (no values)] [-j (streaming JSON)] [-l (lock types)] [-m (map types)] " +
	"[-M (master.cf)] [-n (non-default parameters)] [-o name=value (override parameter value)] " +
	"[-p (main.cf, default)] [-P (master.cf parameters)] [-q (no warnings)] [-t (bounce templates)] " +
	"[-T compile-version|run-version|public-key-algorithms] [-v (verbose)] [-x (expand parameter values)] " +
	"[-X (exclude)] [-# (comment-out)] [name...]"

// letterOrder are all options, in the order in which messages name them.
const letterOrder = "aAbcCdefFhHjlmMnopPqtTvxX#"

// everything is what the second -P stands for.
const everything = '2'

// options takes the options from the command line. They may stand together, as
// in -nf, and an argument may follow its letter at once.
func (p *postconf) options(args []string) error {
	p.modes = make(map[byte]bool)
	p.dir = param.Dir()
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		word := args[0]
		args = args[1:]
		if word == "--" {
			break
		}
		for i := 1; i < len(word); i++ {
			letter := word[i]
			if !strings.ContainsRune(letterOrder, rune(letter)) {
				fmt.Fprintf(p.err, "postconf: invalid option -- '%c'\n", letter)
				return errors.New(usage)
			}
			if letter == 'P' && p.modes['P'] {
				letter = everything
			}
			p.modes[letter] = true
			if !strings.ContainsRune("cCoT", rune(letter)) {
				continue
			}
			value := word[i+1:]
			if value == "" {
				if len(args) == 0 {
					fmt.Fprintf(p.err, "postconf: option requires an argument -- '%c'\n", letter)
					return errors.New(usage)
				}
				value, args = args[0], args[1:]
			}
			if letter == 'T' && p.tls != "" {
				return errors.New("At most one -T <mode> option may be specified")
			}
			p.setOption(letter, value)
			break
		}
	}
	p.args = args
	return nil
}

func (p *postconf) setOption(letter byte, value string) {
	switch letter {
	case 'c':
		p.dir = value
		os.Setenv("MAIL_CONFIG", value) // for the programs that -b and -t start
	case 'C':
		p.classes = value
	case 'o':
		p.overrides = append(p.overrides, value)
	case 'T':
		p.tls = value
	}
}

// rivals are options of which only one may be given. The first row has the
// things that the command can do.
var rivals = []string{"aAbtlmTpMFP", "2eX#", "den#X", "ef#X", "ex#X", "deo#X", "ehHX#"}

// companions are the options that make sense with one, besides those that are
// always allowed.
var companions = []struct {
	option byte
	with   string
}{
	{'a', ""}, {'A', ""}, {'b', ""}, {'t', ""}, {'l', ""}, {'m', ""}, {'T', ""},
	{'p', "defhHjnoxX#"}, {'M', "efjoxX#"}, {'F', "efhHjox"}, {'P', "efhHjoxX2"},
	{everything, "fhHjoxP"}, {'j', "dnopMFPx2"},
}

const always = "cCqv"

// check refuses options that contradict each other.
func (p *postconf) check() error {
	if p.modes['b'] && p.modes['t'] {
		return errors.New("specify one of -b and -t")
	}
	if p.given(rivals[0]) == nil {
		p.modes['p'] = true
	}
	if p.given("pMFP") != nil && len(p.args) > 0 && strings.Contains(p.args[0], "=") {
		p.modes['e'] = true // or something that -X and -# refuse
	}
	for _, letters := range rivals {
		if given := p.given(letters); len(given) > 1 {
			return fmt.Errorf("specify one of %s", strings.Join(given, " "))
		}
	}
	for _, c := range companions {
		if !p.modes[c.option] {
			continue
		}
		others := strings.Map(func(r rune) rune {
			if byte(r) == c.option || strings.ContainsRune(c.with+always, r) {
				return -1
			}
			return r
		}, letterOrder+string(everything))
		if given := p.given(others); given != nil {
			return fmt.Errorf("with option %s, do not specify %s", optionName(c.option), strings.Join(given, " "))
		}
	}
	return nil
}

// given are those of some options that were given, in their order.
func (p *postconf) given(letters string) (names []string) {
	for _, r := range letterOrder + string(everything) {
		if p.modes[byte(r)] && strings.ContainsRune(letters, r) {
			names = append(names, optionName(byte(r)))
		}
	}
	return names
}

func optionName(letter byte) string {
	if letter == everything {
		return "-PP"
	}
	return "-" + string(letter)
}
