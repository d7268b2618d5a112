package main

import (
	"errors"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/net/starttls"
)

// engine is TLS as this process offers it; nil: something is wrong.
var engine *starttls.Server

// open reads certificates while the process may still read all files. What is wrong
// with them is logged, and nobody gets TLS.
func open() {
	offered, must := conf.UseTLS || conf.EnforceTLS, conf.EnforceTLS
	if conf.SecurityLevel != "" {
		level, err := starttls.ParseLevel(conf.SecurityLevel)
		if err != nil {
			msg.Fatal("parameter tlsproxy_tls_security_level: %v", err)
		}
		offered, must = level >= starttls.May, level >= starttls.Encrypt
	}
	if !offered {
		msg.Warn("TLS is asked for, and tlsproxy_tls_security_level does not offer it")
		return
	}
	o, err := options(must)
	if err == nil {
		engine, err = starttls.NewServer(&conf.Library, o)
	}
	if err != nil {
		msg.Warn("%v: disabling TLS support", err)
	}
}

// options are what the parameters say.
func options(must bool) (o starttls.ServerOptions, err error) {
	var unknown []string
	if o.Log, unknown = starttls.ParseLog(conf.Loglevel); len(unknown) > 0 {
		msg.Warn("unknown tlsproxy_tls_loglevel value %q in %q", strings.Join(unknown, " "), conf.Loglevel)
	}
	protocols := conf.Protocols
	o.CipherGrade, o.Exclude, o.Service = conf.Ciphers, conf.ExcludeCiphers, "tlsproxy"
	if must {
		protocols, o.CipherGrade = conf.MandatoryProtocols, conf.MandatoryCiphers
		o.Exclude += " " + conf.MandatoryExcludeCiphers
	}
	if o.Versions, err = starttls.ParseVersions(protocols); err != nil {
		return o, err
	}
	if o.Digest, err = starttls.ParseDigest("sha256"); err != nil {
		return o, err
	}
	if o.Names, err = table.OpenList(conf.SNIMaps, table.FoldKey|table.SourceIsFile); err != nil {
		return o, err
	}
	o.Certificates, err = starttls.LoadServer(conf.ChainFiles, [2]string{conf.CertFile, conf.KeyFile}, [2]string{conf.ECCertFile, conf.ECKeyFile})
	if err == nil && len(o.Certificates) == 0 && o.Names.Empty() {
		err = errors.New("no server certificates available")
	}
	return o, err
}
