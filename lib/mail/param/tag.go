package param

import (
	"strconv"
	"strings"
)

// A tag is what the tags of a field say. It is taken apart in one pass, since
// reflect.StructTag.Lookup for each key is most of the cost of a load.
type tag struct {
	name, fallback   string // for the naming at hand; name may be empty
	unit             byte   // of a time without unit
	min, max, former string
	declared         bool // there is a param tag
}

// parse reads the tags of a field: key:"value" key:"value".
func (n *naming) parse(text string) tag {
	t := tag{unit: 's'}
	var special, specialName bool
	for {
		text = strings.TrimLeft(text, " ")
		colon := strings.IndexByte(text, ':')
		if colon < 0 || colon+1 >= len(text) || text[colon+1] != '"' {
			break
		}
		key := text[:colon]
		var value string
		value, text = quoted(text[colon+1:])
		switch key {
		case "param":
			t.declared = true
			if !specialName {
				t.name = n.replace(value)
			}
		case "default":
			t.unit = unitOf(value)
			if !special {
				t.fallback = value
				if n.key != "" && strings.IndexByte(value, '$') >= 0 {
					t.fallback = n.replace(value)
				}
			}
		case "min":
			t.min = value
		case "max":
			t.max = value
		case "old":
			t.former = value
		default:
			switch {
			case n.key == "":
			case key == n.defaultKey:
				t.fallback, special = value, true
			case key == n.paramKey:
				t.name, specialName = strings.TrimPrefix(value, "-"), true
			}
		}
	}
	return t
}

// quoted splits a quoted string from the text after it.
func quoted(text string) (value, rest string) {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			return text[1:i], text[i+1:]
		case '\\':
			prefix, err := strconv.QuotedPrefix(text)
			if err != nil {
				panic("param: bad tag " + text)
			}
			value, _ = strconv.Unquote(prefix)
			return value, text[len(prefix):]
		}
	}
	panic("param: bad tag " + text)
}

// A naming says under which names a struct is loaded.
type naming struct {
	key        string // suffix of tags that replace the usual ones: "lmtp"
	from, to   string
	defaultKey string // "default." + key
	paramKey   string // "param." + key
}

func newNaming(key, from, to string) naming {
	return naming{key, from, to, "default." + key, "param." + key}
}

// replace translates a name, or an expression with names.
func (n *naming) replace(text string) string {
	if n.key == "" || !strings.Contains(text, n.from) {
		return text
	}
	text = strings.ReplaceAll(text, n.from, n.to)
	if n.to == "lmtp_" {
		text = strings.NewReplacer("_helo_", "_lhlo_", "_ehlo_", "_lhlo_").Replace(text)
	}
	return text
}
