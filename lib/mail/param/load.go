package param

import (
	"fmt"
	"reflect"
	"strings"
)

// Load fills the struct that conf points to. All bad values are reported at
// once, as Errors, each with file and line.
func (s *Settings) Load(conf any) error {
	return s.load(conf, naming{})
}

// LoadPrefixed is Load for a family of parameters that exists under two
// prefixes: fields with names that begin with from are read under names that
// begin with to, so that lmtp_* parameters need no declarations of their own.
// In such names, and in defaults, helo and ehlo become lhlo when to is "lmtp_".
// Tag default.lmtp gives a default that is different, tag param.lmtp a name
// that is; "-" there says that there is no such parameter: the field gets its
// default.
func (s *Settings) LoadPrefixed(conf any, from, to string) error {
	return s.load(conf, newNaming(strings.TrimSuffix(to, "_"), from, to))
}

// LoadTransport is Load for parameters with "<transport>" in their names.
// Tag default.local gives a default that is different for transport local.
func (s *Settings) LoadTransport(conf any, transport string) error {
	return s.load(conf, newNaming(transport, "<transport>", transport))
}

func (s *Settings) load(conf any, n naming) error {
	v := reflect.ValueOf(conf)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("param: Load(%T) needs a pointer to a struct", conf))
	}
	var errs Errors
	s.walk(v.Elem(), &n, &errs)
	return errs.orNil()
}

// walk fills the fields of a struct and of the structs in it.
func (s *Settings) walk(v reflect.Value, n *naming, errs *Errors) {
	t := v.Type()
	for i := range t.NumField() {
		field := t.Field(i)
		switch {
		case field.Tag != "":
			if t := n.parse(string(field.Tag)); t.declared {
				if err := s.field(v.Field(i), t, n); err != nil {
					*errs = append(*errs, err)
				}
			}
		case (field.Anonymous || field.IsExported()) && field.Type.Kind() == reflect.Struct:
			s.walk(v.Field(i), n, errs)
		}
	}
}

// field gives one field its value.
func (s *Settings) field(v reflect.Value, t tag, n *naming) error {
	name := t.name
	value, set := s.set[name]
	if t.former != "" && !set {
		name, value, set = s.former(name, n, t.former)
	}
	if !set {
		value.value = t.fallback
		if computed, ok, err := s.computed(name); ok {
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			value.value = computed
		}
	}
	var err error
	text := value.value
	if v.Type() != reflect.TypeFor[Raw]() {
		if text, err = s.Evaluate(text); err != nil {
			return value.complain("%s: %w", name, err)
		}
	}
	if err := assign(v, text, t); err != nil {
		return value.complain("%s = %s%s: %w", name, cut(text), evaluated(text, value.value), err)
	}
	return nil
}

// former looks for a setting under a name of the past.
func (s *Settings) former(name string, n *naming, old string) (string, setting, bool) {
	for former := range strings.FieldsSeq(old) {
		if n.key != "" {
			if !strings.Contains(former, n.from) {
				continue // belongs to the parameter under its usual name
			}
			former = n.replace(former)
		}
		if value, set := s.set[former]; set {
			return former, value, true
		}
	}
	return name, setting{}, false
}

// place says where a setting comes from, as the begin of a message.
func (v setting) place() string {
	if v.file == "" {
		return ""
	}
	return fmt.Sprintf("%s, line %d: ", v.file, v.line)
}

func (v setting) complain(format string, args ...any) error {
	return fmt.Errorf("%s"+format, append([]any{v.place()}, args...)...)
}

// evaluated shows the expression that a bad value comes from.
func evaluated(text, raw string) string {
	if text == raw {
		return ""
	}
	return " (from " + cut(raw) + ")"
}

func cut(text string) string {
	if len(text) > 200 {
		return text[:200] + "..."
	}
	return text
}
