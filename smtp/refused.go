package main

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/daemon/agent"
	"postrider/lib/mail/dsn"
	"postrider/lib/net/dialogue"
	"postrider/lib/net/sasl/client"
)

// refusedLogins remembers which passwords servers have refused for good.
type refusedLogins struct{ table table.Updater }

// openRefused opens the table, if there is one. Several processes write into it, so
// that it must be behind proxywrite.
func openRefused(p *saslParams) (*refusedLogins, error) {
	name := p.AuthCacheName
	switch {
	case name == "":
		return nil, nil
	case strings.ContainsAny(name, ", \t\r\n"):
		return nil, fmt.Errorf("SASL authentication cache name %q contains multiple values", name)
	case !strings.HasPrefix(name, "proxy:"):
		return nil, fmt.Errorf("SASL authentication cache name %q must start with \"proxy:\"", name)
	}
	t, err := table.Open(name, table.FoldKey|table.Writable)
	if err != nil {
		return nil, fmt.Errorf("parameter %s: %w", paramName("smtp_sasl_auth_cache_name"), err)
	}
	u, ok := t.(table.Updater)
	if !ok {
		return nil, fmt.Errorf("parameter %s: %s cannot be written to", paramName("smtp_sasl_auth_cache_name"), name)
	}
	return &refusedLogins{u}, nil
}

func (c *refusedLogins) key(host string, who client.Login) string { return host + ";" + who.User }

// find returns what a server has said about the same password not long ago.
func (c *refusedLogins) find(host string, who client.Login) *agent.Outcome {
	if c == nil {
		return nil
	}
	value, found, err := c.table.Lookup(c.key(host, who))
	if err != nil {
		msg.Warn("SASL auth failure map %s: lookup failed for %s", conf.SASL.AuthCacheName, c.key(host, who))
		return nil
	}
	fields := strings.SplitN(value, ";", 4)
	if !found {
		return nil
	}
	when, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil || len(fields) != 4 {
		msg.Warn("bad smtp_sasl_auth_cache entry: %.100s", value)
		return nil
	}
	if fields[1] != fingerprint(who.Password) || time.Since(time.Unix(when, 0)) > conf.SASL.AuthCacheTime {
		if _, err := c.table.Delete(c.key(host, who)); err != nil {
			msg.Warn("SASL auth failure map %s: entry not deleted: %s", conf.SASL.AuthCacheName, c.key(host, who))
		}
		return nil
	}
	why := failure(dsn.Status(fields[2]), "SASL [CACHED] authentication failed; server %s said: %s", host, fields[3])
	if conf.SASL.AuthSoftBounce {
		why.Status = why.Status.WithClass('4')
	}
	return why
}

// add remembers a refusal.
func (c *refusedLogins) add(host string, who client.Login, reply dialogue.Reply) {
	if c == nil {
		return
	}
	value := fmt.Sprintf("%d;%s;%s;%s", time.Now().Unix(), fingerprint(who.Password), reply.Status, reply.Text())
	if err := c.table.Update(c.key(host, who), value); err != nil {
		msg.Warn("%v", err)
	}
}

// fingerprint stands for a password in the table.
func fingerprint(password string) string {
	sum := sha1.Sum([]byte(password))
	return base64.StdEncoding.EncodeToString(sum[:])
}
