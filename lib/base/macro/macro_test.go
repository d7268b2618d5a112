package macro

import (
	"strings"
	"testing"
)

var values = map[string]string{
	"a": "1", "empty": "", "b": "$a$a", "c": "<$b>", "ten": "10", "nine": "9", "level": "3.6",
	"loop": "x$pool", "pool": "$loop", "blank": "$empty", "odd": "a;b|c",
	"l0": "$l1$l1", "l1": "$l2$l2", "l2": "$l3$l3", "l3": "$l4$l4", "l4": "$l5$l5", "l5": "$l6$l6$l6$l6",
	"l6": "$l7$l7$l7$l7", "l7": "$l8$l8$l8$l8$l8", "l8": "$l9$l9$l9$l9$l9$l9$l9", "l9": "$e1$e1$e1$e1", "e1": "$empty$empty$empty",
}

func lookup(name string) (string, bool) {
	value, known := values[name]
	return value, known
}

// $name expressions. S4.1.
func TestExpand(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""}, {"plain", "plain"}, {"$a", "1"}, {"${a}", "1"}, {"$(a)", "1"}, {"x${a}y", "x1y"}, {"$a.$a", "1.1"},
		{"$$a", "$a"}, {"$b", "11"}, {"$c$c", "<11><11>"}, {"$none!", "!"}, {"${none}", ""},
		{"${a?yes}", "yes"}, {"${empty?yes}", ""}, {"${a:no}", ""}, {"${empty:no}", "no"}, {"${none:no}", "no"},
		{"${blank:no}", "no"}, {"${a?$b}", "11"}, {"${a?{yes}:{no}}", "yes"}, {"${empty?{yes}:{no}}", "no"},
		{"${empty ? { yes } : { no }}", " no "}, {"${{ a } == {a} ? {y} : {n}}", "n"}, {"${a?{yes}}", "yes"}, {"${empty?{yes}}", ""}, {"${empty?{yes}:no}", "no"},
		{"${a? x }", " x "}, {"${empty: $a }", " 1 "}, {"${a?{${empty?{1}:{2}}}:{3}}s", "2s"},
		{"${{$a} == {1} ? {y} : {n}}", "y"}, {"${{$ten} > {$nine}?{y}:{n}}", "y"}, {"${{x10} > {x9}?{y}:{n}}", "n"},
		{"${{a}!={b}}", "true"}, {"${{a}=={b}}", ""}, {"${{a} < {b}:{n}}", ""}, {"${{b} <= {a}:{n}}", "n"}, {"${{2} >= {1}?{y}}", "y"},
		{"${{$level} <level {3.11} ? {old} : {new}}", "old"}, {"${{3.11} >=level {3.6} ? {y} : {n}}", "y"},
		{"${{3} ==level {3.0.0} ? {y} : {n}}", "y"}, {"${{$a} <level {1} ? {} : {permit, b}}", "permit, b"},
		{"${upper{x$a}}", "UPPER x1"}, {"$(a?{x}:{y})", "x"},
	}
	e := Expander{Lookup: lookup, Nested: true, Call: func(f, text string) (string, error) {
		return strings.ToUpper(f) + " " + text, nil
	}}
	for _, test := range tests {
		if got, err := e.Expand(test.in); err != nil || got != test.want {
			t.Errorf("%s: %q, %v; want %q", test.in, got, err, test.want)
		}
	}
}

func TestErrors(t *testing.T) {
	tests := []struct{ in, want string }{
		{"$", "write $$"}, {"a $ b", "no name after"}, {"${a", "truncated"}, {"$(a}", "truncated"}, {"${}", "no name"},
		{"${a b}", "neither"}, {"${a?{x}{y}}", "\":\" is wanted"}, {"${a?{x", "truncated"}, {"${empty?{x}:{y}z}", "after the last"}, {"${a?{x}:{y}z}", "after the last"},
		{"${{a} == b}", "want {left}"}, {"${{a} ~ {b}}", "unknown operator"}, {"${{x} <level {1}}", "bad compatibility level"},
		{"${{1} <level {1.2.3.4}}", "bad compatibility level"}, {"${{a}=={a} x}", "neither"},
		{"$loop", "loop -> pool -> loop"}, {"$l0", "without bound"},
		{strings.Repeat("${a?{", 200) + strings.Repeat("}}", 200), "nested more than"},
	}
	for _, test := range tests {
		if got, err := Expand(test.in, lookup); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.40s: %q, error %v, want %q", test.in, got, err, test.want)
		}
	}
}

// Values from strangers cannot bring characters into a command that are not
// allowed; nor can they bring expressions.
func TestFilter(t *testing.T) {
	e := Expander{Lookup: lookup, Filter: "abc"}
	if got, err := e.Expand("x; $odd $b ${odd?{y;}}"); err != nil || got != "x; a_b_c _a_a y;" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestUnknown(t *testing.T) {
	var names []string
	e := Expander{Lookup: lookup, Unknown: func(name string) { names = append(names, name) }}
	e.Expand("$a $x ${y?z} ${y:$w}")
	if got := strings.Join(names, " "); got != "x w" {
		t.Errorf("unknown: %q", got)
	}
}

func FuzzExpand(f *testing.F) {
	f.Add("${a?{${empty?{1}:{2}}}:{3}}s $b")
	f.Add("${{$level} <level {3.11} ? {old} : {new}}")
	f.Fuzz(func(t *testing.T, text string) { Expand(text, lookup) })
}

func TestNames(t *testing.T) {
	got := strings.Join(Names("$a ${b} $(c) $$d ${e?{$f}:{${g}}} ${{$h} == {i} ? {$j}} ${up{$k}} $a ${ l } $"), " ")
	if got != "a b c e f g h j k l" {
		t.Errorf("names: %s", got)
	}
}
