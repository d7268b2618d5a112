package external

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"postrider/lib/base/account"
	"postrider/lib/base/asuser"
	"postrider/lib/mail/site"
)

// User finds the rights that "user" or "user:group", the value of a user= attribute
// in master.cf, gives to a command. It refuses those that would give the command
// power over the mail system.
func User(value string, mail *site.Params) (asuser.User, error) {
	name, group, hasGroup := strings.Cut(value, ":")
	found, err := account.Lookup(name)
	if errors.Is(err, account.ErrUnknown) {
		return asuser.User{}, fmt.Errorf("user=%s: unknown username: %s", value, name)
	}
	if err != nil {
		return asuser.User{}, fmt.Errorf("user=%s: %w", value, err)
	}
	u := asuser.User{UID: found.UID, GID: found.GID}
	if hasGroup {
		g, found, err := account.GroupByName(group)
		if err != nil {
			return u, fmt.Errorf("user=%s: %w", value, err)
		}
		if !found {
			return u, fmt.Errorf("user=%s: unknown group: %s", value, group)
		}
		u.GID = g.GID
	}
	return u, refuse(u, mail)
}

func refuse(u asuser.User, mail *site.Params) error {
	const text = "user= command-line attribute specifies "
	uid, gid, err := mail.Owner()
	if err != nil {
		return err
	}
	setgid, found, err := account.GroupByName(mail.SetgidGroup)
	if err != nil {
		return err
	}
	switch {
	case u.UID == 0:
		return errors.New(text + "root privileges")
	case u.UID == uid:
		return errors.New(text + "mail system owner " + mail.MailOwner)
	case u.GID == 0:
		return errors.New(text + "privileged group id 0")
	case u.GID == gid:
		return fmt.Errorf(text+"mail system owner %s group id %d", mail.MailOwner, gid)
	case found && u.GID == setgid.GID:
		return fmt.Errorf(text+"mail system %s group id %d", mail.SetgidGroup, setgid.GID)
	}
	return nil
}

// PerService are the parameters that have the name of a service in master.cf in
// their names.
type PerService struct {
	// How long a command of one service may take, instead of
	// $command_time_limit.
	TimeLimit time.Duration `param:"<transport>_time_limit" default:"$command_time_limit" min:"1s"`
}
