package memcache

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"postrider/lib/base/match"
	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/base/table/remote"
	"postrider/lib/base/text"
)

// settings are the parameters of a table.
type settings struct {
	file       string
	endpoint   remote.Endpoint
	backup     string
	flags, ttl int
	keyFormat  string
	domains    *match.List // nil when each key may be asked for
	dataLimit  int
	lineLimit  int
	maxTry     int
	retryPause time.Duration
	timeout    time.Duration
}

// number is a parameter whose value is a number.
type number struct {
	name     string
	fallback int
	least    int
	to       *int
}

// readSettings reads the parameters: lines name = value.
func readSettings(file string) (*settings, *table.Source, error) {
	values := make(map[string]string)
	source, err := table.ReadLines(file, func(line text.Line) error {
		name, value, ok := text.NameValue(line.Text)
		if !ok {
			return table.Mistake("%s, line %d: need name = value", file, line.First)
		}
		values[name] = value
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	s := &settings{file: file}
	if err := s.fill(values); err != nil {
		source.Close()
		return nil, nil, err
	}
	for name := range values {
		msg.Warn("memcache:%s: unknown parameter: %s", file, name)
	}
	return s, source, nil
}

// fill takes what it knows from values, and reports all that is wrong.
func (s *settings) fill(values map[string]string) (errs error) {
	take := func(name, fallback string) string {
		if value, set := values[name]; set {
			delete(values, name)
			return value
		}
		return fallback
	}
	bad := func(format string, args ...any) {
		errs = errors.Join(errs, table.Mistake("memcache:"+s.file+": "+format, args...))
	}
	var err error
	if s.endpoint, err = remote.Parse(take("memcache", "inet:localhost:11211")); err != nil {
		bad("%w", err)
	}
	s.backup, s.keyFormat = take("backup", ""), take("key_format", "%s")
	if err := checkFormat(s.keyFormat); err != nil {
		bad("%w", err)
	}
	if list := take("domain", ""); list != "" {
		if s.domains, err = match.Strings("domain", list); err != nil {
			bad("domain: %w", err)
		}
	}
	pause, timeout := 0, 0
	for _, n := range []number{
		{"flags", 0, 0, &s.flags}, {"ttl", 3600, 0, &s.ttl}, {"data_size_limit", 10240, 1, &s.dataLimit},
		{"line_size_limit", 1024, 1, &s.lineLimit}, {"max_try", 2, 1, &s.maxTry},
		{"retry_pause", 1, 1, &pause}, {"timeout", 2, 1, &timeout},
	} {
		text := take(n.name, strconv.Itoa(n.fallback))
		if *n.to, err = strconv.Atoi(text); err != nil || *n.to < n.least {
			bad("bad value %q of %s: need a number from %d on", text, n.name, n.least)
		}
	}
	s.retryPause, s.timeout = time.Duration(pause)*time.Second, time.Duration(timeout)*time.Second
	return errs
}

// checkFormat says what is wrong with a key format.
func checkFormat(format string) error {
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			continue
		}
		if i++; i == len(format) || !strings.ContainsRune("%sudSUD123456789", rune(format[i])) {
			return fmt.Errorf("bad key_format %q: unknown %% at byte %d", format, i-1)
		}
	}
	return nil
}

// key returns the name that a key has on the server. Ok is false when it has none.
func (s *settings) key(key string) (name string, ok bool, err error) {
	at := strings.LastIndexByte(key, '@')
	local, domain := key, ""
	if at >= 0 {
		local, domain = key[:at], key[at+1:]
	}
	if s.domains != nil {
		if at <= 0 || domain == "" {
			return "", false, nil
		}
		if ours, err := s.domains.Match(domain); err != nil || !ours {
			return "", false, err
		}
	}
	name, ok = s.expand(key, local, domain)
	return name, ok && valid(name), nil
}

func (s *settings) expand(key, local, domain string) (string, bool) {
	labels := strings.Split(domain, ".")
	var b strings.Builder
	for i := 0; i < len(s.keyFormat); i++ {
		c := s.keyFormat[i]
		if c != '%' {
			b.WriteByte(c)
			continue
		}
		part := "%"
		switch i++; s.keyFormat[i] {
		case 's', 'S':
			part = key
		case 'u', 'U':
			part = local
		case 'd', 'D':
			part = domain
		case '%':
		default:
			n := len(labels) - int(s.keyFormat[i]-'0')
			if n < 0 {
				return "", false
			}
			part = labels[n]
		}
		if part == "" {
			return "", false
		}
		b.WriteString(part)
	}
	return b.String(), true
}

// valid says whether the server can have a key with this name.
func valid(name string) bool {
	for i := range len(name) {
		if name[i] <= ' ' || name[i] == 127 {
			return false
		}
	}
	return name != "" && len(name) <= 250
}
