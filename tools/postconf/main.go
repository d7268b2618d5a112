// Postconf prints and changes the configuration of the mail system.
//
// # SYNOPSIS
//
// Parameters, in main.cf:
//
//	postconf [-dfhHjnopqvx] [-c config_dir] [-C class,...] [parameter ...]
//	postconf [-epv] [-c config_dir] parameter=value ...
//	postconf -# [-pv] [-c config_dir] parameter ...
//	postconf -X [-pv] [-c config_dir] parameter ...
//
// Services, in master.cf:
//
//	postconf -M [-fjoqvx] [-c config_dir] [service[/type] ...]
//	postconf -M [-ev] [-c config_dir] service/type=value ...
//	postconf -M# | -MX [-v] [-c config_dir] service/type ...
//
// Fields of services:
//
//	postconf -F [-fhHjoqvx] [-c config_dir] [service[/type[/field]] ...]
//	postconf -F [-ev] [-c config_dir] service/type/field=value ...
//
// Parameters that a service sets with -o:
//
//	postconf -P | -PP [-fhHjoqvx] [-c config_dir] [service[/type[/parameter]] ...]
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
//   - -j: print a JSON object for each setting, see below.
//   - -l: the ways to lock a mailbox.
//   - -m: the types of lookup tables.
//   - -M: the services themselves.
//   - -n: print only what main.cf sets.
//   - -o name=value: see what would be if main.cf had this setting too.
//   - -p: parameters; this is what happens without -F, -M or -P.
//   - -P: the parameters of services. With -PP also those that a service does not
//     set itself: all that it will see, which is what -x is good for.
//   - -q: no warnings about names that nobody knows or that are old.
//   - -t: the texts of bounce messages, as they are written.
//   - -T mode: about TLS: compile-version, run-version, or public-key-algorithms.
//   - -v: say more for debugging.
//   - -x: replace $name by the value.
//   - -X: remove the line.
//   - -#: make the line a comment.
//
// # JSON
//
// With -j each setting is an object in a line of its own, with one member: its
// name, and the value as a string.
//
//	{"relay_domains": "example.net, example.org"}
//	{"smtp/inet": "smtp inet n - n - - smtpd -o smtpd_tls_wrappermode=yes"}
//	{"smtp/inet/wakeup": "-"}
//
// The second form is that of -M, the third one that of -F and -P. White space
// within values of main.cf stays as it is in the file. What is no UTF-8 becomes
// question marks. The options -f, -h and -H are of no use here, and are refused.
//
// # DIAGNOSTICS
//
// Problems are reported on standard error. The exit status is 1 when nothing
// could be printed or changed.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"postrider/lib/base/msg"
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
	stdout    io.Writer     // behind buffer
	buffer    *bufio.Writer // behind out
	modes     map[byte]bool // option letters
	dir       string
	classes   string
	overrides []string
	tls       string
	args      []string
}

func (p *postconf) warn(format string, args ...any) {
	p.buffer.Flush()
	fmt.Fprintln(p.err, "postconf: warning: "+msg.Printable(msg.Text(format, args...)))
}

// run does what the arguments say. Output stands in front of the warnings about
// what comes behind it.
func (p *postconf) run(args []string) error {
	p.stdout, p.buffer = p.out, bufio.NewWriter(p.out)
	p.out = p.buffer
	err := p.perform(args)
	if e := p.buffer.Flush(); err == nil && e != nil {
		err = fmt.Errorf("write output: %w", e)
	}
	return err
}

func (p *postconf) perform(args []string) error {
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
		services := p.given("MFP") != nil
		if !p.modes['e'] && slices.ContainsFunc(p.args, func(arg string) bool { return strings.Contains(arg, "=") }) {
			if services {
				return errors.New("-X or -# requires names without value")
			}
			return errors.New("-X or -# requires parameter names without value")
		}
		if services {
			return p.editServices()
		}
		return p.editParameters()
	case p.modes['M'], p.modes['F'], p.modes['P']:
		return p.printServices()
	}
	return p.printParameters()
}
