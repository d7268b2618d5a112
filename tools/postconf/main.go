// Postconf prints and changes the configuration of the mail system.
//
// # SYNOPSIS
//
// Parameters, in main.cf:
//
//	postconf [-dfhHnopvx] [-c config_dir] [-C class,...] [parameter ...]
//	postconf [-epv] [-c config_dir] parameter=value ...
//	postconf -# [-pv] [-c config_dir] parameter ...
//	postconf -X [-pv] [-c config_dir] parameter ...
//
// Services, in master.cf:
//
//	postconf -M [-fovx] [-c config_dir] [service[/type] ...]
//	postconf -M [-ev] [-c config_dir] service/type=value ...
//	postconf -M# | -MX [-v] [-c config_dir] service/type ...
//
// Fields of services:
//
//	postconf -F [-fhHovx] [-c config_dir] [service[/type[/field]] ...]
//	postconf -F [-ev] [-c config_dir] service/type/field=value ...
//
// Parameters that a service sets with -o:
//
//	postconf -P [-fhHovx] [-c config_dir] [service[/type[/parameter]] ...]
//	postconf -P [-ev] [-c config_dir] service/type/parameter=value ...
//	postconf -PX [-v] [-c config_dir] service/type/parameter ...
//
// The rest:
//
//	postconf -b | -t [-v] [-c config_dir] [template_file]
//	postconf -T mode [-v] [-c config_dir]
//	postconf -a | -A | -l | -m [-v] [-c config_dir]
//
// # DESCRIPTION
//
// Without options, all parameters are printed with the values that they have,
// or those that are named. Settings whose names nobody knows are probably
// spelling mistakes; there is a warning for each.
//
// Edits keep comments, the order of lines, and the owner and mode of the file.
// The new file takes the place of the old one at once; of edits at the same time
// none is lost.
//
// Options:
//
//   - -a: the SASL implementations that smtpd(8) can use.
//   - -A: the SASL implementations that smtp(8) can use.
//   - -b: the texts of bounce messages, with values for $name.
//   - -c config_dir: the folder with main.cf and master.cf.
//   - -C class,...: print only parameters of these classes: builtin (those of the
//     suite), service (whose names begin with that of a service in master.cf),
//     user (names that the administrator made), or all.
//   - -d: print defaults instead of the values in main.cf.
//   - -e: edit the file. Not needed where a "=" says the same.
//   - -f: fold long lines.
//   - -F: the fields of services.
//   - -h: print values without names.
//   - -H: print names without values.
//   - -l: the ways to lock a mailbox.
//   - -m: the types of lookup tables.
//   - -M: the services themselves.
//   - -n: print only what main.cf sets.
//   - -o name=value: see what would be if main.cf had this setting too.
//   - -p: parameters; this is what happens without -F, -M or -P.
//   - -P: the parameters of services.
//   - -t: the texts of bounce messages, as they are written.
//   - -T mode: about TLS: compile-version, run-version, or public-key-algorithms.
//   - -v: say more for debugging.
//   - -x: replace $name by the value.
//   - -X: remove the line.
//   - -#: make the line a comment.
//
// # DIAGNOSTICS
//
// Problems are reported on standard error. The exit status is 1 when nothing
// could be printed or changed.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/mail/param"
)

func main() {
	p := &postconf{out: os.Stdout, err: os.Stderr}
	if err := p.run(os.Args[1:]); err == errSaid {
		os.Exit(1)
	} else if err != nil {
		fmt.Fprintln(p.err, "postconf: fatal: "+msg.Text("%v", err))
		os.Exit(1)
	}
}

// errSaid is trouble that was reported already.
var errSaid = errors.New("reported")

// A postconf is one run of the command.
type postconf struct {
	out, err  io.Writer
	modes     map[byte]bool // option letters
	dir       string
	classes   string
	overrides []string
	tls       string
	args      []string
}

func (p *postconf) warn(format string, args ...any) {
	fmt.Fprintln(p.err, "postconf: warning: "+msg.Printable(msg.Text(format, args...)))
}

// run does what the arguments say.
func (p *postconf) run(args []string) error {
	if err := p.options(args); err != nil {
		return err
	}
	if err := p.check(); err != nil {
		return err
	}
	switch {
	case p.modes['a'], p.modes['A'], p.modes['l'], p.modes['m'], p.modes['T'], p.modes['b'], p.modes['t']:
		return p.list()
	case p.modes['e'], p.modes['X'], p.modes['#']:
		if p.modes['M'] || p.modes['F'] || p.modes['P'] {
			return p.editServices()
		}
		return p.editParameters()
	case p.modes['M'], p.modes['F'], p.modes['P']:
		return p.printServices()
	}
	return p.printParameters()
}

const usage = "usage: postconf [-a (server SASL types)] [-A (client SASL types)] [-b (bounce templates)] " +
	"[-c config_dir] [-C param_class] [-d (parameter defaults)] [-e (edit configuration)] [-f (fold lines)] " +
	"[-F (master.cf fields)] [-h (no names)] [-H (no values)] [-l (lock types)] [-m (map types)] " +
	"[-M (master.cf)] [-n (non-default parameters)] [-o name=value (override parameter value)] " +
	"[-p (main.cf, default)] [-P (master.cf parameters)] [-t (bounce templates)] " +
	"[-T compile-version|run-version|public-key-algorithms] [-v (verbose)] [-x (expand parameter values)] " +
	"[-X (exclude)] [-# (comment-out)] [name...]"

// letterOrder are all options, in the order in which messages name them.
const letterOrder = "aAbcCdefFhHlmMnopPtTvxX#"

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

// check refuses options that contradict each other.
func (p *postconf) check() error {
	edits := p.modes['e'] || p.modes['X'] || p.modes['#']
	if !edits && !p.modes['b'] && !p.modes['t'] {
		for _, arg := range p.args {
			if strings.Contains(arg, "=") {
				p.modes['e'] = true
			}
		}
	} else if p.modes['X'] || p.modes['#'] {
		for _, arg := range p.args {
			if strings.Contains(arg, "=") {
				p.modes['e'] = true // which the next check refuses
			}
		}
	}
	for _, letters := range []string{"aAbtlmT", "MFPp", "eX#", "dn", "hH", "en", "Xn", "#n", "ed", "Xd", "#d", "eh", "eH", "ex"} {
		var given []string
		for i := range len(letters) {
			if p.modes[letters[i]] {
				given = append(given, "-"+letters[i:i+1])
			}
		}
		if len(given) > 1 {
			slices.SortFunc(given, func(a, b string) int { return strings.Index(letterOrder, a[1:]) - strings.Index(letterOrder, b[1:]) })
			return fmt.Errorf("specify one of %s", strings.Join(given, " "))
		}
	}
	for _, conflict := range []string{"Mn", "Md", "Mh", "MH", "MC", "Fn", "Fd", "FC", "Pn", "Pd", "F#", "FX", "P#"} {
		if p.modes[conflict[0]] && p.modes[conflict[1]] {
			return fmt.Errorf("with option -%c, do not specify -%c", conflict[0], conflict[1])
		}
	}
	return nil
}
