package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/option"
)

// A request is what the command line asks for.
type request struct {
	mode     byte // 'l', 'p', 'x' or 'e'
	action   string
	all      bool
	reverse  bool
	json     bool
	instance string // -i
	group    string // -g
	newName  string // -I; "-" for none
	newGroup string // -G
	verbose  int
	words    []string
	paths    map[string]string // of name=value
}

const usage = "Usage:postmulti -l [-v] [-a] [-j] [-g group] [-i instance] | postmulti -p [-v] [-a] [-g group] [-i instance] command... |" +
	" postmulti -x [-v] [-a] [-i name] [-g group] command... |" +
	" postmulti -e action [-v] [-a] [-i name] [-g group] [-I name] [-G group] [param=value ...]"

func readOptions(args []string) *request {
	list, words, err := option.Parse(args, "ae:g:i:jG:I:lpRvx")
	if err != nil {
		fmt.Fprintln(os.Stderr, "postmulti: "+err.Error())
		msg.Fatal(usage)
	}
	r := &request{words: words, paths: map[string]string{}}
	modes, selections := 0, 0
	for _, o := range list {
		switch o.Letter {
		case 'a':
			r.all = true
			selections++
		case 'g':
			r.group = o.Value
			selections++
		case 'i':
			r.instance = o.Value
			selections++
		case 'j':
			r.json = true
		case 'G':
			r.newGroup = o.Value
		case 'I':
			r.newName = o.Value
			if o.Value != "-" && !strings.HasPrefix(o.Value, "postfix-") {
				msg.Fatal("New instance name must start with 'postfix-'")
			}
		case 'R':
			r.reverse = true
		case 'v':
			r.verbose++
			msg.Verbose++
		default:
			r.mode, r.action = o.Letter, o.Value
			modes++
		}
	}
	if modes != 1 {
		msg.Fatal("Specify exactly one of '-e', '-l', '-p', '-x'")
	}
	if r.mode == 'e' && actions[r.action] == nil {
		msg.Fatal("Invalid '-e' edit action '%s'. Specify 'create', 'destroy', 'import', 'deport', 'enable', 'disable', 'assign' or 'init'", r.action)
	}
	if selections > 1 {
		msg.Fatal("Specify no more than one of '-a', '-g', '-i'")
	}
	r.check()
	return r
}

// named are the actions that give an instance a name or a group.
var named = []string{"assign", "create", "import"}

// check looks for options that do not belong to the mode.
func (r *request) check() {
	rename := r.newName != "" || r.newGroup != ""
	switch {
	case r.reverse && (r.mode == 'p' || r.mode == 'e'):
		msg.Fatal("The '-p' and '-e' options preclude the use of '-R'")
	case r.mode == 'l' && len(r.words) > 0:
		msg.Fatal("Command not allowed with '-l'")
	case (r.mode == 'p' || r.mode == 'x') && len(r.words) == 0:
		msg.Fatal("Command required with '-p' or '-x' option")
	case rename && r.mode != 'e':
		msg.Fatal("Cannot assign instance name or group without '-e assign'")
	case rename && !slices.Contains(named, r.action):
		msg.Fatal("Cannot assign instance name or group with '-e %s'", r.action)
	case r.action == "assign" && !rename:
		msg.Fatal("Specify new instance name or group with '-e assign'")
	case r.json && r.mode != 'l':
		msg.Fatal("JSON output available only with '-l'")
	case r.mode == 'e':
		r.settings()
	}
}

// placed are the parameters that may be given for a new instance.
var placed = map[string][]string{
	"create": {"config_directory", "queue_directory", "data_directory"},
	"import": {"config_directory"},
}

// settings takes the words name=value apart.
func (r *request) settings() {
	if len(r.words) > 0 && placed[r.action] == nil {
		msg.Fatal("Parameter overrides not valid with '-e %s'", r.action)
	}
	for _, word := range r.words {
		name, value, ok := strings.Cut(word, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case !ok || name == "":
			msg.Fatal("Malformed parameter setting '%s'", word)
		case !slices.Contains(placed[r.action], name):
			msg.Fatal("Parameter '%s' not valid with action %s", name, r.action)
		case !strings.HasPrefix(value, "/"):
			msg.Fatal("Parameter setting '%s' is not an absolute path", name)
		}
		r.paths[name] = strings.TrimRight(value, "/")
	}
	if slices.Contains(slices.Collect(maps.Values(r.paths)), "") {
		msg.Fatal("The root directory is no place for an instance")
	}
}
