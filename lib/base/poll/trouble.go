package poll

import (
	"errors"
	"net"
)

// Trouble says why a name has no address, in the words of getaddrinfo(3), which
// administrators know and scripts look for.
func Trouble(err error) string {
	var failed *net.DNSError
	var address *net.AddrError
	switch {
	case errors.As(err, &failed) && failed.IsNotFound:
		return "Name or service not known"
	case errors.As(err, &failed):
		return "Temporary failure in name resolution"
	case errors.As(err, &address):
		return "Address family for hostname not supported"
	}
	return err.Error()
}
