package main

import (
	"errors"
	"strings"

	"postrider/lib/base/account"
	"postrider/lib/base/asuser"
	"postrider/lib/base/file"
	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/daemon/agent"
	"postrider/lib/mail/address"
	"postrider/lib/mail/dsn"
	"postrider/lib/service/rewrite"
)

// An aliasTable is a table of alias_maps. Who owns it gives its commands and
// files their rights.
type aliasTable struct {
	name  string // "type:name"
	table table.Table
	owner int
}

func openAliases() {
	for _, name := range table.Direct(conf.AliasMaps) {
		if strings.HasPrefix(name, "nis:") {
			// It is in the default; systems without NIS have nothing there.
			msg.Warn("%s: NIS lookups are disabled", name)
			continue
		}
		t, err := table.OpenLater(name, table.FoldKey|table.NoSubstitute|table.NoProxy|table.NoUnauth)
		if err != nil {
			msg.Fatal("parameter alias_maps: %v", err)
		}
		owner := asuser.Root.UID
		if sourced, ok := t.(table.Sourced); ok && sourced.Source() != nil {
			info, err := sourced.Source().Stat()
			if err != nil {
				msg.Fatal("parameter alias_maps: %v", err)
			}
			owner = file.Owner(info)
		}
		site.aliases = append(site.aliases, aliasTable{name, t, owner})
	}
}

// findAlias asks the tables one after the other.
func findAlias(name string) (value string, in aliasTable, found bool, err error) {
	for _, t := range site.aliases {
		value, found, err = t.table.Lookup(name)
		if err != nil {
			msg.Warn("%s: lookup of '%s' failed", t.name, name)
			return "", t, false, err
		}
		if found {
			return value, t, true, nil
		}
	}
	return "", aliasTable{}, false, nil
}

// expandAlias delivers to what the alias name stands for. Handled is false when
// there is no such alias, or when it stands in its own expansion: then the user
// of that name is meant.
func (t task) expandAlias(name string) (done, handled bool) {
	if t.level >= maxLevel {
		msg.Warn("alias database loop for %s", name)
		return t.failed("5.4.6", "alias database loop for %s", name), true
	}
	if t.alias != "" && strings.EqualFold(t.alias, name) {
		return false, false
	}
	value, in, found, err := findAlias(name)
	if err != nil {
		return t.noAliases(), true
	}
	if !found {
		return false, false
	}
	msg.Debug("%s: %s: %s = %s", t.QueueID, in.name, name, value)
	if t.rights, err = in.rights(); err != nil {
		return t.failed("4.3.0", "cannot find alias database owner"), true
	}
	if name == t.local {
		t.unmatched = ""
	}
	expansion := t
	expansion.origin, expansion.alias = fromAlias, name
	list, err := expansion.findOwner(name)
	if err != nil {
		return t.noAliases(), true
	}
	success := expansion.to.Notify & dsn.NotifySuccess
	expansion.quiet(list)
	values := parseValues(value)
	if len(values) == 0 {
		msg.Warn("no recipient in alias lookup result for %s", name)
		return t.noAliases(), true
	}
	done = expansion.deliverValues(values)
	if done && success != 0 {
		done = t.expanded(list)
	}
	return done, true
}

func (t task) noAliases() bool { return t.failed("4.3.0", "alias database unavailable") }

// rights are those of the table's owner; root's tables have no user.
func (a aliasTable) rights() (r rights, err error) {
	if a.owner == 0 {
		return r, nil
	}
	u, found, err := account.ByID(a.owner)
	if err == nil && !found {
		err = errors.New("no such user")
	}
	if err != nil {
		msg.Warn("cannot find alias database owner for %s: %v", a.name, err)
		return r, err
	}
	return rights{known: true, User: u}, nil
}

// findOwner looks for the alias owner-NAME, which gives the list NAME a sender
// of its own.
func (t *task) findOwner(name string) (list bool, err error) {
	if !conf.Address.OwnerRequestSpecial || strings.HasPrefix(name, "owner-") {
		return false, nil
	}
	owner := "owner-" + name
	value, _, found, err := findAlias(owner)
	if err != nil {
		return false, err
	}
	if !found {
		if conf.ResetOwnerAlias {
			t.owner = ""
		}
		return false, nil
	}
	if conf.ExpandOwnerAlias {
		if values := parseValues(value); len(values) > 0 {
			owner = values[0]
		}
	}
	t.owner = canonical(owner)
	t.sender = t.owner
	return true, nil
}

// canonical is the standard form of an address; both are in internal form.
func canonical(addr string) string {
	return address.Unquote(site.rewrite.Rewrite(rewrite.Local, address.Quote(addr)))
}

// quiet takes from the recipients of an expansion what the sender asked for:
// success is reported for the alias only, and a list sends mail of its own.
// Source: RFC 3461, section 5.2.7.
func (t *task) quiet(list bool) {
	switch {
	case list:
		t.to.Original, t.to.OriginalDSN, t.to.Notify = "", "", 0
		t.envelopeID, t.ret = "", 0
	case t.to.Notify == dsn.NotifySuccess:
		t.to.Notify = dsn.NotifyNever
	default:
		t.to.Notify &^= dsn.NotifySuccess
	}
}

// expanded tells a sender who wants to know about success.
func (t task) expanded(list bool) bool {
	o := agent.Outcome{Status: "2.0.0", Reason: "alias expanded", Action: "expanded"}
	if list {
		o.Action, t.to.Original = "delivered", ""
	}
	if t.TraceOnly() {
		return true
	}
	if err := t.Reporter().Trace(&t.to.Recipient, t.Service, o); err != nil {
		return t.failed("4.3.0", "%s: trace service failed", t.QueueID)
	}
	return true
}
