package client

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"
)

// A digest is DIGEST-MD5: old, and obsolete since RFC 6331, but what some servers
// have. Only qop=auth: TLS does the rest better.
type digest struct {
	Login
	proof    string // what the server has to show
	verified bool
	nonce    string
}

func newDigest(who Login) Exchange { return &digest{Login: who, nonce: rand.Text()} }

func (d *digest) Initial() []byte { return nil }

func (d *digest) Next(challenge []byte) ([]byte, error) {
	fields := digestFields(string(challenge))
	switch {
	case d.verified:
		return nil, errMalformed
	case d.proof != "":
		if fields["rspauth"] != d.proof {
			return nil, errServer
		}
		d.verified = true
		return nil, nil
	}
	return d.answer(fields)
}

// answer proves that we know the password. RFC 2831, section 2.1.2.
func (d *digest) answer(fields map[string]string) ([]byte, error) {
	qops := strings.FieldsFunc(fields["qop"], func(r rune) bool { return r == ',' || r == ' ' })
	if fields["nonce"] == "" || fields["algorithm"] != "md5-sess" || len(qops) > 0 && !slices.Contains(qops, "auth") {
		return nil, errMalformed
	}
	realm, named := fields["realm"]
	if !named {
		realm = d.Host
	}
	uri := d.Service + "/" + d.Host
	secret := md5.Sum([]byte(d.User + ":" + realm + ":" + d.Password))
	a1 := string(secret[:]) + ":" + fields["nonce"] + ":" + d.nonce
	if d.Authorize != "" {
		a1 += ":" + d.Authorize
	}
	with := func(method string) string {
		return hexMD5(hexMD5(a1) + ":" + fields["nonce"] + ":00000001:" + d.nonce + ":auth:" + hexMD5(method+":"+uri))
	}
	d.proof = with("")
	var b strings.Builder
	if fields["charset"] == "utf-8" {
		b.WriteString("charset=utf-8,")
	}
	for _, f := range [][2]string{{"username", d.User}, {"realm", realm}, {"nonce", fields["nonce"]}, {"cnonce", d.nonce}} {
		b.WriteString(f[0] + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(f[1]) + `",`)
	}
	b.WriteString("nc=00000001,qop=auth,digest-uri=\"" + uri + "\",response=" + with("AUTHENTICATE"))
	if d.Authorize != "" {
		b.WriteString(`,authzid="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(d.Authorize) + `"`)
	}
	return []byte(b.String()), nil
}

func (d *digest) Done() error {
	if !d.verified {
		return errServer
	}
	return nil
}

func hexMD5(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// digestFields reads name=value and name="value", separated by commas. Of several
// realms the first one counts.
func digestFields(text string) map[string]string {
	fields := map[string]string{}
	for text != "" {
		text = strings.TrimLeft(text, ", \t\r\n")
		name, rest, ok := strings.Cut(text, "=")
		if !ok {
			break
		}
		var value string
		value, text = digestValue(rest)
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := fields[name]; !twice {
			fields[name] = value
		}
	}
	return fields
}

// digestValue takes a value, which may be in quotes.
func digestValue(text string) (value, rest string) {
	text = strings.TrimLeft(text, " \t")
	if !strings.HasPrefix(text, `"`) {
		value, rest, _ = strings.Cut(text, ",")
		return strings.TrimSpace(value), rest
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		case c == '"':
			return b.String(), text[i+1:]
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}
