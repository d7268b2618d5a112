package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"postrider/lib/base/table"
	_ "postrider/lib/base/table/all" // what -m lists
)

// list prints what the suite can do, and the texts of bounce messages.
func (p *postconf) list() error {
	switch {
	case p.modes['a'], p.modes['A']:
		return p.listSASL()
	case p.modes['l']:
		fmt.Fprint(p.out, "flock\nfcntl\ndotlock\n")
	case p.modes['m']:
		types := table.Types()
		if !slices.Contains(types, "proxy") { // known to the daemons only
			types = append(types, "proxy")
		}
		slices.Sort(types)
		for _, name := range types {
			fmt.Fprintln(p.out, name)
		}
	case p.modes['T']:
		return p.listTLS()
	case p.modes['b']:
		return p.bounceTexts("-SVnexpand_templates")
	case p.modes['t']:
		return p.bounceTexts("-SVndump_templates")
	}
	return nil
}

// listSASL prints the implementations of SASL.
func (p *postconf) listSASL() error {
	if p.modes['a'] {
		fmt.Fprint(p.out, "cyrus\ndovecot\n")
	} else {
		fmt.Fprint(p.out, "cyrus\n")
	}
	return nil
}

// listTLS answers -T. There is no OpenSSL: TLS is part of the Go library that
// the programs are built with.
func (p *postconf) listTLS() error {
	switch p.tls {
	case "compile-version", "run-version":
		fmt.Fprintf(p.out, "Go crypto/tls %s (up to %s)\n", runtime.Version(), tls.VersionName(tls.VersionTLS13))
	case "public-key-algorithms":
		fmt.Fprint(p.out, "rsa\necdsa\ned25519\n")
	default:
		p.warn("unknown 'postconf -T' mode: %s", p.tls)
		return errSaid
	}
	return nil
}

// bounceTexts lets bounce(8) print its texts, since it knows how to read them.
func (p *postconf) bounceTexts(name string) error {
	s, err := p.settings()
	if err != nil {
		return err
	}
	args := []string{name}
	if len(p.args) > 1 {
		return errors.New("options -b and -t take one file name")
	}
	if len(p.args) == 1 {
		path := p.args[0]
		if path != "" { // bounce(8) has another working directory
			if path, err = filepath.Abs(path); err != nil {
				return err
			}
			f, err := os.Open(path)
			if err != nil {
				return fmt.Errorf("open %s: %w", p.args[0], errors.Unwrap(err))
			}
			f.Close()
		}
		args = append(args, "-o", "bounce_template_file="+path)
	}
	args = append(args, p.overrideArguments()...)
	command := exec.Command(filepath.Join(s.Value("daemon_directory"), "bounce"), args...)
	command.Stdout, command.Stderr = p.stdout, p.err
	command.Env = append(os.Environ(), "MAIL_CONFIG="+p.dir)
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(command.Args, " "), err)
	}
	return nil
}

func (p *postconf) overrideArguments() []string {
	var args []string
	for _, text := range p.overrides {
		args = append(args, "-o", text)
	}
	return args
}
