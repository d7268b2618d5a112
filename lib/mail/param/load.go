package param

import (
	"fmt"
	"reflect"
	"strings"
	"time"
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
	return s.load(conf, naming{key: strings.TrimSuffix(to, "_"), from: from, to: to})
}

// LoadTransport is Load for parameters with "<transport>" in their names.
// Tag default.local gives a default that is different for transport local.
func (s *Settings) LoadTransport(conf any, transport string) error {
	return s.load(conf, naming{key: transport, from: "<transport>", to: transport})
}

// A naming says under which names a struct is loaded.
type naming struct {
	key      string // suffix of tags that replace the usual ones: "lmtp"
	from, to string
}

// name returns the name under which a field is read; empty when it is not.
func (n naming) name(tag reflect.StructTag) string {
	name := tag.Get("param")
	if n.key == "" {
		return name
	}
	if special, ok := tag.Lookup("param." + n.key); ok {
		return strings.TrimPrefix(special, "-")
	}
	if !strings.Contains(name, n.from) {
		return name
	}
	return n.replace(name)
}

// replace translates a name, or an expression with names.
func (n naming) replace(text string) string {
	text = strings.ReplaceAll(text, n.from, n.to)
	if n.to == "lmtp_" {
		text = strings.NewReplacer("_helo_", "_lhlo_", "_ehlo_", "_lhlo_").Replace(text)
	}
	return text
}

// fallback returns the default of a field, an expression.
func (n naming) fallback(tag reflect.StructTag) string {
	text := tag.Get("default")
	if n.key == "" {
		return text
	}
	if special, ok := tag.Lookup("default." + n.key); ok {
		return special
	}
	if strings.IndexByte(text, '$') >= 0 {
		text = n.replace(text)
	}
	return text
}

func (s *Settings) load(conf any, n naming) error {
	v := reflect.ValueOf(conf)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("param: Load(%T) needs a pointer to a struct", conf))
	}
	var errs Errors
	s.walk(v.Elem(), n, &errs)
	return errs.orNil()
}

// walk fills the fields of a struct and of the structs embedded in it.
func (s *Settings) walk(v reflect.Value, n naming, errs *Errors) {
	t := v.Type()
	for i := range t.NumField() {
		field := t.Field(i)
		switch {
		case field.Tag != "":
			if name, ok := field.Tag.Lookup("param"); ok && name != "" {
				if err := s.field(v.Field(i), field.Tag, n); err != nil {
					*errs = append(*errs, err)
				}
			}
		case field.Anonymous && field.Type.Kind() == reflect.Struct:
			s.walk(v.Field(i), n, errs)
		}
	}
}

var (
	rawType  = reflect.TypeFor[Raw]()
	timeType = reflect.TypeFor[time.Duration]()
)

// field gives one field its value.
func (s *Settings) field(v reflect.Value, tag reflect.StructTag, n naming) error {
	name, fallback := n.name(tag), n.fallback(tag)
	value, set := s.set[name]
	if old := tag.Get("old"); old != "" && !set {
		name, value, set = s.former(name, n, old)
	}
	if !set {
		value.value = fallback
		if computed, ok, err := s.computed(name); ok {
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			value.value = computed
		}
	}
	var err error
	text := value.value
	if v.Type() != rawType {
		if text, err = s.Evaluate(text); err != nil {
			return value.complain("%s: %w", name, err)
		}
	}
	if err := assign(v, text, tag, fallback); err != nil {
		return value.complain("%s = %s%s: %w", name, cut(text), evaluated(text, value.value), err)
	}
	return nil
}

// former looks for a setting under a name of the past.
func (s *Settings) former(name string, n naming, old string) (string, setting, bool) {
	for former := range strings.FieldsSeq(old) {
		if n.key != "" {
			former = n.replace(former)
		}
		if value, set := s.set[former]; set {
			s.warn(value.place() + former + " is the old name of parameter " + name + "; please use the new name")
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
