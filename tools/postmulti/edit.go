package main

import (
	"path/filepath"
	"slices"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/text"
)

// actions are the arguments of -e. All but init, create and import are for the
// instance that -i names.
var actions = map[string]func(r *request, all []*instance){
	"init":    initialize,
	"create":  create,
	"import":  create,
	"destroy": func(r *request, all []*instance) { r.remove(all, true) },
	"deport":  func(r *request, all []*instance) { r.remove(all, false) },
	"enable":  func(r *request, all []*instance) { r.one(all).postconf("-e", "multi_instance_enable = yes") },
	"disable": func(r *request, all []*instance) { r.one(all).postconf("-e", "multi_instance_enable = no") },
	"assign":  assign,
}

func (r *request) edit(all []*instance) { actions[r.action](r, all) }

// initialize makes postfix(1) call this command.
func initialize(_ *request, all []*instance) {
	all[0].postconf("-e", "multi_instance_wrapper = ${command_directory}/postmulti -p --", "multi_instance_enable = yes")
}

// one is the instance that is meant.
func (r *request) one(all []*instance) *instance {
	if r.instance == "" {
		msg.Fatal("Select an instance via '-i name'")
	}
	for _, i := range all {
		if i.is(r.instance) {
			return i
		}
	}
	msg.Fatal("No instance named %s", r.instance)
	return nil
}

func assign(r *request, all []*instance) {
	i := r.one(all)
	changed := *i
	r.rename(&changed)
	for _, other := range all {
		if other != i {
			changed.compare(other)
		}
	}
	i.postconf(append([]string{"-e"}, r.names(&changed)...)...)
}

// rename gives the instance what -I and -G say.
func (r *request) rename(i *instance) {
	for _, n := range []struct {
		word string
		into *string
	}{{r.newName, &i.MultiInstanceName}, {r.newGroup, &i.MultiInstanceGroup}} {
		switch n.word {
		case "":
		case "-":
			*n.into = ""
		default:
			*n.into = n.word
		}
	}
}

// names are the settings for what -I and -G change.
func (r *request) names(i *instance) (settings []string) {
	if r.newName != "" {
		settings = append(settings, "multi_instance_name = "+i.MultiInstanceName)
	}
	if r.newGroup != "" {
		settings = append(settings, "multi_instance_group = "+i.MultiInstanceGroup)
	}
	return settings
}

// setList writes the directories of all secondary instances.
func setList(primary *instance, dirs []string) {
	primary.postconf("-e", "multi_instance_directories = "+strings.Join(dirs, " "))
}

// remove takes an instance from the list, and destroys it when that is wanted.
func (r *request) remove(all []*instance, destroy bool) {
	i := r.one(all)
	switch {
	case i.primary:
		msg.Fatal("Cannot remove the primary instance")
	case i.MultiInstanceEnable:
		msg.Fatal("Cannot remove enabled instances")
	}
	if destroy {
		i.mayGo()
	}
	setList(all[0], without(all[0], "multi_instance_directories", i.dir))
	if dirs := without(all[0], "alternate_config_directories", i.dir); destroy && dirs != nil {
		all[0].postconf("-e", "alternate_config_directories = "+strings.Join(dirs, " "))
	}
	if destroy {
		i.clear()
	}
}

// without is a list of the primary instance without one directory; nil when
// it is not on the list.
func without(primary *instance, name, dir string) []string {
	list := text.Split(primary.settings.Value(name))
	kept := slices.DeleteFunc(slices.Clone(list), func(d string) bool { return filepath.Clean(d) == filepath.Clean(dir) })
	if len(kept) == len(list) {
		return nil
	}
	return append([]string{}, kept...)
}
