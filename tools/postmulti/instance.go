package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"

	"postrider/lib/base/jsonline"
	"postrider/lib/base/msg"
	"postrider/lib/base/text"
	"postrider/lib/mail/param"
)

// An instance is a mail system with its own main.cf.
type instance struct {
	parameters
	dir      string // with main.cf
	primary  bool
	settings *param.Settings
}

// readInstances reads main.cf of all instances, the primary one first.
func readInstances() []*instance {
	first, err := readInstance(param.DefaultDir)
	if err != nil {
		msg.Fatal("%v", err)
	}
	first.primary = true
	list := []*instance{first}
	others := text.Split(first.settings.Value("multi_instance_directories"))
	if len(others) == 0 && text.Trim(first.settings.Value("multi_instance_wrapper")) == "" {
		first.MultiInstanceEnable = true // nobody manages it
	}
	for _, dir := range others {
		i, err := readInstance(dir)
		if err != nil {
			msg.Fatal("%v", err)
		}
		list = append(list, i)
	}
	for n, i := range list {
		for _, other := range list[:n] {
			i.compare(other)
		}
	}
	return list
}

func readInstance(dir string) (*instance, error) {
	settings, err := param.Read(dir)
	if err != nil {
		return nil, err
	}
	i := &instance{dir: dir, settings: settings}
	return i, settings.Load(&i.parameters)
}

// compare ends the program when two instances get into each other's way.
func (i *instance) compare(other *instance) {
	for _, p := range []struct{ name, mine, theirs string }{
		{"multi_instance_name", i.MultiInstanceName, other.MultiInstanceName},
		{"queue_directory", i.QueueDirectory, other.QueueDirectory},
		{"data_directory", i.DataDirectory, other.DataDirectory},
	} {
		if p.mine == p.theirs && p.mine != "" {
			msg.Fatal("instance %s, %s=%s conflicts with instance %s, %s=%s", i.dir, p.name, p.mine, other.dir, p.name, p.theirs)
		}
	}
}

// is reports whether the instance is meant by a name of option -i.
func (i *instance) is(name string) bool {
	if name == "-" {
		return i.primary
	}
	return name == i.dir || name != "" && name == i.MultiInstanceName
}

// selected are the instances that the options choose, in their order.
func (r *request) selected(all []*instance) []*instance {
	var list []*instance
	for _, i := range all {
		if (r.instance == "" || i.is(r.instance)) && (r.group == "" || i.MultiInstanceGroup == r.group) {
			list = append(list, i)
		}
	}
	if r.reverse {
		slices.Reverse(list)
	}
	return list
}

// list prints instances in columns, or as objects.
func (r *request) list(instances []*instance) int {
	for _, i := range instances {
		if _, err := fmt.Print(i.line(r.json)); err != nil {
			msg.Fatal("write to standard output: %v", err)
		}
	}
	return 0
}

// line is the instance in a list.
func (i *instance) line(json bool) string {
	name, group, enabled := cmp.Or(i.MultiInstanceName, "-"), cmp.Or(i.MultiInstanceGroup, "-"), "n"
	if i.MultiInstanceEnable {
		enabled = "y"
	}
	if json { // with the blanks of Postfix
		return fmt.Sprintf(`{"name": %s,"group": %s,"enabled": %s,"config_directory": %s}`+"\n",
			jsonline.Quote(name), jsonline.Quote(group), jsonline.Quote(enabled), jsonline.Quote(i.dir))
	}
	return fmt.Sprintf("%-15s %-15s %-9s %s\n", name, group, enabled, i.dir)
}

// environment names the instance to a command.
func (i *instance) environment() []string {
	enable := "no"
	if i.MultiInstanceEnable {
		enable = "yes"
	}
	return append(os.Environ(),
		"MAIL_CONFIG="+i.dir, "config_directory="+i.dir,
		"command_directory="+i.CommandDirectory, "daemon_directory="+i.DaemonDirectory,
		"queue_directory="+i.QueueDirectory, "data_directory="+i.DataDirectory,
		"multi_instance_name="+i.MultiInstanceName, "multi_instance_group="+i.MultiInstanceGroup,
		"multi_instance_enable="+enable)
}

// title is how messages name the instance.
func (i *instance) title() string { return strings.TrimSpace(i.MultiInstanceName + " " + i.dir) }
