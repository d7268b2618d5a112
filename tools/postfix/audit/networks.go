package audit

import (
	"os"
	"slices"
	"strings"

	"postrider/lib/base/network"
	"postrider/lib/base/text"
	"postrider/lib/mail/param"
)

// addressLists are the parameters that are lists of clients: names, addresses and
// networks.
var addressLists = []string{"debug_peer_list", "mynetworks", "permit_mx_backup_networks", "proxy_interfaces",
	"qmqpd_authorized_clients", "smtpd_authorized_verp_clients", "smtpd_authorized_xclient_hosts",
	"smtpd_authorized_xforward_hosts", "smtpd_client_event_limit_exceptions", "smtpd_sasl_exceptions_networks"}

// checkNetworks looks at the networks of lists among names: those with bits beyond
// the mask, those that are none, and those that are the whole world.
func (a *audit) checkNetworks(s *param.Settings, names []string) {
	for _, name := range names {
		value, set := s.Get(name)
		if !set || !slices.Contains(addressLists, name) {
			continue
		}
		value, err := s.Evaluate(value)
		if err != nil {
			continue // which was said
		}
		for _, item := range text.SplitBraces(value) {
			word := strings.TrimLeft(item, "!")
			if strings.HasPrefix(word, "/") {
				a.checkNetworkFile(s, name, word)
			} else if reason := a.wrongNetwork(name, item); reason != "" {
				a.reportAt(s, name, "%s", reason)
			}
		}
	}
}

// wrongNetwork is what is wrong with one item of a list; "" when nothing is.
func (a *audit) wrongNetwork(name, item string) string {
	word := strings.TrimLeft(item, "!")
	if !likeNetwork(word) {
		return "" // a name, or a table
	}
	net, exact, err := network.Parse(word)
	switch {
	case err != nil:
		return err.Error()
	case net.Bits() == 0 && word == item && name != "debug_peer_list":
		return item + ": this is the whole internet; " + whole(name)
	case !exact:
		return network.HostBits(word, net)
	}
	return ""
}

func whole(name string) string {
	if name == "mynetworks" {
		return "everybody can send mail to everybody through this machine"
	}
	return "everybody has the rights that this list gives"
}

// likeNetwork tells what is meant as an address from a name.
func likeNetwork(word string) bool {
	base, _, _ := strings.Cut(word, "/")
	if strings.HasPrefix(word, "[") || strings.Count(base, ":") > 1 && !strings.Contains(word, ":/") {
		return true
	}
	return base != "" && strings.Trim(base, "0123456789.") == "" && strings.Contains(base, ".")
}

// checkNetworkFile looks at the networks in a file, one in a line.
func (a *audit) checkNetworkFile(s *param.Settings, name, path string) {
	data, err := os.ReadFile(path)
	if err != nil {
		return // which is said where tables are looked at
	}
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for _, item := range text.Split(line) {
			if reason := a.wrongNetwork(name, item); reason != "" {
				a.reportAt(s, name, "%s, line %d: %s", path, number, reason)
			}
		}
	}
}
