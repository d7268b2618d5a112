// Package dnsblog is what postscreen(8) and dnsblog(8) say to each other about
// clients and lists in the DNS.
package dnsblog

// A Request asks whether a list has an address.
type Request struct {
	Domain  string `attr:"rbl_domain"`
	Address string `attr:"client_address"`
	Label   int    `attr:"label"` // for the one who asks
}

// A Reply repeats the request and gives the answer.
type Reply struct {
	Request
	Found string `attr:"rbl_addr"` // addresses of the entry with spaces between; empty: there is none
	TTL   int    `attr:"ttl"`      // how long this is good, in seconds; -1: nobody knows
}
