package tables

import (
	"os"
	"strings"
	"testing"

	"postrider/test/machine"
)

// The way from Berkeley DB with "postfix non-bdb", with mail through tables of the
// types hash and btree. The .db files are those of the stock mail system.
func TestNonBerkeley(t *testing.T) {
	s := machine.Install(t, "alias_maps=hash:/etc/aliases", "virtual_alias_domains=example.com", "virtual_alias_maps=hash:/etc/postfix/virtual",
		"transport_maps=btree:/srv/transport", "authorized_mailq_users=static:all, hash:/etc/postfix/mailq", "default_cache_db_type=btree")
	s.User("ann")
	files(t)
	ask := func(want string, args ...string) {
		t.Helper()
		if out, _ := machine.Run("", "postfix", args...); strings.TrimSpace(out) != want && !strings.Contains(out, want+"\n") {
			t.Errorf("postfix %v: got %q, want %q", args, out, want)
		}
	}
	setting := func() string {
		out, _ := machine.Run("", "bash", "-c", "postconf -nh non_bdb_migration_level; postconf -M nbdb_reindex/unix 2>/dev/null")
		return strings.Join(strings.Fields(out), " ")
	}
	deliver := func(n string) {
		t.Helper()
		s.Send("Subject: "+n+"\n\nbody\n", "info"+n+"@example.com")
		s.WaitLog(`to=<ann@[^>]*>, orig_to=<info` + n + `@example.com>, .*status=sent`)
	}
	ask("disable", "non-bdb", "status")
	ask("postfix/postfix-script: error: default_cache_db_type = btree: set another type first, such as cdb or lmdb; nothing was changed", "non-bdb", "enable-redirect")
	s.Set("default_cache_db_type=lmdb")
	s.Start()
	deliver("1") // from the Berkeley DB files
	exists(t, false, "/etc/postfix/virtual.cdb", "/etc/aliases.cdb", "/srv/transport.lmdb")

	shell(t, "", "postfix non-bdb enable-redirect")
	ask("enable-redirect", "non-bdb", "status")
	if got := setting(); got != "enable-redirect" {
		t.Errorf("settings: %s", got)
	}
	s.Reload()
	if reply := rcpt(t, "info2@example.com"); !strings.HasPrefix(reply, "451 ") {
		t.Errorf("without files: %s", reply)
	}
	s.WaitLog("redirecting hash:/etc/postfix/virtual to cdb:/etc/postfix/virtual")
	s.WaitLog("open database /etc/postfix/virtual.cdb: No such file or directory")

	shell(t, "", "postfix non-bdb enable-reindex")
	if got := setting(); got != "enable-reindex nbdb_reindex unix - n n - 1 nbdb_reindexd" {
		t.Errorf("settings: %s", got)
	}
	exists(t, true, "/etc/postfix/mailq.cdb") // what a command needs is made at once
	s.Reload()
	s.Send("Subject: 3\n\nbody\n", "info3@example.com")
	s.WaitLog("successfully executed 'postmap cdb:/etc/postfix/virtual' as uid 0")
	s.WaitLog("could not execute command 'postmap lmdb:/srv/transport': table /srv/transport has an unexpected pathname; to allow automatic indexing as root, append its parent directory to the non_bdb_migration_allow_root_prefixes setting")
	s.Set("non_bdb_migration_allow_root_prefixes=/etc /usr/local/etc /srv")
	s.Reload()
	s.Flush()
	s.WaitLog("successfully executed 'postmap lmdb:/srv/transport' as uid 0")
	s.WaitLog("successfully executed 'postalias cdb:/etc/aliases' as uid 0")
	machine.Run("", "postkick", "public", "pickup", "W")
	s.WaitLog(`to=<ann@[^>]*>, orig_to=<info3@example.com>, .*status=sent`)
	exists(t, true, "/etc/postfix/virtual.cdb", "/etc/aliases.cdb", "/srv/transport.lmdb")

	// A program that knows of hash only, such as an old Mailman.
	shell(t, "", "echo info4@example.com nan >>/etc/postfix/virtual && postmap hash:/etc/postfix/virtual")
	shell(t, "", "postfix non-bdb disable")
	if got := setting(); got != "" {
		t.Errorf("settings: %s", got)
	}
	s.Reload()
	deliver("4")
}

// files makes sources, and Berkeley DB files with stock's postmap, whose package is
// unpacked aside.
func files(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/src/build/debs"); err != nil {
		t.Skip("build/debs has no packages of the stock mail system")
	}
	for name, text := range map[string]string{
		"/etc/aliases": "nan: ann\n", "/etc/postfix/virtual": "info1@example.com ann\ninfo2@example.com ann\ninfo3@example.com nan\n",
		"/srv/transport": "elsewhere.example error:no\n", "/etc/postfix/mailq": "root ok\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	unpackStock(t)
	shell(t, "", `set -e; cd /opt/stock; export LD_LIBRARY_PATH=/opt/stock/usr/lib/postfix
		for t in hash:/etc/postfix/virtual btree:/srv/transport hash:/etc/postfix/mailq; do usr/sbin/postmap -c conf $t; done
		usr/sbin/postalias -c conf hash:/etc/aliases
		chmod 755 /srv`)
}

func exists(t *testing.T, want bool, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := os.Stat(name); (err == nil) != want {
			t.Errorf("%s: is there: %v", name, err == nil)
		}
	}
}
