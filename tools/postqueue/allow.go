package main

import (
	"errors"
	"os"

	"postrider/lib/base/account"
	"postrider/lib/base/match"
)

// allow ends the command when its user is not on the list.
func allow(what, param, list string) {
	uid := os.Getuid()
	if uid == 0 {
		return
	}
	if owner, _, err := conf.Owner(); err == nil && owner == uid {
		return
	}
	name := "unknown"
	user, found, err := account.ByID(uid)
	if err != nil && !errors.Is(err, account.ErrUnknown) {
		fatal("look up user %d: %v", uid, err)
	}
	if found {
		name = user.Name
	}
	users, err := match.Strings(param, list)
	if err != nil {
		fatal("%v", err)
	}
	ok, err := users.Match(name)
	if err != nil {
		fatal("parameter %s: %v", param, err)
	}
	if !ok {
		fatal("User %s(%d) is not allowed to %s the mail queue", name, uid, what)
	}
}
