package main

import (
	"strings"

	"postrider/lib/base/table"
	"postrider/lib/mail/address"
	"postrider/lib/service/rewrite"
)

// A transportTable is transport_maps. See transport(5).
type transportTable struct {
	list    *table.List
	parents bool // "example.com" also means its subdomains
}

func openTransports(maps string) (*transportTable, error) {
	list, err := table.OpenList(maps, table.FoldKey)
	return &transportTable{list: list, parents: conf.Domains.Include("transport_maps")}, err
}

// change replaces transport and next hop when the table says so. A transport
// without a next hop brings the recipient's domain back.
func (t *transportTable) change(reply *rewrite.ResolveReply, domain string) error {
	if t.list.Empty() {
		return nil
	}
	value, found, err := t.find(reply.Recipient, domain)
	if err != nil || !found || value == ":" {
		return err
	}
	if strings.HasPrefix(value, ":") {
		reply.NextHop = value[1:]
		return nil
	}
	transport, hop := choose(value, reply.Transport, "")
	if hop == "" {
		hop = domain
		if transport == conf.ErrorServiceName { // its next hop is the reason
			hop = "Address is undeliverable"
		}
	}
	reply.Transport, reply.NextHop = transport, hop
	return nil
}

// find looks for the address, the address without extension, the domain, its
// parents, and *.
func (t *transportTable) find(recipient, domain string) (string, bool, error) {
	for _, key := range []string{recipient, address.StripExtension(recipient, conf.Address.RecipientDelimiter)} {
		if value, found, err := t.list.Lookup(key); found || err != nil {
			return value, found, err
		}
	}
	for key := domain; key != ""; {
		if value, found, err := t.list.LookupPart(key); found || err != nil {
			return value, found, err
		}
		dot := strings.IndexByte(key[1:], '.')
		if dot < 0 || strings.HasPrefix(key, "[") {
			break
		}
		key = key[1+dot:]
		if t.parents {
			key = key[1:]
		}
	}
	return t.list.LookupPart("*")
}
