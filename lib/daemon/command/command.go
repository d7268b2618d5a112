// Package command is what the commands of an administrator or a user have in
// common: the configuration they read, where their messages go, and what a
// setgid command must not believe.
package command

import (
	"os"
	"path/filepath"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/base/text"
	"postrider/lib/mail/param"
	"postrider/lib/mail/queue"
	"postrider/lib/mail/site"
	"postrider/lib/service/reindex"
)

// siteParams is implemented by structs that embed site.Params.
type siteParams interface{ Site() *site.Params }

// Name is what the command was called as.
func Name() string { return filepath.Base(os.Args[0]) }

// Configure makes dir the configuration folder of this process and of the
// programs that it starts (option -c). A setgid command checks whether its caller
// may choose it.
func Configure(dir string) {
	if !filepath.IsAbs(dir) {
		if abs, err := filepath.Abs(dir); err == nil {
			dir = abs
		}
	}
	os.Setenv("MAIL_CONFIG", dir)
	checkCaller()
}

// Load reads main.cf, fills conf (which embeds site.Params) and opens the log:
// messages go to standard error and to the mail log. Trouble is fatal.
func Load(conf siteParams, overrides ...string) *param.Settings {
	return load(conf, true, overrides)
}

// LoadQuiet is Load for commands without a person: only the log.
func LoadQuiet(conf siteParams, overrides ...string) *param.Settings {
	return load(conf, false, overrides)
}

func load(conf siteParams, stderr bool, overrides []string) *param.Settings {
	settings, err := param.Read(param.Dir())
	if err != nil {
		msg.Fatal("%v", err)
	}
	for _, o := range overrides {
		if err := settings.OverrideText(o); err != nil {
			msg.Fatal("option -o: %v", err)
		}
	}
	if err := settings.Load(conf); err != nil {
		msg.Fatal("%v", err)
	}
	p := conf.Site()
	p.OpenLog(Name(), stderr)
	for _, warning := range settings.Warnings() {
		msg.Warn("%s", warning)
	}
	queue.Configure(p.Params)
	around := table.Environment{Programs: p.DaemonDirectory, Parameters: settings.Prefixed}
	reindex.Surround(settings, &around, false)
	table.Surround(around)
	return settings
}

// Setgid reports whether the process got a group that its caller does not have.
func Setgid() bool { return os.Getgid() != os.Getegid() || os.Getuid() != os.Geteuid() }

// kept are the environment variables that a setgid command leaves alone.
var kept = []string{"MAIL_CONFIG", "MAIL_DEBUG", "MAIL_LOGTAG", "TZ", "POSTLOG_SERVICE", "POSTLOG_HOSTNAME"}

// CleanEnvironment takes the influence of the caller away from a setgid
// command, and checks the configuration folder that the caller asks for.
func CleanEnvironment() {
	values := map[string]string{}
	for _, name := range kept {
		if v, ok := os.LookupEnv(name); ok {
			values[name] = v
		}
	}
	os.Clearenv()
	os.Setenv("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
	os.Setenv("LANG", "C")
	for name, v := range values {
		os.Setenv(name, v)
	}
	checkCaller()
}

// checkCaller makes sure that a user does not run a setgid command with a
// configuration of his own.
func checkCaller() {
	if dir := param.Dir(); Setgid() && os.Getuid() != 0 && dir != param.DefaultDir {
		checkDirectory(dir)
	}
}

// MayConfigure ends a command whose user may not choose the configuration folder
// (option -C of sendmail), as a setgid command that it starts would do.
func MayConfigure() {
	if dir := param.Dir(); os.Getuid() != 0 && dir != param.DefaultDir {
		checkDirectory(dir)
	}
}

// checkDirectory makes sure that the administrator knows of a configuration
// folder: alternate_config_directories or multi_instance_directories in the
// default main.cf name it.
func checkDirectory(dir string) {
	settings, err := param.Read(param.DefaultDir)
	if err != nil {
		msg.Fatal("%v", err)
	}
	lists := settings.Value("alternate_config_directories") + " " + settings.Value("multi_instance_directories")
	for _, allowed := range text.Split(lists) {
		if strings.TrimRight(allowed, "/") == strings.TrimRight(dir, "/") {
			return
		}
	}
	msg.Error("unauthorized configuration directory name: %s", dir)
	msg.Fatal("specify \"alternate_config_directories = %s\" or \"multi_instance_directories = %s\" in %s/main.cf", dir, dir, param.DefaultDir)
}

// Enter makes the queue directory the current directory.
func Enter(p *site.Params) {
	if err := os.Chdir(p.QueueDirectory); err != nil {
		msg.Fatal("%v", err)
	}
}

// Exec replaces this process by another program of the suite.
func Exec(path string, args ...string) {
	err := execve(path, args)
	msg.Fatal("run %s: %v", path, err)
}
