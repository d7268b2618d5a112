package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-ldap/ldap/v3"

	program "postrider/lib/base/table/driver"
	"postrider/lib/base/table/settings"
	"postrider/lib/base/text"
)

// A login is how the server is told who asks.
type login struct {
	bind, external bool
	name, password string
}

func readLogin(s *settings.Settings) (l login) {
	switch how := strings.ToLower(s.Text("bind", "yes")); how {
	case "yes":
		l.bind = true
	case "no", "none":
	case "sasl":
		l.external = true
		if list := text.Split(strings.ToUpper(s.Text("sasl_mechs", ""))); len(list) != 1 || list[0] != "EXTERNAL" {
			s.Bad("bind = sasl needs sasl_mechs = EXTERNAL, which is the only one here")
		}
	default:
		s.Bad("bad value %q of bind: need yes, no or sasl", how)
	}
	l.name, l.password = s.Text("bind_dn", ""), s.Text("bind_pw", "")
	for _, name := range []string{"sasl_realm", "sasl_authz_id", "sasl_minssf"} {
		s.Text(name, "")
	}
	return l
}

// encryption is what the parameters tls_* say.
type encryption struct{ config *tls.Config }

func readEncryption(s *settings.Settings) encryption {
	c := &tls.Config{InsecureSkipVerify: true}
	switch wish := strings.ToLower(s.Text("tls_require_cert", "no")); wish {
	case "no", "never", "allow":
	case "yes", "try", "demand", "hard":
		c.InsecureSkipVerify = false
	default:
		s.Bad("bad value %q of tls_require_cert: need yes or no", wish)
	}
	cert, key := s.Text("tls_cert", ""), s.Text("tls_key", "")
	if cert != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			s.Bad("tls_cert: %v", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	files := text.Split(s.Text("tls_ca_cert_file", ""))
	if dir := s.Text("tls_ca_cert_dir", ""); dir != "" {
		more, _ := filepath.Glob(dir + "/*")
		files = append(files, more...)
	}
	for _, name := range files {
		pem, err := os.ReadFile(name)
		if err != nil {
			s.Bad("tls_ca_cert_file, tls_ca_cert_dir: %v", err)
			continue
		}
		if c.RootCAs == nil {
			c.RootCAs = x509.NewCertPool()
		}
		c.RootCAs.AppendCertsFromPEM(pem)
	}
	for _, name := range []string{"tls_random_file", "tls_cipher_suite"} {
		if s.Text(name, "") != "" {
			program.Warn("%s: %s has no effect here", s.Table, name)
		}
	}
	return encryption{c}
}

// connect opens a connection to the first server that accepts one and the login.
func (d *directory) connect() (failures error) {
	d.disconnect()
	for _, server := range d.servers {
		conn, err := d.dial(server)
		if err == nil {
			d.conn = conn
			return nil
		}
		failures = errors.Join(failures, fmt.Errorf("%s: %w", server, err))
		if len(d.servers) > 1 {
			program.Warn("%s: %v", server, err)
		}
	}
	return failures
}

func (d *directory) dial(server string) (*ldap.Conn, error) {
	u, err := url.Parse(server)
	if err != nil {
		return nil, err
	}
	secure := d.secure.config.Clone()
	secure.ServerName = u.Hostname()
	conn, err := ldap.DialURL(server, ldap.DialWithDialer(&net.Dialer{Timeout: d.timeout}), ldap.DialWithTLSConfig(secure))
	if err != nil {
		return nil, err
	}
	conn.SetTimeout(d.timeout)
	if d.startTLS && u.Scheme == "ldap" {
		err = conn.StartTLS(secure)
	}
	if err == nil {
		err = d.login.to(conn)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// to says who asks.
func (l login) to(conn *ldap.Conn) error {
	switch {
	case l.external:
		return conn.ExternalBind()
	case !l.bind:
		return nil
	case l.password == "":
		return conn.UnauthenticatedBind(l.name)
	}
	return conn.Bind(l.name, l.password)
}

func (d *directory) disconnect() {
	if d.conn != nil {
		d.conn.Close()
		d.conn = nil
	}
}
