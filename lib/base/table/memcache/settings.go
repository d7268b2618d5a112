package memcache

import (
	"strings"
	"time"

	"postrider/lib/base/match"
	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/base/table/remote"
	parameters "postrider/lib/base/table/settings"
	"postrider/lib/base/table/template"
)

// settings are the parameters of a table.
type settings struct {
	table      string // "memcache:name"
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

// readSettings reads the parameters of the table.
func readSettings(name string) (*settings, *table.Source, error) {
	from, source, err := parameters.Read("memcache", name)
	if err != nil {
		return nil, nil, err
	}
	s := &settings{table: from.Table}
	s.fill(from)
	unknown, err := from.Finish()
	if err != nil {
		source.Close()
		return nil, nil, err
	}
	for _, name := range unknown {
		msg.Warn("%s: unknown parameter: %s", s.table, name)
	}
	return s, source, nil
}

// fill takes what it knows.
func (s *settings) fill(from *parameters.Settings) {
	var err error
	if s.endpoint, err = remote.Parse(from.Text("memcache", "inet:localhost:11211")); err != nil {
		from.Bad("%w", err)
	}
	s.backup, s.keyFormat = from.Text("backup", ""), from.Text("key_format", "%s")
	if err := template.Check("key_format", s.keyFormat); err != nil {
		from.Bad("%w", err)
	}
	if list := from.Text("domain", ""); list != "" {
		if s.domains, err = match.Strings("domain", list); err != nil {
			from.Bad("domain: %w", err)
		}
	}
	s.flags, s.ttl = from.Number("flags", 0, 0), from.Number("ttl", 3600, 0)
	s.dataLimit, s.lineLimit = from.Number("data_size_limit", 10240, 1), from.Number("line_size_limit", 1024, 1)
	s.maxTry = from.Number("max_try", 2, 1)
	s.retryPause = time.Duration(from.Number("retry_pause", 1, 1)) * time.Second
	s.timeout = time.Duration(from.Number("timeout", 2, 1)) * time.Second
}

// key returns the name that a key has on the server. Ok is false when it has none.
func (s *settings) key(key string) (name string, ok bool, err error) {
	at := strings.LastIndexByte(key, '@')
	if s.domains != nil {
		if at <= 0 || at == len(key)-1 {
			return "", false, nil
		}
		if ours, err := s.domains.Match(key[at+1:]); err != nil || !ours {
			return "", false, err
		}
	}
	name, ok = template.Expand(s.keyFormat, key, key, template.Raw)
	return name, ok && valid(name), nil
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
