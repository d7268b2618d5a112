package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"postrider/lib/mail/mastercf"
)

// editServices changes master.cf.
func (p *postconf) editServices() error {
	change, err := p.serviceChange()
	if err != nil {
		return err
	}
	path := filepath.Join(p.dir, "master.cf")
	return editFile(path, func(old string) (string, error) {
		d, err := mastercf.ParseDocument(path, old)
		if err != nil {
			return "", err
		}
		for _, arg := range p.args {
			if err := change(d, arg); err != nil {
				return "", err
			}
		}
		return d.String(), nil
	})
}

// serviceChange returns what is done with each argument.
func (p *postconf) serviceChange() (func(d *mastercf.Document, arg string) error, error) {
	if len(p.args) == 0 {
		return nil, errors.New("missing service argument")
	}
	for _, arg := range p.args {
		if strings.ContainsAny(arg, "\r\n") {
			return nil, errors.New("-e, -X, or -# accepts no multi-line input")
		}
	}
	switch mode := p.editMode(); {
	case p.modes['M'] && mode == 'e':
		return p.setService, nil
	case p.modes['M']:
		return p.dropService, nil
	case p.modes['F']:
		return p.setField, nil
	case mode == 'X':
		return p.removeOption, nil
	}
	return p.setOptionOf, nil
}

// setService replaces an entry or adds one: "service/type=entry".
func (p *postconf) setService(d *mastercf.Document, arg string) error {
	names, value, found := strings.Cut(arg, "=")
	if !found {
		return fmt.Errorf("missing '=' in %q: want service/type=entry", arg)
	}
	t := parseTarget(strings.TrimSpace(names), 2)
	if t.name == "*" || t.kind == "*" {
		return errors.New("-Me, -MX or -M# requires service_name/type")
	}
	entry, err := mastercf.ParseEntry(strings.TrimSpace(value))
	if err != nil {
		return err
	}
	d.Replace(t.name, t.kind, entry)
	return nil
}

// dropService removes an entry, or makes it a comment.
func (p *postconf) dropService(d *mastercf.Document, arg string) error {
	t := parseTarget(arg, 2)
	if !strings.Contains(arg, "/") {
		return errors.New("-Me, -MX or -M# requires service_name/type")
	}
	if p.editMode() == 'X' {
		d.Remove(t.name, t.kind)
	} else {
		d.CommentOut(t.name, t.kind)
	}
	return nil
}

const needParameter = "-Pe or -PX requires service_name/type/parameter"

// itemTarget reads "service/type/item=value"; want is the error when it is shorter.
func itemTarget(arg string, value bool, want string) (target, string, error) {
	names, text, found := strings.Cut(arg, "=")
	if value && !found {
		return target{}, "", fmt.Errorf("missing '=' in %q", arg)
	}
	t := parseTarget(strings.TrimSpace(names), 3)
	if t.item == "*" {
		return t, "", errors.New(want)
	}
	return t, strings.TrimSpace(text), nil
}

func (p *postconf) setField(d *mastercf.Document, arg string) error {
	t, value, err := itemTarget(arg, true, "-Fe or -FX requires service_name/type/field_name")
	if err != nil {
		return err
	}
	field := slices.Index(mastercf.FieldNames[:], t.item)
	if field < 0 {
		return fmt.Errorf("invalid service attribute name: %q", t.item)
	}
	return p.each(d, t, arg, func(e *mastercf.Entry) (bool, error) {
		return true, e.SetField(field, value)
	})
}

func (p *postconf) setOptionOf(d *mastercf.Document, arg string) error {
	t, value, err := itemTarget(arg, true, needParameter)
	if err != nil {
		return err
	}
	return p.each(d, t, arg, func(e *mastercf.Entry) (bool, error) {
		e.SetOption(t.item, value)
		return true, nil
	})
}

func (p *postconf) removeOption(d *mastercf.Document, arg string) error {
	t, _, err := itemTarget(arg, false, needParameter)
	if err != nil {
		return err
	}
	return p.each(d, t, arg, func(e *mastercf.Entry) (bool, error) {
		return e.RemoveOption(t.item), nil
	})
}

// each changes all services that a target names.
func (p *postconf) each(d *mastercf.Document, t target, arg string, change func(*mastercf.Entry) (bool, error)) error {
	count, err := d.Select(t.name, t.kind, change)
	if err == nil && count == 0 {
		p.warn("unmatched service_name/type: %q", arg)
	}
	return err
}
