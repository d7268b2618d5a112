package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"postrider/lib/mail/param"
)

func readerFor(t *testing.T, p parameters) *reader {
	t.Helper()
	if p.DefaultProcessLimit == 0 {
		p.DefaultProcessLimit = 100
	}
	p.DaemonDirectory = "/libexec"
	if p.InetProtocols == "" {
		p.InetProtocols = "ipv4"
	}
	p.KnownTCPPorts = "smtp=25, smtps=submissions=465"
	settings := param.New(t.TempDir())
	settings.Override("compatibility_level", "3.6")
	return &reader{conf: &p, settings: settings, detached: true}
}

func read(t *testing.T, r *reader, text string) ([]spec, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "master.cf")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return r.read(path)
}

// S1.3: what master.cf says becomes command lines, limits and addresses.
func TestSpec(t *testing.T) {
	p := parameters{}
	p.InetInterfaces = "all"
	for _, test := range []struct{ entry, head, addresses string }{
		{"smtp inet n - n - - smtpd", "smtpd -n smtp -t inet -u", "0.0.0.0 port 25"},
		{"submissions inet n - n - - smtpd -v", "smtpd -n submissions -t inet -u", "0.0.0.0 port 465"},
		{"127.0.0.1:26 inet n n n - 1 smtpd", "smtpd -l -n 127.0.0.1:26 -t inet", "127.0.0.1 port 26"},
		{"qmgr unix n - y 300 1 qmgr", "qmgr -l -t unix -u -c", "public/qmgr"},
		{"cleanup unix n - n - 0 cleanup", "cleanup -z -t unix -u", "public/cleanup"},
		{"relay unix - n n - - smtp", "smtp -n relay -t unix", "private/relay"},
		{"x pass - - n - - ../x/y", "../x/y -n x -t pass -u", "private/x"},
	} {
		specs, err := read(t, readerFor(t, p), test.entry)
		if err != nil || len(specs) != 1 {
			t.Errorf("%s: %d services, %v", test.entry, len(specs), err)
			continue
		}
		s := specs[0]
		var addresses []string
		for _, a := range s.addresses {
			addresses = append(addresses, a.String())
		}
		if got := strings.Join(s.head, " "); got != test.head {
			t.Errorf("%s: command line %q, want %q", test.entry, got, test.head)
		}
		if got := strings.Join(addresses, ", "); got != test.addresses {
			t.Errorf("%s: listens on %s, want %s", test.entry, got, test.addresses)
		}
	}
}

// S4.2.7: inet_interfaces, inet_protocols and addresses in names.
func TestAddresses(t *testing.T) {
	for _, test := range []struct{ interfaces, protocols, name, want string }{
		{"all", "ipv4", "25", "0.0.0.0 port 25"},
		{"127.0.0.1", "ipv4", "25", "127.0.0.1 port 25"},
		{"127.0.0.1, [::1]", "ipv6", "25", "::1 port 25"},
		{"loopback-only", "ipv4", "smtp", "127.0.0.1 port 25"},
		{"all", "ipv6", "[::1]:26", "::1 port 26"},
		{"all", "ipv6", "::1:26", "::1 port 26"},
		{"all", "ipv4", "127.0.0.2:smtp", "127.0.0.2 port 25"},
	} {
		p := parameters{}
		p.InetInterfaces, p.InetProtocols = test.interfaces, test.protocols
		if test.protocols == "ipv6" && !hasIPv6() {
			continue
		}
		specs, err := read(t, readerFor(t, p), test.name+" inet n - n - - smtpd")
		if err != nil || len(specs) != 1 || len(specs[0].addresses) != 1 {
			t.Errorf("%v: %v, %v", test, specs, err)
			continue
		}
		if got := specs[0].addresses[0].String(); got != test.want {
			t.Errorf("%v: listens on %s", test, got)
		}
	}
}

// Only what strangers can reach, with more than one process, knows stress.
func TestStressed(t *testing.T) {
	p := parameters{}
	p.InetInterfaces = "all"
	for entry, want := range map[string]bool{
		"25 inet n - n - - smtpd":             true,
		"25 inet n - n - 1 smtpd":             false,
		"25 inet n - n - 0 smtpd":             false,
		"127.0.0.1:25 inet n - n - - smtpd":   false,
		"25 unix n - n - - smtpd":             false,
		"192.0.2.1:2525 inet n - n - 2 smtpd": true,
	} {
		specs, err := read(t, readerFor(t, p), entry)
		if err != nil || len(specs) != 1 || specs[0].stress != want {
			t.Errorf("%s: %v, %v", entry, specs, err)
		}
	}
}

func TestDisabled(t *testing.T) {
	for _, test := range []struct{ list, service, kind, want string }{
		{"", "smtp", "inet", ""},
		{"inet", "smtp", "inet", "y"},
		{"inet", "smtp", "unix", ""},
		{"smtp.inet", "smtp", "inet", "y"},
		{"smtp/inet", "submission", "inet", ""},
		{"127.0.0.1:26.inet", "127.0.0.1:26", "inet", "y"},
		{"!submission/inet, inet", "submission", "inet", ""},
		{"!submission/inet, inet", "smtp", "inet", "y"},
		{"*/unix", "bounce", "unix", "y"},
	} {
		got := ""
		if disabledServices(test.list)(test.service, test.kind) {
			got = "y"
		}
		if got != test.want {
			t.Errorf("%v: got %q", test, got)
		}
	}
}

func TestWithoutWait(t *testing.T) {
	for in, want := range map[string]string{
		"master -w":             "master",
		"master -vw -c /x":      "master -v -c/x",
		"master -wc /w -e 5":    "master -c/w -e5",
		"master -c/w -D -wv -s": "master -c/w -D -v -s",
	} {
		if got := strings.Join(withoutWait(strings.Fields(in)), " "); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestImportEnvironment(t *testing.T) {
	got := importEnvironment([]string{"TZ=UTC", "PATH=/x", "LANG=de"}, "TZ LANG=C {A = b c} MISSING")
	if want := []string{"TZ=UTC", "LANG=C", "A=b c"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
