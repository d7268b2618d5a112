// Table-ldap looks things up in LDAP directories, for the table type ldap: see
// ldap_table(5). It is started by a program of the mail system that opens such a
// table, one for each process, and ends with it.
//
// # SECURITY
//
// A key comes from strangers: it is put into filters as RFC 4515 and into names as
// RFC 4514 say, so that it stays a text. The program runs as the mail system's
// account; it gets the parameters, and so the password, from the process that
// started it.
//
// # DIAGNOSTICS
//
// Trouble is told to the process that asked, which logs it. The mail waits.
package main

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"postrider/lib/base/table"
	program "postrider/lib/base/table/driver"
	"postrider/lib/base/table/settings"
	"postrider/lib/base/table/template"
	"postrider/lib/base/text"
)

func main() { program.Serve(open) }

// A directory is an open table.
type directory struct {
	*template.Form
	servers      []string // URLs
	startTLS     bool
	secure       encryption
	timeout      time.Duration
	base, filter string
	scope        int
	deref        int
	attributes   attributes
	sizeLimit    int
	recursion    int
	login        login
	conn         *ldap.Conn
}

// attributes are the parts of an entry that count.
type attributes struct {
	plain    []string
	special  []string // names of other entries
	leaf     []string // of entries without special ones
	terminal []string // nothing else counts when there is one
}

// all is what a search asks for.
func (a attributes) all() []string {
	var list []string
	for _, part := range [][]string{a.plain, a.terminal, a.leaf, a.special} {
		list = append(list, part...)
	}
	return list
}

func open(s *settings.Settings) (table.Table, error) {
	d := &directory{Form: template.New(s, "result_filter")}
	d.servers = servers(s)
	d.timeout = time.Duration(s.Number("timeout", 10, 1)) * time.Second
	d.base, d.filter = s.Needed("search_base"), s.Text("query_filter", "(mailacceptinggeneralid=%s)")
	for name, format := range map[string]string{"search_base": d.base, "query_filter": d.filter} {
		if err := template.Check(name, format); err != nil {
			s.Bad("%v", err)
		}
	}
	d.attributes = attributes{
		plain: text.Split(s.Text("result_attribute", "maildrop")), special: text.Split(s.Text("special_result_attribute", "")),
		leaf: text.Split(s.Text("leaf_result_attribute", "")), terminal: text.Split(s.Text("terminal_result_attribute", "")),
	}
	scopes := map[string]int{"sub": ldap.ScopeWholeSubtree, "one": ldap.ScopeSingleLevel, "base": ldap.ScopeBaseObject}
	scope, known := scopes[s.Text("scope", "sub")]
	if !known {
		s.Bad("bad value %q of scope: need sub, one or base", s.Text("scope", ""))
	}
	d.scope, d.deref = scope, s.Number("dereference", 0, 0)
	d.recursion = s.Number("recursion_limit", 1000, 1)
	d.sizeLimit = s.Number("size_limit", d.Limit(), 0)
	d.startTLS = s.Bool("start_tls", false)
	d.secure = readEncryption(s)
	d.login = readLogin(s)
	notes(s)
	unknown, err := s.Finish()
	for _, name := range unknown {
		program.Warn("%s: unknown parameter: %s", s.Table, name)
	}
	return d, err
}

// notes takes the parameters that make no difference here.
func notes(s *settings.Settings) {
	s.Number("version", 3, 2)
	s.Number("debuglevel", 0, 0)
	s.Text("bind_options", "")
	if s.Bool("chase_referrals", false) {
		s.Bad("chase_referrals is not supported")
	}
}

// servers reads server_host and server_port: URLs, or names of hosts.
func servers(s *settings.Settings) (list []string) {
	port := s.Number("server_port", 389, 1)
	for _, item := range text.Split(s.Text("server_host", "localhost")) {
		socket, local := strings.CutPrefix(item, "ldapi://")
		switch {
		case local: // the path of a socket, with %2F for /
			path, err := url.PathUnescape(socket)
			if err != nil {
				s.Bad("server_host: %v", err)
			}
			item = "ldapi://" + path
		case strings.Contains(item, "://"):
		case strings.Contains(item, ":"):
			item = "ldap://" + item
		default:
			item = fmt.Sprintf("ldap://%s:%d", item, port)
		}
		list = append(list, item)
	}
	if len(list) == 0 {
		s.Bad("need a value of server_host")
	}
	return list
}

// Lookup searches the directory. A connection that was kept may have ended
// meanwhile; then the search is done again.
func (d *directory) Lookup(key string) (value string, found bool, err error) {
	wanted, err := d.Wanted(key)
	if !wanted {
		return "", false, err
	}
	base, ok := template.Expand(d.base, key, key, ldap.EscapeDN)
	filter, valid := template.Expand(d.filter, key, key, ldap.EscapeFilter)
	if !ok || !valid {
		return "", false, nil
	}
	if !strings.HasPrefix(filter, "(") {
		filter = "(" + filter + ")"
	}
	for {
		kept := d.conn != nil && !d.conn.IsClosing()
		if !kept {
			if err := d.connect(); err != nil {
				return "", false, err
			}
		}
		x := &expansion{directory: d, answer: d.Answer(key)}
		err := x.search(base, d.scope, filter)
		if err == nil {
			value, found = x.answer.Result()
			return value, found, nil
		}
		if ours, is := err.(limitError); is {
			return "", false, ours
		}
		d.disconnect()
		if !kept {
			return "", false, err
		}
	}
}
