package main

import (
	"crypto"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/option"
	"postrider/lib/mail/param"
	"postrider/tools/postfix/keys"
)

const tlsUsage = "usage: postfix tls enable-client (or enable-server, new-server-key, new-server-cert, deploy-server-cert, output-server-csr, output-server-tlsa, all-default-client, all-default-server)"

// tlsCommands are the words that may follow "postfix tls".
var tlsCommands = map[string]func(args []string) int{
	"all-default-client": func([]string) int { return yes(defaultTLS("smtp")) },
	"all-default-server": func([]string) int { return yes(defaultTLS("smtpd")) },
	"deploy-server-cert": deployCertificate,
	"enable-client":      enableClient,
	"enable-server":      enableServer,
	"new-server-cert":    func(args []string) int { return newCertificate("new-server-cert", args, true) },
	"new-server-key":     func(args []string) int { return newCertificate("new-server-key", args, false) },
	"output-server-csr":  outputRequest,
	"output-server-tlsa": outputTLSA,
}

// certificates manages TLS: "postfix tls".
func certificates(args []string) int {
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	run, found := tlsCommands[name]
	if !found {
		msg.Error("unknown tls command: '%s'", name)
		msg.Fatal(tlsUsage)
	}
	return run(args[1:])
}

func yes(is bool) int {
	if is {
		return 0
	}
	return 1
}

// keyFiles are the parameters with the server's files, by algorithm.
var keyFiles = []struct{ algorithm, prefix, cert, key string }{
	{"rsa", "", "smtpd_tls_cert_file", "smtpd_tls_key_file"},
	{"ecdsa", "ec", "smtpd_tls_eccert_file", "smtpd_tls_eckey_file"},
}

// defaultTLS tells whether all TLS settings of smtp or smtpd are as they come.
func defaultTLS(program string) bool {
	for _, name := range settings.Names() {
		rest, ours := strings.CutPrefix(name, program+"_")
		if !ours || !strings.HasPrefix(rest, "tls_") && rest != "use_tls" && rest != "enforce_tls" {
			continue
		}
		if p := param.Lookup(name); p == nil || settings.Value(name) != settings.Expand(p.Default) {
			return false
		}
	}
	return true
}

// notYet warns when no program of this release acts upon the settings.
func notYet(program, name string) {
	if p := param.Lookup(name); p != nil && p.Unread {
		msg.Warn("%s(8) of this release has no TLS: the settings have no effect yet", program)
	}
}

func reloadHint() {
	msg.Info("The running mail system takes the new settings over with:")
	msg.Info("  # postfix reload")
}

// keyOptions are the options of commands that make keys.
type keyOptions struct {
	random, algorithm, bits string
	hosts                   []string
}

func readKeyOptions(name, spec, usage string, args []string) keyOptions {
	o := keyOptions{algorithm: "rsa"}
	list, rest, err := option.Parse(args, spec)
	if err != nil {
		msg.Error("postfix tls %s: %v", name, err)
		msg.Fatal("usage: postfix tls %s %s", name, usage)
	}
	for _, opt := range list {
		switch opt.Letter {
		case 'r':
			o.random = opt.Value
		case 'a':
			o.algorithm = strings.ToLower(opt.Value)
		case 'b':
			o.bits = opt.Value
		}
	}
	o.hosts = rest
	return o
}

// names are the names for a certificate.
func names(hosts []string) []string {
	if len(hosts) == 0 {
		return []string{conf.MyHostname}
	}
	return hosts
}

// sessionCache lets tlsmgr(8) save sessions. The type does not matter to ours; this
// one is right for others.
const sessionCache = "smtp_tls_session_cache_database = btree:${data_directory}/smtp_scache"

func enableClient(args []string) int {
	o := readKeyOptions("enable-client", "r:", "[-r devrandom]", args)
	if len(o.hosts) > 0 {
		msg.Fatal("usage: postfix tls enable-client [-r devrandom]")
	}
	if !defaultTLS("smtp") {
		msg.Info("*** Non-default SMTP client TLS settings detected, no changes made.")
		msg.Info("These are usual for encryption where servers offer it:")
		msg.Info("  smtp_tls_security_level = may")
		msg.Info("  smtp_tls_loglevel = 1")
		msg.Info("  %s", sessionCache)
		return 0
	}
	if !changeParameters(withRandom(o, "smtp_tls_security_level=may", "smtp_tls_loglevel=1", sessionCache)) {
		return 1
	}
	msg.Info("Enabled opportunistic TLS in the Postfix SMTP client.")
	notYet("smtp", "smtp_tls_loglevel")
	reloadHint()
	return 0
}

func withRandom(o keyOptions, words ...string) []string {
	if o.random != "" {
		words = append(words, "tls_random_source="+o.random)
	}
	return words
}

func enableServer(args []string) int {
	o := readKeyOptions("enable-server", "r:a:b:", "[-r devrandom] [-a algorithm] [-b bits] [hostname ...]", args)
	if !defaultTLS("smtpd") {
		msg.Info("*** Non-default SMTP server TLS settings detected, no changes made.")
		msg.Info("These are usual for encryption where clients want it:")
		msg.Info("  smtpd_tls_security_level = may")
		msg.Info("  smtpd_tls_loglevel = 1")
		msg.Info("\"postfix tls new-server-cert\" makes a new certificate, \"postfix tls new-server-key\" a new key too.")
		msg.Info("Whoever publishes TLSA records changes these before the key: RFC 7671, section 8.1.")
		return 0
	}
	key, err := keys.New(o.algorithm, o.bits)
	if err != nil {
		msg.Fatal("error generating new %s %s private key: %v", o.algorithm, o.bits, err)
	}
	cert, path, err := writePair(key, names(o.hosts))
	if err != nil {
		msg.Fatal("%v", err)
	}
	words := append(deployment(key, cert, path), "smtpd_tls_security_level=may", "smtpd_tls_loglevel=1", "smtpd_tls_received_header=yes")
	if !changeParameters(withRandom(o, words...)) {
		return 1
	}
	msg.Info("Enabled opportunistic TLS in the Postfix SMTP server")
	notYet("smtpd", "smtpd_tls_security_level")
	reloadHint()
	whatNext(cert, path)
	return 0
}

// newCertificate makes a certificate and its key, which may be the one in use.
func newCertificate(name string, args []string, sameKey bool) int {
	o := readKeyOptions(name, "a:b:", "[-a algorithm] [-b bits] [hostname ...]", args)
	var key crypto.Signer
	var err error
	if path := keyFile(o.algorithm); sameKey && path != "" {
		key, err = keys.Load(path)
	} else if key, err = keys.New(o.algorithm, o.bits); err != nil {
		err = fmt.Errorf("error generating new %s %s private key: %w", o.algorithm, o.bits, err)
	}
	if err != nil {
		msg.Fatal("%v", err)
	}
	cert, path, err := writePair(key, names(o.hosts))
	if err != nil {
		msg.Fatal("%v", err)
	}
	msg.Info("New private key and self-signed certificate created. To deploy run:")
	msg.Info("  # postfix tls deploy-server-cert %s %s", cert, path)
	whatNext(cert, path)
	return 0
}

func whatNext(cert, key string) {
	msg.Info("To generate a CSR run:")
	msg.Info("  # postfix tls output-server-csr -k %s [<hostname> ...]", key)
	msg.Info("The signed certificate, with those of its issuers behind it, replaces the text of %s.", cert)
	msg.Info("To generate TLSA records run:")
	msg.Info("  # postfix tls output-server-tlsa [-h <hostname>] %s", key)
	msg.Info("They must be in the DNS, and old ones forgotten everywhere, before the key is used.")
}

// writePair writes a key and its certificate into new files of the configuration
// folder. Nobody but the superuser may read the key.
func writePair(key crypto.Signer, hosts []string) (cert, path string, err error) {
	keyText, err := keys.Marshal(key)
	if err != nil {
		return "", "", err
	}
	certText, err := keys.SelfSigned(key, hosts)
	if err != nil {
		return "", "", err
	}
	prefix := ""
	for _, f := range keyFiles {
		if f.algorithm == keys.Algorithm(key) {
			prefix = f.prefix
		}
	}
	for now := time.Now().UTC(); ; now = now.Add(time.Second) {
		end := now.Format("20060102-150405") + ".pem"
		path = filepath.Join(param.Dir(), prefix+"key-"+end)
		cert = filepath.Join(param.Dir(), prefix+"cert-"+end)
		err = writeNew(path, keyText, 0o600)
		if os.IsExist(err) {
			continue // the one of this second is there already
		}
		if err == nil {
			err = writeNew(cert, certText, 0o644)
		}
		return cert, path, err
	}
}

func writeNew(path string, text []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	return err
}

// deployment gives the settings for a certificate and its key.
func deployment(key crypto.Signer, cert, path string) []string {
	for _, f := range keyFiles {
		if f.algorithm == keys.Algorithm(key) {
			return []string{f.cert + "=" + cert, f.key + "=" + path}
		}
	}
	return nil
}

func deployCertificate(args []string) int {
	if len(args) != 2 {
		msg.Fatal("usage: postfix tls deploy-server-cert certfile keyfile")
	}
	cert, path := inConfig(args[0]), inConfig(args[1])
	key, err := keys.Load(path)
	if err != nil {
		msg.Fatal("%v", err)
	}
	belongs, err := keys.Belongs(cert, key)
	if err != nil {
		msg.Fatal("%v", err)
	}
	if !belongs {
		msg.Fatal("Certificate in %s does not match key in %s", cert, path)
	}
	if !changeParameters(deployment(key, cert, path)) {
		return 1
	}
	msg.Info("New TLS private key and certificate deployed.")
	notYet("smtpd", "smtpd_tls_security_level")
	reloadHint()
	return 0
}

// inConfig makes a name absolute that is relative to the configuration folder.
func inConfig(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(param.Dir(), name)
}

// keyFile is the file with the server's key of an algorithm; "" when there is
// none.
func keyFile(algorithm string) string {
	for _, f := range keyFiles {
		if f.algorithm != algorithm {
			continue
		}
		if name := settings.Value(f.key); name != "" && name != "none" {
			return inConfig(name)
		}
	}
	return ""
}

// usableKeys finds the files that words stand for: algorithms, or files.
func usableKeys(words []string) []string {
	var list []string
	for _, word := range words {
		switch strings.ToLower(word) {
		case "rsa", "ecdsa":
			if path := keyFile(strings.ToLower(word)); path != "" {
				list = append(list, path)
			}
		default:
			list = append(list, inConfig(word))
		}
	}
	return list
}

func outputRequest(args []string) int {
	words := []string{"rsa", "ecdsa"}
	list, hosts, err := option.Parse(args, "k:")
	if err != nil {
		msg.Error("postfix tls output-server-csr: %v", err)
		msg.Fatal("usage: postfix tls output-server-csr [-k keyfile] [hostname ...]")
	}
	for _, opt := range list {
		words = []string{opt.Value}
	}
	files := usableKeys(words)
	if len(files) == 0 {
		msg.Fatal("No usable keyfile specified or configured")
	}
	key, err := keys.Load(files[0])
	if err != nil {
		msg.Fatal("%v", err)
	}
	text, err := keys.Request(key, names(hosts))
	if err != nil {
		msg.Fatal("make a request for a certificate: %v", err)
	}
	return write(string(text))
}

func outputTLSA(args []string) int {
	host := conf.MyHostname
	list, words, err := option.Parse(args, "h:")
	if err != nil {
		msg.Error("postfix tls output-server-tlsa: %v", err)
		msg.Fatal("usage: postfix tls output-server-tlsa [-h hostname] [keyfile ...]")
	}
	for _, opt := range list {
		host = opt.Value
	}
	if len(words) == 0 {
		words = []string{"rsa", "ecdsa"}
	}
	files := usableKeys(words)
	if len(files) == 0 {
		msg.Fatal("No usable keyfiles specified or configured")
	}
	for _, path := range files {
		key, err := keys.Load(path)
		if err != nil {
			msg.Fatal("%v", err)
		}
		record, err := keys.TLSA(key, host)
		if err != nil {
			msg.Fatal("%s: %v", path, err)
		}
		if write("; "+path+"\n"+record+"\n") != 0 {
			return 1
		}
	}
	return 0
}

func write(text string) int {
	if _, err := os.Stdout.WriteString(text); err != nil {
		msg.Error("write to standard output: %v", err)
		return 1
	}
	return 0
}
