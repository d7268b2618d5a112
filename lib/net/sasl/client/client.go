// Package client logs in at servers.
//
// Mechanisms that keep the password from the server come first, then those that
// keep it from who listens, then the others. What needs more than a password, such
// as the tokens of OAuth, is used only when nothing else is offered and allowed:
// with smtp_sasl_mechanism_filter the administrator asks for it.
//
// Sources: RFC 4616 (PLAIN), 2195 (CRAM-MD5), 2831 (DIGEST-MD5), 5802 and 7677
// (SCRAM), 4422 (EXTERNAL), 4505 (ANONYMOUS), 7628 (OAUTHBEARER). LOGIN and XOAUTH2
// are documented only by those who use them.
package client

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"postrider/lib/net/sasl"
)

// A Login is who we are.
type Login struct {
	User, Password string
	Authorize      string // for whom to act, if not for the user
	Service, Host  string // "smtp", "mail.example.com": where we want to log in
}

// An Exchange is one attempt to log in.
type Exchange interface {
	// Initial is what to say with the command; nil when the server begins.
	Initial() []byte
	// Next answers a challenge. After an error there is nothing more to say.
	Next(challenge []byte) ([]byte, error)
	// Done is for the end: an error when the server calls it success, but has
	// not proved what it had to.
	Done() error
}

// errUnexpected says that a server wants to know more than the mechanism has.
var errUnexpected = errors.New("generic failure")

// mechanisms stand in the order of preference.
var mechanisms = []struct {
	sasl.Mechanism
	begin func(Login) Exchange
}{
	{mechanism("SCRAM-SHA-512", sasl.Dictionary|sasl.MutualAuth), scramWith(sha512.New)},
	{mechanism("SCRAM-SHA-256", sasl.Dictionary|sasl.MutualAuth), scramWith(sha256.New)},
	{mechanism("SCRAM-SHA-1", sasl.Dictionary|sasl.MutualAuth), scramWith(sha1.New)},
	{mechanism("DIGEST-MD5", sasl.Dictionary|sasl.Active|sasl.MutualAuth), newDigest},
	{mechanism("CRAM-MD5", sasl.Dictionary|sasl.Active), newCram},
	{mechanism("PLAIN", readable), newPlain},
	{mechanism("LOGIN", readable), newLogin},
	{mechanism("EXTERNAL", 0), newExternal},
	{mechanism("OAUTHBEARER", readable), newBearer},
	{mechanism("XOAUTH2", readable), newXOAuth},
	{mechanism("ANONYMOUS", sasl.Anonymous|sasl.Dictionary|sasl.Active), newAnonymous},
}

// readable are the weaknesses of what sends the password itself.
const readable = sasl.Plaintext | sasl.Active | sasl.Dictionary

func mechanism(name string, p sasl.Properties) sasl.Mechanism {
	return sasl.Mechanism{Name: name, Properties: p}
}

// Choose begins with the best mechanism among those that the server has, or returns
// nil when none of them is known and allowed.
func Choose(offered []string, o sasl.Options, who Login) (name string, x Exchange) {
	for _, m := range mechanisms {
		if !o.Allow(m.Properties) {
			continue
		}
		if slices.ContainsFunc(offered, func(s string) bool { return strings.EqualFold(s, m.Name) }) {
			return m.Name, m.begin(who)
		}
	}
	return "", nil
}

// A script is a mechanism without anything to compute: a list of answers.
type script struct {
	initial []byte
	answers []string
}

func (s *script) Initial() []byte { return s.initial }

func (s *script) Next([]byte) ([]byte, error) {
	if len(s.answers) == 0 {
		return nil, errUnexpected
	}
	answer := s.answers[0]
	s.answers = s.answers[1:]
	return []byte(answer), nil
}

func (s *script) Done() error { return nil }

func newPlain(who Login) Exchange {
	return &script{initial: []byte(who.Authorize + "\x00" + who.User + "\x00" + who.Password)}
}

// newLogin answers two questions: for the user, then for the password.
func newLogin(who Login) Exchange { return &script{answers: []string{who.User, who.Password}} }

// newExternal leaves it to the server to know us by our certificate.
func newExternal(who Login) Exchange { return &script{initial: []byte(who.User)} }

func newAnonymous(who Login) Exchange { return &script{initial: []byte(who.User)} }

// newXOAuth takes the password for an access token. A failure comes as a challenge
// with details, which wants an empty answer.
func newXOAuth(who Login) Exchange {
	return &script{initial: []byte("user=" + who.User + "\x01auth=Bearer " + who.Password + "\x01\x01"), answers: []string{""}}
}

// newBearer is newXOAuth as a standard. RFC 7628, section 3.
func newBearer(who Login) Exchange {
	user := strings.NewReplacer("=", "=3D", ",", "=2C").Replace(who.User)
	return &script{initial: []byte("n,a=" + user + ",\x01host=" + who.Host + "\x01auth=Bearer " + who.Password + "\x01\x01"),
		answers: []string{"\x01"}}
}

// A cram answers one challenge with a digest of it and the password.
type cram struct {
	Login
	done bool
}

func newCram(who Login) Exchange { return &cram{Login: who} }

func (c *cram) Initial() []byte { return nil }

func (c *cram) Next(challenge []byte) ([]byte, error) {
	if c.done {
		return nil, errUnexpected
	}
	c.done = true
	mac := hmac.New(md5.New, []byte(c.Password))
	mac.Write(challenge)
	return []byte(c.User + " " + hex.EncodeToString(mac.Sum(nil))), nil
}

func (c *cram) Done() error { return nil }
