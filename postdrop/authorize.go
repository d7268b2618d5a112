package main

import (
	"strings"

	"postrider/lib/base/account"
	"postrider/lib/base/match"
	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/base/text"
	"postrider/lib/mail/address"

	_ "postrider/lib/base/table/inline"
	_ "postrider/lib/base/table/static"
	_ "postrider/lib/base/table/texthash"
)

// mayUse ends the program when the administrator does not let this user send
// mail. The default, everybody, needs no look at any table.
func mayUse(uid int) {
	if conf.AuthorizedSubmitUsers == "static:anyone" || uid == 0 {
		return
	}
	list, err := match.Strings("authorized_submit_users", conf.AuthorizedSubmitUsers)
	if err != nil {
		msg.Fatal("%v", err)
	}
	yes, err := list.Match(login(uid))
	if err != nil {
		msg.Fatal("%v", err)
	}
	if !yes {
		msg.Fatal("User %s(%d) is not allowed to submit mail", login(uid), uid)
	}
}

// login is the name of a user, or "unknown".
func login(uid int) string {
	if u, found, err := account.ByID(uid); err == nil && found {
		return u.Name
	}
	return "unknown"
}

// maySend reports whether the user may use this envelope sender.
func maySend(uid int, sender string) bool {
	if conf.LocalLoginSenderMaps == "static:*" || uid == 0 {
		return true
	}
	list, err := table.OpenList(conf.LocalLoginSenderMaps, 0)
	if err != nil {
		msg.Fatal("parameter local_login_sender_maps: %v", err)
	}
	allowed, found, err := list.Lookup(login(uid))
	if err != nil {
		msg.Fatal("parameter local_login_sender_maps: %v", err)
	}
	return found && senderListed(allowed, sender)
}

// senderListed looks for the sender in a list of addresses, @domains and *.
func senderListed(allowed, sender string) bool {
	if sender == "" {
		sender = conf.EmptyAddressLoginKey
	}
	base := address.StripExtension(sender, conf.Address.RecipientDelimiter)
	_, domain, _ := address.Split(sender)
	for _, pattern := range text.Split(allowed) {
		if pattern == "*" || strings.EqualFold(pattern, sender) || strings.EqualFold(pattern, base) ||
			domain != "" && strings.EqualFold(pattern, "@"+domain) {
			return true
		}
	}
	return false
}
