package param

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// computed returns the defaults that no text can give.
func (s *Settings) computed(name string) (value string, ok bool, err error) {
	switch name {
	case "myhostname":
		value, err = s.myHostname()
	case "mydomain":
		value, err = s.myDomain()
	case "mynetworks":
		value, err = s.networks()
	case "config_directory":
		value = s.dir
	case "process_name":
		value = filepath.Base(os.Args[0])
	case "process_id":
		value = strconv.Itoa(os.Getpid())
	case "service_name": // a server overrides it with the name in master.cf
		value = filepath.Base(os.Args[0])
	case "mail_version":
		value = Version
	case "mail_release_date":
		value = ReleaseDate
	default:
		return "", false, nil
	}
	return value, true, err
}

// Computed reports whether a parameter has a default that is no text.
func Computed(name string) bool {
	switch name {
	case "myhostname", "mydomain", "mynetworks", "config_directory", "process_name", "process_id",
		"service_name", "mail_version", "mail_release_date":
		return true
	}
	return false
}

// noDomain is the domain of a machine that knows none.
const noDomain = "localdomain"

// myHostname returns the name of the system, made fully qualified with mydomain.
func (s *Settings) myHostname() (string, error) {
	name, err := systemName()
	if err != nil {
		return "", fmt.Errorf("cannot find the name of this system: %w", err)
	}
	if !validHostname(name) {
		return "", fmt.Errorf("the name of this system, %q, is no host name; set myhostname in main.cf", name)
	}
	if strings.IndexByte(name, '.') >= 0 {
		return name, nil
	}
	domain := noDomain
	if value, set := s.set["mydomain"]; set {
		if domain, err = s.Evaluate(value.value); err != nil {
			return "", err
		}
	}
	return name + "." + domain, nil
}

// systemName can be replaced by tests.
var systemName = os.Hostname

// myDomain returns myhostname less its first label.
func (s *Settings) myDomain() (string, error) {
	name, err := s.Evaluate("$myhostname")
	if err != nil {
		return "", err
	}
	if _, domain, found := strings.Cut(name, "."); found {
		return domain, nil
	}
	return noDomain, nil
}

// validHostname reports whether name consists of labels of letters, digits,
// hyphens and underscores. Source: RFC 952, RFC 1123, section 2.1; underscores
// are in use.
func validHostname(name string) bool {
	if len(name) > 255 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c >= 0x80) {
				return false
			}
		}
	}
	return true
}
