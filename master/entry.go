package main

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/text"
	"postrider/lib/mail/mastercf"
	"postrider/lib/mail/param"
)

// A spec is what master.cf and main.cf together say about one service.
type spec struct {
	name   string // first field: "smtp", "127.0.0.1:10025", "rewrite"
	kind   string // second field: "inet", "unix", ...
	origin string // "master.cf, line 12", for messages

	addresses []address
	backlog   int      // how many clients may wait in the kernel
	path      string   // of the program
	head      []string // command line before what changes from process to process
	tail      []string // command line after that
	limit     int      // processes at the same time, 0 for any number
	stress    bool     // strangers can reach it: tell processes about stress

	wakeupTime   time.Duration // 0: never
	wakeupIfUsed bool
}

// key tells whether two entries are the same service.
func (s *spec) key() string { return s.name + "/" + s.kind + "/" + s.class() }

// class is the directory of the socket; a service that moves from private to
// public is another service.
func (s *spec) class() string {
	if s.kind == "inet" || len(s.addresses) == 0 {
		return ""
	}
	return filepath.Dir(s.addresses[0].path)
}

// A reader turns entries of master.cf into specs.
type reader struct {
	conf     *parameters
	settings *param.Settings
	detached bool // daemons need no terminal
	disabled func(name, kind string) bool
}

// read makes specs of the whole file. An error says all that is wrong.
func (r *reader) read(path string) ([]spec, error) {
	file, err := mastercf.ReadFile(path)
	if file == nil {
		return nil, err
	}
	for _, warning := range file.Warnings {
		msg.Warn("%s", warning)
	}
	r.disabled = disabledServices(r.conf.ServiceDisable)
	var specs []spec
	errs := []error{err}
	for _, e := range file.Entries {
		if r.disabled(e.Name, e.Type) {
			continue
		}
		s, err := r.spec(&e, fmt.Sprintf("%s, line %d", path, e.Line))
		if err != nil {
			errs = append(errs, fmt.Errorf("%s, line %d: %w", path, e.Line, err))
			continue
		}
		if s.kind == "inet" && len(s.addresses) == 0 {
			continue // all network protocols are disabled; said elsewhere
		}
		specs = append(specs, s)
	}
	return specs, errors.Join(errs...)
}

func (r *reader) spec(e *mastercf.Entry, origin string) (spec, error) {
	s := spec{
		name: e.Name, kind: e.Type, origin: origin,
		path:       filepath.Join(r.conf.DaemonDirectory, e.Command),
		limit:      e.MaxProc,
		wakeupTime: e.Wakeup, wakeupIfUsed: e.WakeupIfUsed,
	}
	if s.limit == mastercf.DefaultLimit {
		s.limit = r.conf.DefaultProcessLimit
	}
	s.backlog = max(s.limit, r.conf.DefaultProcessLimit)
	var err error
	if s.addresses, err = r.addresses(e); err != nil {
		return s, err
	}
	s.stress = s.kind == "inet" && s.limit > 1 && slices.ContainsFunc(s.addresses, func(a address) bool {
		return !a.inet.Addr().IsLoopback()
	})
	s.head, s.tail = r.commandLine(e, &s), e.Args
	return s, nil
}

// commandLine is what master tells a program about its place in the system, in
// front of the arguments that the entry has.
func (r *reader) commandLine(e *mastercf.Entry, s *spec) []string {
	args := []string{e.Command}
	switch s.limit {
	case 1:
		args = append(args, "-l")
	case 0:
		args = append(args, "-z")
	}
	if base(e.Command) != e.Name {
		args = append(args, "-n", e.Name)
	}
	args = append(args, "-t", e.Type)
	if !r.detached {
		args = append(args, "-d")
	}
	for range msg.Verbose {
		args = append(args, "-v")
	}
	if e.Unprivileged {
		args = append(args, "-u")
	}
	if r.chroot(e, s.origin) {
		args = append(args, "-c")
	}
	return args
}

// chroot gives the field its default, which was "y" until compatibility level 1.
func (r *reader) chroot(e *mastercf.Entry, origin string) bool {
	if e.ChrootUnset && r.settings.Expand("${{$compatibility_level} <level {1} ? {old} : {}}") != "" {
		msg.Info("%s: using backwards-compatible default setting chroot=y", origin)
		return true
	}
	return e.Chroot
}

// addresses finds where the service listens.
func (r *reader) addresses(e *mastercf.Entry) ([]address, error) {
	if e.Type != "inet" {
		class := "public"
		if e.Private {
			class = "private"
		}
		if strings.Contains(e.Name, "/") {
			return nil, fmt.Errorf("service name %q must not contain /", e.Name)
		}
		return []address{{kind: e.Type, path: class + "/" + e.Name}}, nil
	}
	host, service := splitHostPort(e.Name)
	number, err := r.conf.Number(service)
	if err != nil {
		return nil, err
	}
	addrs, err := r.hostAddresses(host)
	if err != nil {
		return nil, err
	}
	var list []address
	for _, addr := range addrs {
		list = append(list, address{kind: "inet", inet: netip.AddrPortFrom(addr, uint16(number))})
	}
	return list, nil
}

// disabledServices returns a function that knows which services
// master_service_disable names. The last item that fits decides.
func disabledServices(list string) func(name, kind string) bool {
	type pattern struct {
		name, kind string
		disable    bool
	}
	var patterns []pattern
	for _, item := range text.Split(list) {
		rest, negated := strings.CutPrefix(item, "!")
		p := pattern{name: "*", kind: rest, disable: !negated}
		// The form with a dot is the older one.
		if i := strings.LastIndexAny(rest, "/."); i >= 0 {
			p.name, p.kind = rest[:i], rest[i+1:]
		}
		patterns = append(patterns, p)
	}
	fits := func(pattern, text string) bool { return pattern == "*" || strings.EqualFold(pattern, text) }
	return func(name, kind string) (disabled bool) {
		for _, p := range patterns {
			if fits(p.name, name) && fits(p.kind, kind) {
				return p.disable
			}
		}
		return false
	}
}

func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

func itoa(n int) string { return strconv.Itoa(n) }
