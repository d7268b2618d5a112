// Package proxymap asks proxymap(8) to look things up in tables that a program
// cannot or should not open itself: because it runs in a chroot jail, or because
// a hundred programs would open a hundred connections to one database. It has
// the table type "proxy".
package proxymap

import "postrider/lib/base/table"

// Protocol is what the server announces.
const Protocol = "proxymap_protocol"

// Requests.
const (
	OpenCommand     = "open"
	LookupCommand   = "lookup"
	UpdateCommand   = "update"
	DeleteCommand   = "delete"
	SequenceCommand = "sequence"
)

// A Status is how a request went.
type Status int

// The results of a request.
const (
	OK     Status = iota
	NoKey         // the table has no such entry
	Retry         // the table does not answer now
	Bad           // the server does not understand the request
	Deny          // the table is not in proxy_read_maps or proxy_write_maps
	Config        // the table cannot be opened, or is broken
)

// Flags are the flags of a table as they are sent, with the numbers that stock
// programs use.
type Flags int

// The flags that mean something here.
const (
	Fixed       Flags = 16
	Pattern     Flags = 32
	Lock        Flags = 64
	NoRegSub    Flags = 2048
	NoUnauth    Flags = 8192
	FoldFixed   Flags = 16384
	FoldPattern Flags = 32768
	UTF8Request Flags = 524288
	UTF8Active  Flags = 1048576
	RHSIsFile   Flags = 2097152
)

// both are the flags that have a name on each side.
var both = []struct {
	ours   table.Flags
	theirs Flags
}{
	{table.FoldKey, FoldFixed}, {table.FoldPattern, FoldPattern}, {table.NoSubstitute, NoRegSub},
	{table.NoUnauth, NoUnauth}, {table.UTF8, UTF8Request}, {table.SourceIsFile, RHSIsFile},
}

// fromTable returns the flags to send.
func fromTable(f table.Flags) Flags {
	flags := Lock
	for _, b := range both {
		if f&b.ours != 0 {
			flags |= b.theirs
		}
	}
	return flags
}

// Table returns the flags for opening a table.
func (f Flags) Table() (flags table.Flags) {
	for _, b := range both {
		if f&b.theirs != 0 {
			flags |= b.ours
		}
	}
	return flags
}

// An OpenRequest asks whether a table can be used, and what kind it is.
type OpenRequest struct {
	Request string `attr:"request"`
	Table   string `attr:"table"` // "type:name", without "proxy:"
	Flags   Flags  `attr:"flags"`
}

// An OpenReply says whether keys are patterns.
type OpenReply struct {
	Status Status `attr:"status"`
	Flags  Flags  `attr:"flags"` // Fixed or Pattern, and others
}

// A LookupRequest asks for a value; a DELETE request has the same form.
type LookupRequest struct {
	Request string `attr:"request"`
	Table   string `attr:"table"`
	Flags   Flags  `attr:"flags"`
	Key     string `attr:"key"`
}

// A LookupReply has the value.
type LookupReply struct {
	Status Status `attr:"status"`
	Value  string `attr:"value"`
}

// An UpdateRequest writes an entry.
type UpdateRequest struct {
	Request string `attr:"request"`
	Table   string `attr:"table"`
	Flags   Flags  `attr:"flags"`
	Key     string `attr:"key"`
	Value   string `attr:"value"`
}

// An UpdateReply is the answer to update and delete.
type UpdateReply struct {
	Status Status `attr:"status"`
}

// What a SequenceRequest asks for.
const (
	First = 0
	Next  = 1
)

// A SequenceRequest asks for the first or the next entry of a list.
type SequenceRequest struct {
	Request  string `attr:"request"`
	Table    string `attr:"table"`
	Flags    Flags  `attr:"flags"`
	Function int    `attr:"function"`
}

// A SequenceReply has an entry.
type SequenceReply struct {
	Status Status `attr:"status"`
	Key    string `attr:"key"`
	Value  string `attr:"value"`
}

// Params are the parameters of the clients and of the server.
type Params struct {
	// The name of the service that looks things up in tables for other
	// programs.
	ProxymapServiceName string `param:"proxymap_service_name" default:"proxymap"`

	// The name of the service that changes tables for other programs.
	ProxywriteServiceName string `param:"proxywrite_service_name" default:"proxywrite"`
}
