// Package unix has the table type "unix": the users of the system,
// unix:passwd.byname, and its groups, unix:group.byname. A value is the line that
// passwd(5) or group(5) would have.
package unix

import (
	"fmt"
	"strings"

	"postrider/lib/base/account"
	"postrider/lib/base/table"
)

func init() { table.Register("unix", open) }

type lookup func(key string) (value string, found bool, err error)

func (l lookup) Lookup(key string) (string, bool, error) { return l(key) }

func open(name string, _ table.Flags) (table.Table, error) {
	switch name {
	case "passwd.byname":
		return lookup(user), nil
	case "group.byname":
		return lookup(group), nil
	}
	return nil, table.Mistake("unknown table: unix:%s (there are passwd.byname and group.byname)", name)
}

func user(name string) (string, bool, error) {
	if !possible(name) {
		return "", false, nil
	}
	u, found, err := account.ByName(name)
	if err != nil || !found {
		return "", false, err
	}
	return fmt.Sprintf("%s:x:%d:%d:%s:%s:%s", u.Name, u.UID, u.GID, u.FullName, u.Home, u.Shell), true, nil
}

func group(name string) (string, bool, error) {
	if !possible(name) {
		return "", false, nil
	}
	g, found, err := account.GroupByName(name)
	if err != nil || !found {
		return "", false, err
	}
	return fmt.Sprintf("%s:x:%d:%s", g.Name, g.GID, strings.Join(g.Members, ",")), true, nil
}

// possible says whether a name could be in a file whose fields end with a colon:
// a key may be any text that a stranger wrote.
func possible(name string) bool { return name != "" && !strings.ContainsAny(name, ":\n\x00") }
