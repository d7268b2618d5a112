package dns

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// config is what resolv.conf(5) says.
type config struct {
	servers  []netip.AddrPort
	search   []string
	ndots    int           // names with so many dots are tried as they are first
	timeout  time.Duration // for one question to one server
	attempts int           // rounds through the servers
	rotate   bool          // begin each question with another server
	useTCP   bool          // option use-vc
	trustAD  bool          // the servers may be believed that they validated
}

// defaults are the ones of the system's library: the server is on this host.
func defaults() config {
	return config{ndots: 1, timeout: 5 * time.Second, attempts: 2}
}

func readConfig(path, standard string) (config, error) {
	c := defaults()
	err := eachLine(path, standard, func(line string) { c.line(line) })
	if err != nil {
		return c, fmt.Errorf("read resolver configuration: %w", err)
	}
	c.finish()
	return c, nil
}

// line takes over one line. Lines that nobody knows are skipped, as the
// manual has it.
func (c *config) line(line string) {
	words := strings.Fields(line)
	if len(words) < 2 || strings.ContainsAny(line[:1], "#;") {
		return
	}
	switch words[0] {
	case "nameserver":
		if a, err := netip.ParseAddr(words[1]); err == nil && len(c.servers) < 3 {
			c.servers = append(c.servers, netip.AddrPortFrom(a, 53))
		}
	case "domain":
		c.search = words[1:2]
	case "search":
		c.search = words[1:]
	case "options":
		for _, o := range words[1:] {
			c.option(o)
		}
	}
}

// option takes over one option; the limits are those of resolv.conf(5).
func (c *config) option(text string) {
	name, value, _ := strings.Cut(text, ":")
	n, err := strconv.Atoi(value)
	switch name {
	case "ndots":
		if err == nil && n >= 0 {
			c.ndots = min(n, 15)
		}
	case "timeout":
		if err == nil && n > 0 {
			c.timeout = time.Duration(min(n, 30)) * time.Second
		}
	case "attempts":
		if err == nil && n > 0 {
			c.attempts = min(n, 5)
		}
	case "rotate":
		c.rotate = true
	case "use-vc", "usevc", "tcp":
		c.useTCP = true
	case "trust-ad":
		c.trustAD = true
	}
}

// finish fills in what the file left open.
func (c *config) finish() {
	if len(c.servers) == 0 {
		c.servers = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:53")}
	}
	if c.search == nil {
		if host, err := os.Hostname(); err == nil {
			if _, domain, ok := strings.Cut(host, "."); ok && domain != "" {
				c.search = []string{domain}
			}
		}
	}
	for i, s := range c.search {
		c.search[i] = strings.Trim(s, ".")
	}
}

// trusted tells whether a server may be believed that it validated an answer:
// it is on this host, or the administrator said so.
func (c *config) trusted(server netip.AddrPort) bool {
	return c.trustAD || server.Addr().IsLoopback()
}

func parseServers(list []string) ([]netip.AddrPort, error) {
	var servers []netip.AddrPort
	for _, s := range list {
		ap, err := netip.ParseAddrPort(s)
		if err != nil {
			a, err := netip.ParseAddr(s)
			if err != nil {
				return nil, fmt.Errorf("name server %q: want an address, or address:port", s)
			}
			ap = netip.AddrPortFrom(a, 53)
		}
		servers = append(servers, ap)
	}
	return servers, nil
}

// hosts is the table of hosts(5), in both directions. Names are in lower case.
type hosts struct {
	addrs map[string][]netip.Addr
	names map[netip.Addr]string // the first name of the line
}

func readHosts(path, standard string) (hosts, error) {
	h := hosts{map[string][]netip.Addr{}, map[netip.Addr]string{}}
	err := eachLine(path, standard, func(line string) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) < 2 {
			return
		}
		addr, err := netip.ParseAddr(words[0])
		if err != nil {
			return
		}
		addr = addr.Unmap()
		if _, ok := h.names[addr]; !ok {
			h.names[addr] = words[1]
		}
		for _, name := range words[1:] {
			name = strings.ToLower(name)
			h.addrs[name] = append(h.addrs[name], addr)
		}
	})
	if err != nil {
		return h, fmt.Errorf("read table of hosts: %w", err)
	}
	return h, nil
}

func eachLine(path, standard string, do func(line string)) error {
	if path == "" {
		path = standard
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if text := lines.Text(); text != "" {
			do(text)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
