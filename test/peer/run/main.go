// Run runs one of the peers for tests: a name server or an SMTP server.
//
// # SYNOPSIS
//
//	go run ./test/peer/run zone -listen 127.0.0.1:53 [-secure] FILE
//	go run ./test/peer/run sink -listen 127.0.0.1:25 [-lmtp] [-name host]
//	    [-keyword PIPELINING]... [-rule "RCPT joe@x=450 4.2.0 later|250 Ok"]...
//	    [-delay 1s] [-dir DIRECTORY] [-cert FILE [-wrapped] [-tls12]]
//
// The name server answers from a zone file. The SMTP server writes each message
// to a file of its own in DIRECTORY, after the commands of its session, or to standard output. In a
// rule, answers are separated by "|" and the lines of one answer by "\n". With a file
// that has a certificate and its key, it offers STARTTLS or, wrapped, begins with TLS.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"

	"postrider/test/peer/sink"
	"postrider/test/peer/zone"
)

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("want a peer: zone or sink"))
	}
	var err error
	switch kind, args := os.Args[1], os.Args[2:]; kind {
	case "zone":
		err = runZone(args)
	case "sink":
		err = runSink(args)
	default:
		err = fmt.Errorf("unknown peer %q; want zone or sink", kind)
	}
	fail(err)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	<-stop
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func runZone(args []string) error {
	options := flag.NewFlagSet("zone", flag.ExitOnError)
	listen := options.String("listen", "127.0.0.1:53", "address and port")
	secure := options.Bool("secure", false, "answers are validated (AD bit)")
	options.Parse(args)
	if options.NArg() != 1 {
		return fmt.Errorf("zone: want one zone file")
	}
	text, err := os.ReadFile(options.Arg(0))
	if err != nil {
		return err
	}
	server, err := zone.Start(*listen, string(text))
	if err != nil {
		return err
	}
	server.Secure.Store(*secure)
	fmt.Println(server.Addr)
	return nil
}

// words collects the values of an option that may be given several times.
type words []string

func (w *words) String() string         { return strings.Join(*w, " ") }
func (w *words) Set(value string) error { *w = append(*w, value); return nil }

func runSink(args []string) error {
	o := sink.Options{Rules: map[string][]string{}}
	var keywords, rules words
	options := flag.NewFlagSet("sink", flag.ExitOnError)
	listen := options.String("listen", "127.0.0.1:25", "address and port, or the path of a socket")
	dir := options.String("dir", "", "where to put messages")
	options.StringVar(&o.Name, "name", "", "host name in the greeting")
	options.BoolVar(&o.LMTP, "lmtp", false, "speak LMTP")
	options.DurationVar(&o.Delay, "delay", 0, "time before each answer")
	cert := options.String("cert", "", "file with a certificate, its issuers, and its key")
	tls12 := options.Bool("tls12", false, "nothing newer than TLS 1.2")
	options.BoolVar(&o.Wrapped, "wrapped", false, "begin with TLS")
	options.Var(&keywords, "keyword", "a line of the reply to EHLO")
	options.Var(&rules, "rule", "stage=answer|answer")
	options.Parse(args)
	o.Keywords = keywords
	for _, rule := range rules {
		stage, answers, ok := strings.Cut(rule, "=")
		if !ok {
			return fmt.Errorf("rule %q: want stage=answer", rule)
		}
		o.Rules[stage] = strings.Split(strings.ReplaceAll(answers, `\n`, "\n"), "|")
	}
	if *cert != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *cert)
		if err != nil {
			return err
		}
		o.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
		if *tls12 {
			o.TLS.MaxVersion = tls.VersionTLS12
		}
	}
	var count atomic.Int64
	o.Keep = func(m sink.Message) {
		text := strings.Join(m.Commands, "\n") + "\n\n" + m.Data
		if *dir == "" {
			fmt.Println(text)
			return
		}
		name := filepath.Join(*dir, fmt.Sprintf("%06d", count.Add(1)))
		fail(os.WriteFile(name+".tmp", []byte(text), 0o644))
		fail(os.Rename(name+".tmp", name))
	}
	network := "tcp"
	if strings.Contains(*listen, "/") {
		network = "unix"
	}
	server, err := sink.Start(network, *listen, o)
	if err != nil {
		return err
	}
	fmt.Println(server.Addr)
	return nil
}
