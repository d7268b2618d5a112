package main

import (
	"os"
	"strings"

	"postrider/lib/base/account"
	"postrider/lib/base/asuser"
	"postrider/lib/base/file"
	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/base/text"
	"postrider/lib/daemon/server"
	"postrider/lib/mail/mailbox"
	"postrider/lib/service/rewrite"
)

// site is what prepare makes of conf.
var site struct {
	aliases            []aliasTable
	mailboxTransports  *table.List
	mailboxCommands    *table.List
	fallbackTransports *table.List
	commandsFrom       map[origin]bool // allow_mail_to_commands
	filesFrom          map[origin]bool // allow_mail_to_files
	propagate          map[string]bool // propagate_unmatched_extensions
	prepend            map[string]bool // prepend_delivered_header
	locks              []file.Kind
	nobody             asuser.User // default_privs
	host               string
	rewrite            addresses
}

// addresses is what local asks trivial-rewrite(8).
type addresses interface {
	Rewrite(rule, address string) string
	Resolve(sender, address string) rewrite.ResolveReply
}

func prepare(p *server.Process) {
	if len(p.Args) > 0 {
		msg.Fatal("unexpected command-line argument: %s", p.Args[0])
	}
	openAliases()
	site.mailboxTransports = openTables("mailbox_transport_maps", conf.MailboxTransportMaps)
	site.mailboxCommands = openTables("mailbox_command_maps", conf.MailboxCommandMaps)
	site.fallbackTransports = openTables("fallback_transport_maps", conf.FallbackTransportMaps)
	readWords()
	findDefaultRights()
	var err error
	if conf.SunMailtoolCompatibility {
		msg.Warn("sun_mailtool_compatibility: deprecated parameter, use \"mailbox_delivery_lock = dotlock\" instead")
		conf.MailboxDeliveryLock = "dotlock"
	}
	if site.locks, err = file.Kinds(conf.MailboxDeliveryLock); err != nil {
		msg.Fatal("parameter mailbox_delivery_lock: %v", err)
	}
	if len(site.locks) == 0 {
		msg.Fatal("parameter mailbox_delivery_lock specifies no applicable mailbox locking method")
	}
	if site.host, err = os.Hostname(); err != nil {
		msg.Fatal("%v", err)
	}
	if err := mailbox.LimitFiles("mailbox_size_limit", conf.MailboxSizeLimit, conf.MessageSizeLimit); err != nil {
		msg.Fatal("%v", err)
	}
	site.rewrite = rewrite.New(conf.Rewrite, p.IPCTimeout, p.IPCIdle, p.IPCTTL)
}

func openTables(name, tables string) *table.List {
	list, err := table.OpenList(strings.Join(table.Direct(tables), " "), table.FoldKey|table.NoSubstitute|table.NoProxy|table.NoUnauth)
	if err != nil {
		msg.Fatal("parameter %s: %v", name, err)
	}
	return list
}

// readWords reads the parameters that are lists of known words.
func readWords() {
	origins := []string{string(fromAlias), string(fromForward), string(fromInclude)}
	site.commandsFrom, site.filesFrom = map[origin]bool{mailboxItself: true}, map[origin]bool{mailboxItself: true}
	for word := range words("allow_mail_to_commands", conf.AllowMailToCommands, origins...) {
		site.commandsFrom[origin(word)] = true
	}
	for word := range words("allow_mail_to_files", conf.AllowMailToFiles, origins...) {
		site.filesFrom[origin(word)] = true
	}
	site.propagate = words("propagate_unmatched_extensions", conf.Maps.PropagateUnmatchedExtensions,
		append(origins, "canonical", "virtual", "generic")...)
	site.prepend = words("prepend_delivered_header", conf.PrependDeliveredHeader, "command", "file", "forward")
}

func words(param, list string, known ...string) map[string]bool {
	set := map[string]bool{}
	for _, word := range text.Split(list) {
		word = strings.ToLower(word)
		ok := false
		for _, k := range known {
			ok = ok || k == word
		}
		if !ok {
			msg.Fatal("parameter %s: unknown word %q; use %s", param, word, strings.Join(known, ", "))
		}
		set[word] = true
	}
	return set
}

// findDefaultRights looks up default_privs, which must not be anybody special.
func findDefaultRights() {
	u, err := account.Lookup(conf.DefaultPrivs)
	if err != nil {
		msg.Fatal("parameter default_privs: unknown user name value: %s: %v", conf.DefaultPrivs, err)
	}
	owner, _, err := conf.Owner()
	if err != nil {
		msg.Fatal("%v", err)
	}
	switch {
	case u.UID == 0:
		msg.Fatal("parameter default_privs: user %s has privileged user ID", u.Name)
	case u.GID == 0:
		msg.Fatal("parameter default_privs: user %s has privileged group ID", u.Name)
	case u.UID == owner:
		msg.Fatal("parameter default_privs: user %s has same user ID as %s", u.Name, conf.MailOwner)
	}
	site.nobody = asuser.User{UID: u.UID, GID: u.GID}
}
