package audit

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postrider/lib/base/table"
	"postrider/lib/mail/param"
)

// look writes a configuration and returns what is found, less the folder.
func look(t *testing.T, main, master string) []string {
	t.Helper()
	dir := os.Getenv("MAIL_CONFIG")
	if dir == "" {
		dir = t.TempDir()
		os.Chmod(dir, 0o755)
		t.Setenv("MAIL_CONFIG", dir)
	}
	write(t, "main.cf", "alias_maps =\nlocal_recipient_maps =\n"+main)
	write(t, "smtpd", "")
	os.Chmod(filepath.Join(dir, "smtpd"), 0o755)
	if master == "" {
		master = "smtp unix - - n - - smtpd\nlocal unix - - n - - smtpd\nrelay unix - - n - - smtpd\nvirtual unix - - n - - smtpd\n"
	}
	write(t, "master.cf", master)
	s, err := param.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.Override("daemon_directory", dir)
	var lines []string
	for _, p := range Run(s) {
		if strings.Contains(p.Text, "who then cannot send mail") {
			continue // the folders of tests
		}
		lines = append(lines, strings.ReplaceAll(p.Text, dir+"/", ""))
	}
	return lines
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(os.Getenv("MAIL_CONFIG"), name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func database(t *testing.T, path string) {
	t.Helper()
	b, err := table.Build("cdb:"+path, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	os.Chmod(path+".cdb", 0o644)
}

// expect compares with the begin of each line that is found.
func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	for i, line := range got {
		if i >= len(want) || !strings.HasPrefix(line, want[i]) {
			t.Errorf("line %d: %s", i, line)
		}
	}
	if len(got) < len(want) {
		t.Errorf("not found: %q", want[len(got):])
	}
}

func TestRestrictions(t *testing.T) {
	expect(t, look(t, "smtpd_client_restrictions =\n permit_mynetwork, warn_if_reject reject_rbl_client nowhere.example\n"+
		"smtpd_restriction_classes = greylist\ngreylist = check_policy_service inet:127.0.0.1:10023, reject_unauth_destinations\n"+
		"smtpd_data_restrictions = gerylist, greylist, sleep 1\n",
		"smtp inet n - n - - smtpd -o smtpd_etrn_restrictions=nonsense -o smtpd_helo_restrictions=greylist\n"+
			"local unix - - n - - smtpd\nrelay unix - - n - - smtpd\nsmtp unix - - n - - smtpd\nvirtual unix - - n - - smtpd\n"),
		`main.cf, line 3: smtpd_client_restrictions: unknown smtpd restriction: "permit_mynetwork"; did you mean permit_mynetworks?`,
		`main.cf, line 6: greylist: unknown smtpd restriction: "reject_unauth_destinations"; did you mean reject_unauth_destination?`,
		`main.cf, line 7: smtpd_data_restrictions: unknown smtpd restriction: "gerylist"; did you mean greylist?`,
		`master.cf, line 1: smtpd_etrn_restrictions: unknown smtpd restriction: "nonsense"`)
}

func TestNothing(t *testing.T) {
	expect(t, look(t, "mynetworks = 127.0.0.0/8, [::1]/128\nsmtp_destination_concurrency_limit = 5\n"+
		"mine = permit_mynetworks\nsmtpd_recipient_restrictions = $mine, check_policy_service unix:private/policy, reject_unauth_destination ${x?no}\n"+
		"myorigin = ${mydomain}\nforward_path = $home/.forward$recipient_delimiter$extension\n", ""))
}

// S4.1: every bad value, each with file and line, in the order of the lines.
func TestValues(t *testing.T) {
	expect(t, look(t, "smtpd_helo_required = maybe\nmessage_size_limit = big\nqueue_run_delay = 5 minutes\n"+
		"smtpd_hard_error_limit = 0\nmyorigin = ${x\nsmtp_destination_concurrency_limit = many\nmyhostname = $mydomain\nmydomain = $myhostname\n", ""),
		"main.cf, line 3: smtpd_helo_required = maybe: bad boolean",
		"main.cf, line 4: message_size_limit = big: bad numerical",
		"main.cf, line 5: queue_run_delay = 5 minutes: bad time",
		"main.cf, line 6: smtpd_hard_error_limit = 0: the value is below the minimum, 1",
		"main.cf, line 7: myorigin: ",
		"main.cf, line 8: smtp_destination_concurrency_limit = many: bad numerical",
		"main.cf, line 9: myhostname: ",
		"main.cf, line 10: mydomain: ")
}

func TestNames(t *testing.T) {
	unread := slices.IndexFunc(param.Builtins(), func(b param.Builtin) bool { return b.Unread && b.Default == "" && !strings.HasSuffix(b.Name, "_file") })
	if unread < 0 {
		t.Skip("every parameter is acted upon")
	}
	name := param.Builtins()[unread].Name
	expect(t, look(t, "mydestinaton = x\nrelay_host = y\nnonsense = z\nvirtual_maps =\nmydestination = $mydoman\n"+name+" = x\n"+
		"readme_directory = no\n", ""),
		"main.cf, line 3: mydestinaton: unknown parameter; did you mean mydestination?",
		"main.cf, line 4: relay_host: unknown parameter; did you mean relayhost?",
		"main.cf, line 5: nonsense: unknown parameter",
		"main.cf, line 6: virtual_maps: this is the old name of parameter virtual_alias_maps",
		"main.cf, line 7: mydestination: $mydoman: there is no parameter of that name; did you mean mydomain?",
		"main.cf, line 8: "+name+": this parameter is known, but no program here acts upon it")
}

func TestMaster(t *testing.T) {
	t.Setenv("MAIL_CONFIG", t.TempDir())
	expect(t, look(t, "mailbox_transport = drop\nlocal_transport = lokal:\n", `smtp inet n - n - - smtpd
  -o smtpd_helo_requird=yes -o smtpd_hard_error_limit=none
  -o { mine = permit } -o smtpd_client_restrictions=$mine
smtp unix - - n - - smtp
relay unix - - n - - smtpd
virtual unix - - n - - smtpd
drop unix - n n - - pipe user=nosuchuser argv=/nowhere/drop $user
other unix - n n - - pipe user=nosuchuser argv=/nowhere/other
`),
		"main.cf, line 4: local_transport: there is no service lokal of type unix in master.cf",
		"master.cf, line 1: smtpd_helo_requird: unknown parameter; did you mean smtpd_helo_required?",
		"master.cf, line 1: smtpd_hard_error_limit = none: bad numerical",
		"master.cf, line 4: service smtp/unix: program smtp: there is no such file",
		"master.cf, line 7: service drop/unix: program pipe: there is no such file",
		"master.cf, line 7: service drop/unix: there is no user nosuchuser",
		"master.cf, line 7: service drop/unix: command /nowhere/drop: there is no such file",
		"master.cf, line 8: service other/unix: program pipe: there is no such file")
}

func TestTables(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("MAIL_CONFIG", dir)
	write(t, "text", "a b\n")
	write(t, "old", "a b\n")
	database(t, dir+"/old")
	os.Chtimes(filepath.Join(dir, "old.cdb"), time.Time{}, time.Now().Add(-time.Second))
	database(t, dir+"/secret")
	os.Chmod(filepath.Join(dir, "secret.cdb"), 0o600)
	write(t, "wrong", "1.2.3.4/8 x\n/[/ y\n")
	config := strings.ReplaceAll(`canonical_maps = hash:D/text
virtual_alias_maps = mongodb:ou
relocated_maps = cdb:D/old
transport_maps = D/text
mynetworks = 127.0.0.0/8, D/missing, cidr:D/nothing
smtpd_client_restrictions = check_client_access regexp:D/wrong, permit
authorized_mailq_users = cdb:D/secret
relay_domains = proxy:cdb:D/old
header_checks = regexp:D/none
mail_owner = nobody
`, "D", dir)
	var lines []string
	for _, line := range look(t, config, "") {
		if !strings.Contains(line, "header_checks") {
			lines = append(lines, line)
		}
	}
	expect(t, lines,
		"main.cf, line 3: canonical_maps: table hash:text: open database text.db: No such file or directory; it is made by: postmap hash:text",
		"main.cf, line 4: virtual_alias_maps: table mongodb:ou: unsupported dictionary type: mongodb (",
		"main.cf, line 5: relocated_maps: database old.cdb is older than source file old; it is made anew by: postmap cdb:old",
		`main.cf, line 6: transport_maps: table text: open dictionary: expecting "type:name" form`,
		"main.cf, line 7: mynetworks: open missing: no such file or directory",
		"main.cf, line 7: mynetworks: table cidr:nothing: open nothing: no such file or directory",
		"main.cf, line 8: smtpd_client_restrictions: ",
		"main.cf, line 8: smtpd_client_restrictions: ",
		"main.cf, line 9: authorized_mailq_users: secret.cdb, which a command opens, cannot be read by all users: mode of ",
		"main.cf, line 10: relay_domains: database old.cdb is older",
		"main.cf, line 10: relay_domains: old.cdb, which proxymap(8) opens, cannot be read by nobody: mode of ")
}

func TestEdits(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "abcd", 1}, {"abc", "bc", 1}, {"abc", "xyz", 3}} {
		if got := edits(c.a, c.b, 9); got != c.want {
			t.Errorf("%s, %s: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
