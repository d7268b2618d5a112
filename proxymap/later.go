package main

import (
	"strconv"

	"postrider/lib/base/attr"
	"postrider/lib/service/proxymap"
)

// Clients from version 3.11 on send the flags of a table in two attributes, and
// want the flags in each reply.

// convert turns a request of the later form into the earlier one.
func convert(list attr.List) (earlier attr.List, late bool) {
	if len(list) < 3 || list[2].Name != "instance_flags" {
		return list, false
	}
	instance, _ := strconv.ParseUint(list[2].Value, 10, 32)
	earlier = append(earlier, list[:2]...)
	rest := list[3:]
	if len(rest) > 0 && rest[0].Name == "flags" {
		flags, _ := strconv.ParseUint(rest[0].Value, 10, 32)
		instance |= flags
		rest = rest[1:]
	}
	earlier = append(earlier, attr.Attr{Name: "flags", Value: strconv.FormatUint(instance, 10)})
	return append(earlier, rest...), true
}

// The replies of the later form.
type (
	laterStatus struct {
		Status proxymap.Status `attr:"status"`
		Flags  int             `attr:"flags"`
	}
	laterLookup struct {
		Status proxymap.Status `attr:"status"`
		Flags  int             `attr:"flags"`
		Value  string          `attr:"value"`
	}
	laterSequence struct {
		Status proxymap.Status `attr:"status"`
		Flags  int             `attr:"flags"`
		Key    string          `attr:"key"`
		Value  string          `attr:"value"`
	}
)

// later turns a reply into the later form.
func later(reply any, request attr.List) any {
	flags, _ := strconv.Atoi(request.Get("flags"))
	switch r := reply.(type) {
	case proxymap.LookupReply:
		return laterLookup{r.Status, flags, r.Value}
	case proxymap.UpdateReply:
		return laterStatus{r.Status, flags}
	case proxymap.SequenceReply:
		return laterSequence{r.Status, flags, r.Key, r.Value}
	}
	return reply
}
