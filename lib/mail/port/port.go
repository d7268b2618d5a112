// Package port knows the numbers of TCP services by their names.
package port

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Params name the services that need no lookup.
type Params struct {
	// The numbers of well-known ports: "name=number", also
	// "name=name=number". Other names are looked up in /etc/services.
	KnownTCPPorts string `param:"known_tcp_ports" default:"lmtp=24, smtp=25, smtps=submissions=465, submission=587"`
}

// Number gives the number of a port by its name or its digits.
func (p *Params) Number(name string) (int, error) {
	text := name
	if known := p.known(name); known != "" {
		text = known
	}
	if n, err := strconv.ParseUint(text, 10, 16); err == nil && n > 0 {
		return int(n), nil
	}
	if text == name {
		if n := service(name, "/etc/services"); n > 0 {
			return n, nil
		}
	}
	return 0, fmt.Errorf("unknown service: %s/tcp", name)
}

// known looks a name up in the parameter.
func (p *Params) known(name string) string {
	for _, entry := range strings.FieldsFunc(p.KnownTCPPorts, separator) {
		for rest := entry; ; {
			left, right, more := strings.Cut(rest, "=")
			if !more {
				break
			}
			if left == name {
				return entry[strings.LastIndexByte(entry, '=')+1:]
			}
			rest = right
		}
	}
	return ""
}

func separator(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' }

// service looks a name up in a file like services(5); 0 means that it is not there.
func service(name, file string) int {
	f, err := os.Open(file)
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		digits, protocol, _ := strings.Cut(words[1], "/")
		n, err := strconv.ParseUint(digits, 10, 16)
		if err != nil || protocol != "tcp" {
			continue
		}
		for i, word := range words {
			if i != 1 && word == name {
				return int(n)
			}
		}
	}
	return 0
}
