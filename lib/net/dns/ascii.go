package dns

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// profile maps letters as people type them, and leaves to ValidHostname what a
// label may be made of: "_dmarc" is a fine name.
var profile = idna.New(idna.MapForLookup(), idna.StrictDomainName(false))

// Names are the parameters for internationalized domain names.
type Names struct {
	// Whether names are converted as before IDNA 2008, which makes four letters others:
	// the German sharp s is "ss". The sites of such names have not changed.
	EnableIDNA2003 bool `param:"enable_idna2003_compatibility" default:"no"`
}

// Use makes ToASCII follow them.
func (n Names) Use() {
	profile = idna.New(idna.MapForLookup(), idna.StrictDomainName(false), idna.Transitional(n.EnableIDNA2003))
}

// ToASCII gives the form of an internationalized domain name that is used in
// the DNS. Names that are ASCII already stay as they are. RFC 5891.
func ToASCII(name string) (string, error) {
	if strings.IndexFunc(name, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		return name, nil
	}
	if !utf8.ValidString(name) {
		return "", errors.New("domain name is not UTF-8 text")
	}
	ascii, err := profile.ToASCII(name)
	if err != nil {
		return "", fmt.Errorf("domain name cannot be converted to ASCII: %w", err)
	}
	return ascii, nil
}
