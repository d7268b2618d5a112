package notice

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"postrider/lib/base/macro"
	"postrider/lib/base/msg"
)

// Values are the parameters that texts may name.
type Values struct {
	// Lookup returns the expanded value of a main.cf parameter.
	Lookup func(name string) (value string, known bool)

	// Time returns the value of a parameter that is a time.
	Time func(name string) (time.Duration, bool)
}

// units are the suffixes of time parameters in a text.
var units = map[string]time.Duration{
	"seconds": time.Second,
	"minutes": time.Minute,
	"hours":   time.Hour,
	"days":    24 * time.Hour,
	"weeks":   7 * 24 * time.Hour,
}

// Lines returns the text with its parameters replaced, line by line. When that
// is not possible, the built-in text is used, with a warning.
func (t *Template) Lines(values Values) []string {
	text, err := t.expand(values)
	if err != nil {
		msg.Warn("%s: %s template: %v", t.Origin, t.Name, err)
		standard := Builtin()
		text, _ = standard.find(t.Name + "_template").expand(values)
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

func (t *Template) expand(values Values) (string, error) {
	var unknown []string
	expander := macro.Expander{
		Lookup:  values.lookup,
		Unknown: func(name string) { unknown = append(unknown, name) },
	}
	text, err := expander.Expand(t.Text)
	if err == nil && unknown != nil {
		err = fmt.Errorf("undefined parameter: $%s", unknown[0])
	}
	return text, err
}

// lookup knows name_unit besides the parameters themselves:
// delay_warning_time_hours.
func (v Values) lookup(name string) (string, bool) {
	if i := strings.LastIndexByte(name, '_'); i > 0 && v.Time != nil {
		if unit, ok := units[name[i+1:]]; ok {
			switch name[:i] {
			case "delay_warning_time", "maximal_queue_lifetime":
				value, known := v.Time(name[:i])
				return strconv.FormatInt(int64(value/unit), 10), known
			}
		}
	}
	return v.Lookup(name)
}
