package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"postrider/lib/base/file"
	"postrider/lib/base/msg"
	"postrider/lib/base/text"
)

// create makes an instance, or takes one that is there, and puts it on the list.
func create(r *request, all []*instance) {
	primary := all[0]
	i := r.place(primary)
	for _, other := range all {
		if other.dir == i.dir {
			msg.Fatal("new config_directory=%s is already in use by instance %s, config_directory=%s", i.dir, other.dir, other.dir)
		}
	}
	exists := present(i.dir+"/main.cf") && present(i.dir+"/master.cf")
	if exists || r.action == "import" {
		i = r.imported(i.dir)
	}
	r.rename(i)
	for _, other := range all {
		i.compare(other)
	}
	if text.Trim(primary.settings.Value("multi_instance_wrapper")) == "" {
		msg.Fatal("multi_instance_wrapper is empty, run 'postmulti -e init' first.")
	}
	if exists || r.action == "import" {
		if names := r.names(i); len(names) > 0 {
			i.postconf(append([]string{"-e"}, names...)...)
		}
	} else {
		i.write(primary)
	}
	setList(primary, r.insert(all, i.dir))
	i.check()
}

// check lets postfix(1) make what is missing in the queue.
func (i *instance) check() {
	cmd := exec.Command(filepath.Join(i.CommandDirectory, "postfix"), "check")
	cmd.Env = i.environment()
	if out, err := cmd.CombinedOutput(); err != nil {
		os.Stderr.Write(out)
		msg.Warn("%s: \"postfix check\" has failed", i.title())
	}
}

func present(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// place is a new instance with its directories: those that were given, or those
// of the primary one with the new name in place of their last part.
func (r *request) place(primary *instance) *instance {
	i := &instance{}
	i.CommandDirectory, i.DaemonDirectory = primary.CommandDirectory, primary.DaemonDirectory
	for _, p := range []struct {
		name string
		of   string
		into *string
	}{
		{"config_directory", primary.dir, &i.dir},
		{"queue_directory", primary.QueueDirectory, &i.QueueDirectory},
		{"data_directory", primary.DataDirectory, &i.DataDirectory},
	} {
		switch {
		case r.paths[p.name] != "":
			*p.into = r.paths[p.name]
		case r.newName != "" && r.newName != "-":
			*p.into = filepath.Join(filepath.Dir(p.of), r.newName)
		case p.name == "config_directory" || r.action == "create" && !present(i.dir+"/main.cf"):
			msg.Fatal("Missing %s parameter value", p.name)
		}
	}
	return i
}

// imported is an instance that is there.
func (r *request) imported(dir string) *instance {
	i, err := readInstance(dir)
	if err != nil {
		msg.Fatal("%v", err)
	}
	if i.MultiInstanceEnable {
		msg.Warn("%s is enabled already", i.title())
	}
	return i
}

// shared are the parameters that an instance has in common with the primary
// one when that does not use the defaults.
var shared = []string{
	"command_directory", "daemon_directory", "mail_owner", "setgid_group", "sendmail_path", "mailq_path",
	"newaliases_path", "manpage_directory", "html_directory", "readme_directory", "sample_directory",
	"meta_directory", "shlib_directory", "maillog_file_prefixes",
}

// write makes the configuration of a new instance, which takes no mail yet.
func (i *instance) write(primary *instance) {
	if err := os.MkdirAll(i.dir, 0o755); err != nil {
		msg.Fatal("%v", err)
	}
	for _, name := range []string{"main.cf", "master.cf"} {
		content, err := os.ReadFile(filepath.Join(primary.DaemonDirectory, name))
		if err == nil {
			err = file.Replace(filepath.Join(i.dir, name), 0o644, func(w io.Writer) error {
				_, err := w.Write(content)
				return err
			})
		}
		if err != nil {
			msg.Fatal("%v", err)
		}
	}
	i.makeDirectories(primary)
	settings := []string{"-e",
		"queue_directory = " + i.QueueDirectory, "data_directory = " + i.DataDirectory,
		"authorized_submit_users =", "master_service_disable = inet"}
	if i.MultiInstanceName != "" {
		settings = append(settings, "multi_instance_name = "+i.MultiInstanceName)
	}
	if i.MultiInstanceGroup != "" {
		settings = append(settings, "multi_instance_group = "+i.MultiInstanceGroup)
	}
	for _, name := range shared {
		if value, set := primary.settings.Get(name); set {
			settings = append(settings, name+" = "+value)
		}
	}
	i.postconf(settings...)
}

// makeDirectories makes queue and data directory, if they are not there.
func (i *instance) makeDirectories(primary *instance) {
	uid, gid, err := primary.Owner()
	for _, dir := range []string{i.QueueDirectory, i.DataDirectory} {
		if err != nil || present(dir) {
			continue
		}
		if err = os.MkdirAll(dir, 0o755); err == nil && dir == i.DataDirectory {
			if err = os.Chown(dir, uid, gid); err == nil {
				err = os.Chmod(dir, 0o700)
			}
		}
	}
	if err != nil {
		msg.Fatal("%v", err)
	}
}

// insert is the list of secondary instances with a new one at the place that
// -a, -g or -i say, or at the end.
func (r *request) insert(all []*instance, dir string) []string {
	var dirs []string
	at := -1
	for n, i := range all[1:] {
		dirs = append(dirs, i.dir)
		if at < 0 && (r.all || r.group != "" && i.MultiInstanceGroup == r.group || r.instance != "" && i.is(r.instance)) {
			at = n
		}
	}
	if at < 0 {
		if r.group != "" || r.instance != "" {
			msg.Warn("no secondary instance matches; the new one becomes the last")
		}
		return append(dirs, dir)
	}
	return slices.Insert(dirs, at, dir)
}
