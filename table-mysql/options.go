package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-sql-driver/mysql"

	"postrider/lib/base/table/settings"
)

// optionFile reads what a file in the form of my.cnf says in the group [client] or
// another one. Parameters of the table go before.
func optionFile(c *mysql.Config, path, group string) error {
	if path == "" {
		if group != "" {
			return errors.New("option_group is set without option_file")
		}
		return nil
	}
	if group == "" {
		group = "client"
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("option_file: %w", err)
	}
	defer f.Close()
	options := map[string]*string{"user": &c.User, "password": &c.Passwd, "database": &c.DBName}
	for _, to := range options {
		if *to != "" {
			old := *to
			defer func() { *to = old }()
		}
	}
	inside := false
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "[") {
			inside = line == "["+group+"]"
			continue
		}
		name, value, _ := strings.Cut(line, "=")
		if to := options[strings.TrimSpace(name)]; inside && to != nil {
			*to = strings.Trim(strings.TrimSpace(value), `"'`)
		}
	}
	return lines.Err()
}

// encrypt reads the parameters of TLS. It is used when one of them is set.
func encrypt(c *mysql.Config, s *settings.Settings) error {
	cert, key := s.Text("tls_cert_file", ""), s.Text("tls_key_file", "")
	file, dir := s.Text("tls_CAfile", ""), s.Text("tls_CApath", "")
	verify := s.Bool("tls_verify_cert", false)
	if s.Text("tls_ciphers", "") != "" {
		return errors.New("tls_ciphers is not supported: Go's library chooses")
	}
	if cert+key+file+dir == "" && !verify {
		return nil
	}
	t := &tls.Config{InsecureSkipVerify: !verify}
	if cert != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return fmt.Errorf("tls_cert_file: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	files := []string{file}
	if dir != "" {
		more, _ := filepath.Glob(dir + "/*")
		files = append(files, more...)
	}
	for _, name := range files {
		if name == "" {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("tls_CAfile, tls_CApath: %w", err)
		}
		if t.RootCAs == nil {
			t.RootCAs = x509.NewCertPool()
		}
		t.RootCAs.AppendCertsFromPEM(text)
	}
	c.TLS = t
	return nil
}
