package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"postrider/lib/base/asuser"
	"postrider/lib/base/msg"
	"postrider/lib/daemon/external"
	"postrider/lib/mail/mailbox"
	"postrider/lib/mail/site"
)

// attributes are what an entry in master.cf says of its command.
type attributes struct {
	argv       []string
	userName   string // "user" or "user:group"
	user       asuser.User
	flags      string
	chroot     string
	directory  string
	eol        string
	nullSender string
	size       int64 // bytes; 0 means no limit
}

// knownFlags are the letters of flags=.
const knownFlags = "BDFORXhqu.>"

// parse reads the arguments behind the daemon's options.
func parse(args []string) (attributes, error) {
	a := attributes{eol: "\n", nullSender: mailbox.MailerDaemon}
	for i, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if ok && name == "argv" {
			a.argv = args[i+1:]
			if value != "" {
				a.argv = append([]string{value}, a.argv...)
			}
			break
		}
		if err := a.set(name, value, ok); err != nil {
			return a, err
		}
	}
	switch {
	case a.userName == "":
		return a, errors.New("missing user= command-line attribute")
	case len(a.argv) == 0:
		return a, errors.New("missing argv= command-line attribute")
	}
	return a, nil
}

func (a *attributes) set(name, value string, ok bool) (err error) {
	switch {
	case !ok:
		return fmt.Errorf("unknown attribute name: %s", name)
	case name == "flags":
		for _, c := range value {
			if strings.ContainsRune(knownFlags, c) {
				a.flags += string(c)
			} else {
				msg.Warn("unknown flag: %c (ignored)", c)
			}
		}
	case name == "user":
		a.userName = value
	case name == "chroot":
		a.chroot = value
	case name == "directory":
		a.directory = value
	case name == "eol":
		a.eol = unescape(value)
	case name == "null_sender":
		a.nullSender = value
	case name == "size":
		if a.size, err = strconv.ParseInt(value, 10, 64); err != nil || a.size < 0 {
			return fmt.Errorf("bad size= value: %s", value)
		}
	default:
		return fmt.Errorf("unknown attribute name: %s", name)
	}
	return nil
}

// unescape reads the escapes of C.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if at := strings.IndexByte("abfnrtv\\", s[i]); at >= 0 {
			b.WriteByte("\a\b\f\n\r\t\v\\"[at])
			continue
		}
		n, digits := 0, 0
		for digits < 3 && i+digits < len(s) && s[i+digits] >= '0' && s[i+digits] <= '7' {
			n = n<<3 | int(s[i+digits]-'0')
			digits++
		}
		if digits == 0 {
			b.WriteByte(s[i])
			continue
		}
		b.WriteByte(byte(n))
		i += digits - 1
	}
	return b.String()
}

// findUser looks up whose rights the command gets.
func (a *attributes) findUser(mail *site.Params) (err error) {
	a.user, err = external.User(a.userName, mail)
	return err
}

// single returns a flag that adds a header for the one recipient.
func (a *attributes) single() string {
	for _, c := range "DO" {
		if a.flag(byte(c)) {
			return string(c)
		}
	}
	return ""
}

func (a *attributes) flag(c byte) bool { return strings.IndexByte(a.flags, c) >= 0 }

func (a *attributes) form() mailbox.Form {
	return mailbox.Form{From: a.flag('F'), ReturnPath: a.flag('R'), Quote: a.flag('>'), Dot: a.flag('.'),
		Blank: a.flag('B'), EOL: a.eol}
}

func (a *attributes) sender(sender string) string {
	if sender == "" {
		return a.nullSender
	}
	return sender
}
