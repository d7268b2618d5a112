package client

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"hash"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// mostIterations is how much work a server may ask for: a second or so.
const mostIterations = 5_000_000

// Errors of mechanisms in which the server has to prove something, too.
var (
	errMalformed = errors.New("bad protocol / cancel")
	errServer    = errors.New("server failed mutual authentication step")
)

// A scram shows that both sides know the password, or what was made of it, without
// telling it. RFC 5802; without channel binding.
type scram struct {
	Login
	hash     func() hash.Hash
	nonce    string
	first    string // our first message without its header
	proof    []byte // what the server has to show
	verified bool
}

func scramWith(h func() hash.Hash) func(Login) Exchange {
	return func(who Login) Exchange {
		s := &scram{Login: who, hash: h, nonce: rand.Text()}
		s.first = "n=" + escapeName(prepare(who.User)) + ",r=" + s.nonce
		return s
	}
}

// header says: no channel binding; for whom we act.
func (s *scram) header() string {
	if s.Authorize == "" {
		return "n,,"
	}
	return "n,a=" + escapeName(prepare(s.Authorize)) + ","
}

func (s *scram) Initial() []byte { return []byte(s.header() + s.first) }

func (s *scram) Next(challenge []byte) ([]byte, error) {
	switch {
	case s.verified:
		return nil, errMalformed
	case s.proof == nil:
		return s.answer(string(challenge))
	}
	return s.verify(string(challenge))
}

// answer proves that we know the password. RFC 5802, section 3.
func (s *scram) answer(challenge string) ([]byte, error) {
	fields := scramFields(challenge)
	salt, err := base64.StdEncoding.DecodeString(fields['s'])
	count, err2 := strconv.Atoi(fields['i'])
	nonce := fields['r']
	if err != nil || err2 != nil || count < 1 || count > mostIterations || fields['m'] != "" ||
		!strings.HasPrefix(nonce, s.nonce) || nonce == s.nonce {
		return nil, errMalformed
	}
	salted, err := pbkdf2.Key(s.hash, prepare(s.Password), salt, count, s.hash().Size())
	if err != nil {
		return nil, err
	}
	final := "c=" + base64.StdEncoding.EncodeToString([]byte(s.header())) + ",r=" + nonce
	all := s.first + "," + challenge + "," + final
	key := s.mac(salted, "Client Key")
	stored := s.hash()
	stored.Write(key)
	signature := s.mac(stored.Sum(nil), all)
	for i := range key {
		key[i] ^= signature[i]
	}
	s.proof = s.mac(s.mac(salted, "Server Key"), all)
	return []byte(final + ",p=" + base64.StdEncoding.EncodeToString(key)), nil
}

// verify looks whether the server knows the password.
func (s *scram) verify(last string) ([]byte, error) {
	got, err := base64.StdEncoding.DecodeString(scramFields(last)['v'])
	if err != nil || !bytes.Equal(got, s.proof) {
		return nil, errServer
	}
	s.verified = true
	return nil, nil
}

func (s *scram) Done() error {
	if !s.verified {
		return errServer
	}
	return nil
}

func (s *scram) mac(key []byte, text string) []byte {
	m := hmac.New(s.hash, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// scramFields reads "r=...,s=...".
func scramFields(text string) map[byte]string {
	fields := map[byte]string{}
	for field := range strings.SplitSeq(text, ",") {
		if len(field) > 1 && field[1] == '=' {
			fields[field[0]] = field[2:]
		}
	}
	return fields
}

func escapeName(name string) string { return strings.NewReplacer("=", "=3D", ",", "=2C").Replace(name) }

// prepare makes one form of all those that look the same, as far as people's names
// and passwords have several. RFC 4013, section 2.1 and 2.2.
func prepare(s string) string {
	return norm.NFKC.String(strings.Map(func(r rune) rune {
		switch {
		case r == 0xad, r >= 0x200b && r <= 0x200d, r == 0x2060, r == 0xfeff:
			return -1
		case r > 0x7f && unicode.Is(unicode.Zs, r):
			return ' '
		}
		return r
	}, s))
}
