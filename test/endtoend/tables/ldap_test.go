package tables

import (
	"os"
	"strings"
	"testing"

	"postrider/test/machine"
)

const slapdConf = `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile /run/slapd.pid
argsfile /run/slapd.args
sizelimit unlimited
access to * by dn.exact="cn=reader,dc=example,dc=com" read by dn.exact="gidNumber=0+uidNumber=0,cn=peercred,cn=external,cn=auth" read by anonymous auth by * none
database mdb
suffix "dc=example,dc=com"
rootdn "cn=admin,dc=example,dc=com"
rootpw secret
directory /tmp/ldap
`

// people are a group with members, one of which is a group too, and entries with
// letters that mean something in filters and names.
const people = `dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: cn=reader,dc=example,dc=com
objectClass: person
cn: reader
sn: reader
userPassword: it's

dn: ou=people,dc=example,dc=com
objectClass: organizationalUnit
ou: people

dn: cn=Ann,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
cn: Ann
sn: Example
mail: ann
mail: ann@b.c
uid: info@example.com
telephoneNumber: 1

dn: cn=Bob,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
cn: Bob
sn: Example
mail: bob
uid: a*(b)\@example.com
telephoneNumber: 2

dn: cn=Nobody,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
cn: Nobody
sn: Example
uid: empty@example.com

dn: cn=all,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
cn: all
sn: Example
uid: all@example.com
telephoneNumber: 9
seeAlso: cn=Ann,ou=people,dc=example,dc=com
seeAlso: cn=more,ou=people,dc=example,dc=com

dn: cn=more,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
cn: more
sn: Example
telephoneNumber: 8
seeAlso: cn=Bob,ou=people,dc=example,dc=com
seeAlso: cn=gone,ou=people,dc=example,dc=com
labeledURI: ldap:///ou=people,dc=example,dc=com??sub?(cn=Ann)

dn: cn=loop,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
cn: loop
sn: Example
uid: loop@example.com
seeAlso: cn=loop,ou=people,dc=example,dc=com
`

func startLDAP(t *testing.T) func() {
	need(t, "slapd", "slapadd", "ldapwhoami")
	if _, err := os.Stat("/tmp/ldap"); err != nil {
		shell(t, "", "mkdir -p /tmp/ldap")
		if err := os.WriteFile("/tmp/slapd.conf", []byte(slapdConf), 0o600); err != nil {
			t.Fatal(err)
		}
		shell(t, people, "slapadd -q -f /tmp/slapd.conf")
	}
	return background(t, os.Interrupt, "slapd -d 0 -f /tmp/slapd.conf -h 'ldap://127.0.0.1:389 ldapi://%2Frun%2Fldapi'", "ldapwhoami -x -H ldap://127.0.0.1")
}

// server are the parameters of a connection.
const ldapServer = "server_host = ldap://127.0.0.1:1, ldap://127.0.0.1\nbind_dn = cn=reader,dc=example,dc=com\nbind_pw = it's\n" +
	"version = 3\nsearch_base = ou=people,dc=example,dc=com\nquery_filter = (uid=%s)\n"

// S5: tables in a directory, from postmap, smtpd, cleanup and proxymap.
func TestLDAP(t *testing.T) {
	stop := startLDAP(t)
	table := "ldap:/etc/postfix/people.cf"
	s := machine.Install(t, "alias_maps=", "virtual_alias_domains=example.com", "virtual_alias_maps="+table)
	s.User("ann")
	s.User("bob")
	write(t, "people.cf", ldapServer+"result_attribute = mail\nspecial_result_attribute = seeAlso\n")
	shut := `warning: ldap://127.0.0.1:1: LDAP Result Code 200 "Network Error": dial tcp 127.0.0.1:1: connect: connection refused`
	out, status := machine.Run("", "postmap", "-q", "info@example.com", table)
	if out != "postmap: "+shut+"\nann,ann@b.c\n" || status != 0 {
		t.Errorf("a server that is down: %q", out)
	}
	shell(t, "", "sed -i 's/ldap:..127.0.0.1:1, //' /etc/postfix/people.cf")
	answers(t, table, [][2]string{
		{"INFO@example.com", "ann,ann@b.c"}, {"none@example.com", ""}, {"empty@example.com", ""}, {"all@example.com", "ann,ann@b.c,bob"},
		{"*", ""}, {"info*", ""}, {`a*(b)\@example.com`, "bob"}, {"x)(uid=*", ""}, {"x))(|(uid=*", ""}, {"\\", ""},
	})
	ldapForms(t)
	t.Logf("%d lookups as stock", compared["ldap"])
	s.Start()
	s.Send("Subject: x\n\nbody\n", "all@example.com")
	s.WaitLog(`to=<ann@[^>]*>, orig_to=<all@example.com>, .*status=sent`)
	s.WaitLog(`to=<bob@[^>]*>, orig_to=<all@example.com>, .*status=sent`)
	stop()
	if reply := rcpt(t, "info@example.com"); !strings.HasPrefix(reply, "451 ") {
		t.Errorf("without the directory: %s", reply)
	}
	startLDAP(t)
	if reply := rcpt(t, "info@example.com"); reply != "250" {
		t.Errorf("with the directory again: %s", reply)
	}
}

func ldapForms(t *testing.T) {
	t.Helper()
	for _, c := range []struct{ settings, key, want string }{
		{"result_attribute = telephoneNumber\nspecial_result_attribute = seeAlso\n", "all@example.com", "9,1,8,2"},
		{"result_attribute =\nleaf_result_attribute = telephoneNumber\nspecial_result_attribute = seeAlso\n", "all@example.com", "1,2"},
		{"result_attribute = mail\nterminal_result_attribute = telephoneNumber\nspecial_result_attribute = seeAlso\n", "all@example.com", "9"},
		{"result_attribute = telephoneNumber\nspecial_result_attribute = labeledURI\nquery_filter = cn=%s\n", "more", "8,1"},
		{"result_attribute = mail\nresult_format = %u/%D\n", "info@example.com", "ann/example.com,ann/example.com"},
		{"result_attribute = mail\nresult_format = %d\n", "info@example.com", "b.c"},
		{"result_attribute = mail\ndomain = example.org\n", "info@example.com", ""},
		{"result_attribute = mail\nsearch_base = cn=%u,ou=people,dc=example,dc=com\nscope = base\nquery_filter = (objectClass=*)\n", "ann@x", "ann,ann@b.c"},
		{"result_attribute = mail\nsearch_base = cn=%u,ou=people,dc=example,dc=com\nscope = base\nquery_filter = (objectClass=*)\n", "ann,ou=people@x", ""},
		{"result_attribute = mail\nsearch_base = ou=nosuch,dc=example,dc=com\n", "info@example.com", ""},
		{"result_attribute = mail\nexpansion_limit = 1\n", "info@example.com", "more values than expansion_limit"},
		{"result_attribute = mail\nsize_limit = 1\nquery_filter = (mail=*)\n", "x", "more entries than size_limit"},
		{"special_result_attribute = seeAlso\nrecursion_limit = 10\n", "loop@example.com", "more than recursion_limit"},
		{"bind_pw = wrong\n", "info@example.com", "Invalid Credentials"},
		{"bind = no\nresult_attribute = mail\n", "info@example.com", "Insufficient Access"},
		{"server_host = ldapi://%2Frun%2Fldapi\nbind = sasl\nsasl_mechs = external\nresult_attribute = mail\n", "info@example.com", "ann,ann@b.c"},
		{"query_filter = (uid=%z)\n", "x", "bad query_filter"},
		{"scope = all\n", "x", "bad value"},
		{"start_tls = yes\nresult_attribute = mail\n", "info@example.com", "Protocol Error"},
	} {
		// What is said last counts.
		write(t, "form.cf", strings.Replace(ldapServer, "ldap://127.0.0.1:1, ", "", 1)+c.settings)
		out, status := machine.Run("", "postmap", "-q", c.key, "ldap:/etc/postfix/form.cf")
		likeStock(t, "ldap:/etc/postfix/form.cf", c.key, out, status)
		if got := strings.TrimSuffix(out, "\n"); got != c.want && (!strings.Contains(got, "fatal: ") || !strings.Contains(got, c.want) || c.want == "") {
			t.Errorf("%s%s: got %q, want %q", c.settings, c.key, got, c.want)
		}
	}
}
