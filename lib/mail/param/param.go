// Package param reads main.cf, and fills the parameter structs of programs
// with what it says.
//
// A program declares its parameters as the fields of a struct. The type of a
// field is the type of the parameter; tags give its name, default and bounds:
//
//	// The time that the server waits before it answers ...
//	ErrorSleepTime time.Duration `param:"smtpd_error_sleep_time" default:"1s" min:"0"`
//
// Tag old lists names of the past that are still accepted. Embedded structs are
// families of parameters that several programs share. Source: postconf(5).
package param

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"postrider/lib/base/macro"
)

const (
	// Version is the default of mail_version.
	Version = "3.11.0-postrider1"

	// ReleaseDate is the default of mail_release_date.
	ReleaseDate = "20260601"

	// DefaultDir is where main.cf and master.cf are.
	DefaultDir = "/etc/postfix"
)

// Raw is the type of parameters whose expressions the program expands itself,
// each time that it uses them.
type Raw string

// A setting is a value with the place that it comes from.
type setting struct {
	value string
	file  string // empty: not from a file
	line  int
}

// Settings are the contents of main.cf with the overrides of the command line.
// They are safe for use by several goroutines once Override is no longer called.
type Settings struct {
	dir string
	set map[string]setting

	mu       sync.Mutex
	warnings []string
	networks func() (string, error) // computed default of mynetworks, once
}

// Dir returns the configuration folder: $MAIL_CONFIG, or /etc/postfix.
func Dir() string {
	if dir := os.Getenv("MAIL_CONFIG"); dir != "" {
		return dir
	}
	return DefaultDir
}

// New returns settings without any value, for tests and for tools that print
// defaults.
func New(dir string) *Settings {
	s := &Settings{dir: dir, set: make(map[string]setting)}
	s.networks = sync.OnceValues(s.myNetworks)
	return s
}

// Override sets a value that main.cf cannot change (option -o).
func (s *Settings) Override(name, value string) {
	s.set[name] = setting{value: value}
}

// OverrideText is Override with the text of an option: "name=value" or
// "name = value".
func (s *Settings) OverrideText(text string) error {
	name, value, err := splitSetting(text)
	if err != nil {
		return err
	}
	s.Override(name, value)
	return nil
}

// Get returns the text of a setting as it stands in main.cf.
func (s *Settings) Get(name string) (raw string, set bool) {
	value, set := s.set[name]
	return value.value, set
}

// Names returns the names of all settings, sorted.
func (s *Settings) Names() []string {
	names := make([]string, 0, len(s.set))
	for name := range s.set {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Prefixed returns the expanded values of the parameters that main.cf sets and
// whose names begin with prefix, by the rest of their names.
func (s *Settings) Prefixed(prefix string) map[string]string {
	values := make(map[string]string)
	for name := range s.set {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			values[rest] = s.Value(name)
		}
	}
	return values
}

// Value returns the expanded value of a parameter; the default when it is not
// set. A value with an error in it gives a warning.
func (s *Settings) Value(name string) string {
	raw, _, _ := s.raw(name)
	return s.Expand(raw)
}

// Expand replaces the expressions in text by values. An error in them gives a
// warning.
func (s *Settings) Expand(text string) string {
	value, err := s.Evaluate(text)
	if err != nil {
		s.warn(err.Error())
	}
	return value
}

// Evaluate is Expand for callers that report errors themselves.
func (s *Settings) Evaluate(text string) (string, error) {
	if strings.IndexByte(text, '$') < 0 {
		return text, nil
	}
	var failed error
	expander := macro.Expander{Nested: true, Call: call}
	expander.Lookup = func(name string) (string, bool) {
		value, known, err := s.raw(name)
		if err != nil {
			failed = err
		}
		return value, known
	}
	value, err := expander.Expand(text)
	return value, errors.Join(err, failed)
}

// raw returns the text of a parameter before expansion.
func (s *Settings) raw(name string) (value string, known bool, err error) {
	if value, set := s.set[name]; set {
		return value.value, true, nil
	}
	if value, ok, err := s.computed(name); ok {
		return value, true, err
	}
	builtin := Lookup(name)
	if builtin == nil {
		return "", false, nil
	}
	for old := range strings.FieldsSeq(builtin.Old) {
		if value, set := s.set[old]; set {
			return value.value, true, nil
		}
	}
	return builtin.Default, true, nil
}

// OldNames returns a warning for each setting under a name of the past. Master
// says this when it starts, so that programs that start all the time need not.
func (s *Settings) OldNames() []string {
	var warnings []string
	for i := range builtins {
		for old := range strings.FieldsSeq(builtins[i].Old) {
			if value, set := s.set[old]; set {
				warnings = append(warnings, fmt.Sprintf("%s%s is the old name of parameter %s; please use the new name",
					value.place(), old, builtins[i].Name))
			}
		}
	}
	return warnings
}

// Warnings returns what was strange but no error, such as duplicate settings.
// Each is said once.
func (s *Settings) Warnings() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.warnings)
}

func (s *Settings) warn(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.warnings, text) {
		s.warnings = append(s.warnings, text)
	}
}
