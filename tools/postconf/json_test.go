package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// jsonMain and jsonMaster are files whose values are hard to print.
const (
	jsonMain = "mydestination=$whatever\nwhatever=example.com\n" +
		"relay_domains = a \"q\"  b\\,\n\tc\n# inside\n     d\n" +
		"smtpd_banner = \x01\x7f\xff caf\u00e9 </>\n"
	jsonMaster = "foo unix - n n - 0 other\n -o mydestination=$whatever\n -o whatever=example.net\n" +
		"12345 inet n n n - - spawn\n -o { command_time_limit = 2 3 }\n user=nobody argv=/bin/sh -c { sleep 1 }\n"
)

// jsonFolder makes a folder with these files.
func jsonFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"main.cf": jsonMain, "master.cf": jsonMaster} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// The output of Postfix 3.11 for the same files.
func TestJSON(t *testing.T) {
	dir := jsonFolder(t)
	const fields = `{"foo/unix/service": "foo"}
{"foo/unix/type": "unix"}
{"foo/unix/private": "-"}
{"foo/unix/unprivileged": "n"}
{"foo/unix/chroot": "n"}
{"foo/unix/wakeup": "-"}
{"foo/unix/process_limit": "0"}
`
	for args, want := range map[string]string{
		"-j mydestination whatever":         `{"mydestination": "$whatever"}` + "\n" + `{"whatever": "example.com"}` + "\n",
		"-jx mydestination":                 `{"mydestination": "example.com"}` + "\n",
		"-jp -o whatever=x -x whatever":     `{"whatever": "x"}` + "\n",
		"-jd soft_bounce relayhost":         `{"soft_bounce": "no"}` + "\n" + `{"relayhost": ""}` + "\n",
		"-jn relay_domains relayhost":       `{"relay_domains": "a \"q\"  b\\,\tc     d"}` + "\n",
		"-j smtpd_banner":                   `{"smtpd_banner": "\u0001\u007F? café </>"}` + "\n",
		"-njC user":                         `{"whatever": "example.com"}` + "\n",
		"-jM":                               `{"foo/unix": "foo unix - n n - 0 other -o mydestination=$whatever -o whatever=example.net"}` + "\n" + `{"12345/inet": "12345 inet n n n - - spawn -o {command_time_limit=2 3} user=nobody argv=/bin/sh -c {sleep 1}"}` + "\n",
		"-jMx foo":                          `{"foo/unix": "foo unix - n n - 0 other -o mydestination=example.net -o whatever=example.net"}` + "\n",
		"-Fj foo":                           fields + `{"foo/unix/command": "other -o mydestination=$whatever -o whatever=example.net"}` + "\n",
		"-Fjx foo":                          fields + `{"foo/unix/command": "other -o mydestination=example.net -o whatever=example.net"}` + "\n",
		"-Pj":                               `{"foo/unix/mydestination": "$whatever"}` + "\n" + `{"foo/unix/whatever": "example.net"}` + "\n" + `{"12345/inet/command_time_limit": "2 3"}` + "\n",
		"-Pjx foo":                          `{"foo/unix/mydestination": "example.net"}` + "\n" + `{"foo/unix/whatever": "example.net"}` + "\n",
		"-jPPx */*/mydestination":           `{"foo/unix/mydestination": "example.net"}` + "\n" + `{"12345/inet/mydestination": "example.com"}` + "\n",
		"-jo whatever=y -Px 12345":          `{"12345/inet/command_time_limit": "2 3"}` + "\n",
		"-jM nosuch":                        "",
		"-j nosuch":                         "",
		"-jq -n mydestination relay_domain": `{"mydestination": "$whatever"}` + "\n",
	} {
		if got, _, err := postconfIn(dir, strings.Fields(args)...); err != nil || got != want {
			t.Errorf("postconf %s: %v\ngot  %s\nwant %s", args, err, got, want)
		}
	}
}

// Whatever is listed, each line is an object with one string.
func TestJSONLines(t *testing.T) {
	dir := jsonFolder(t)
	for _, args := range []string{"-j", "-jx", "-jd", "-jn", "-jM", "-jF", "-jP", "-jPP", "-jPPx"} {
		got, _, err := postconfIn(dir, args)
		plain, _, err2 := postconfIn(dir, strings.ReplaceAll(args, "j", "q"))
		if err != nil || err2 != nil || strings.Count(got, "\n") != strings.Count(plain, "\n") {
			t.Errorf("%s: %d lines, %v; without JSON %d, %v", args, strings.Count(got, "\n"), err, strings.Count(plain, "\n"), err2)
		}
		for line := range strings.Lines(got) {
			var object map[string]string
			if err := json.Unmarshal([]byte(line), &object); err != nil || len(object) != 1 {
				t.Errorf("%s: %q: %v", args, line, err)
			}
		}
	}
}

// What all services see. -PP gives each parameter, with what the service sets.
func TestEverything(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"main.cf": "foo_proxy_write_maps=foo_map\nbar_proxy_write_maps=bar_map\nproxy_write_maps=baz_map\n",
		"master.cf": "foo unix - n n - 0 foo\n -o proxy_write_maps=$foo_proxy_write_maps\n" +
			"bar unix - n n - 0 bar\n -o proxy_write_maps=$bar_proxy_write_maps\nbaz unix - n n - 0 baz\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const want = "foo/unix/proxy_write_maps = foo_map\nbar/unix/proxy_write_maps = bar_map\nbaz/unix/proxy_write_maps = baz_map\n"
	if got, _, err := postconfIn(dir, "-xPP", "*/*/proxy_write_maps"); err != nil || got != want {
		t.Errorf("%v\n%s", err, got)
	}
	all, _, _ := postconfIn(dir)
	service, _, err := postconfIn(dir, "-PP", "baz/unix")
	if service = strings.ReplaceAll(service, "baz/unix/", ""); err != nil || without(service) != without(all) {
		t.Errorf("-PP differs: %v\n%s", err, service)
	}
}

// without leaves out what is another thing for each process.
func without(lines string) string {
	var b strings.Builder
	for line := range strings.Lines(lines) {
		if !strings.HasPrefix(line, "process_") && !strings.HasPrefix(line, "service_name") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// Options that contradict each other, in the words of Postfix.
func TestRivals(t *testing.T) {
	dir := jsonFolder(t)
	for args, want := range map[string]string{
		"-jh": "with option -j, do not specify -h", "-jH": "with option -j, do not specify -H", "-jf": "with option -j, do not specify -f",
		"-jMf": "with option -j, do not specify -f", "-j a=b": "with option -j, do not specify -e", "-jX a": "with option -j, do not specify -X",
		"-jl": "with option -l, do not specify -j", "-jMn": "with option -M, do not specify -n", "-Mhn": "with option -M, do not specify -h -n",
		"-jhf": "with option -j, do not specify -f -h", "-an": "with option -a, do not specify -n", "-bt": "specify one of -b and -t",
		"-den": "specify one of -d -e -n", "-fX": "specify one of -f -X", "-d -o a=b": "specify one of -d -o", "-x a=b": "specify one of -e -x",
		"-pa": "specify one of -a -p", "-Fe#": "specify one of -e -#", "-PPX": "specify one of -X -PP", "-PPn": "with option -P, do not specify -n",
		"-MC nonsense": `unknown -C option value "nonsense" in "nonsense"`, "-n a=b": "specify one of -e -n",
		"-X a b=": "-X or -# requires parameter names without value", "-MX a/inet b=": "-X or -# requires names without value",
		"-T a -T b": "At most one -T <mode> option may be specified", "-o x": "invalid parameter override: x: missing '=' after attribute name",
	} {
		got, _, err := postconfIn(dir, strings.Fields(args)...)
		if err == nil || err.Error() != want || got != "" {
			t.Errorf("postconf %s: %v, want %s", args, err, want)
		}
	}
}

// Option -q leaves out the warnings.
func TestQuiet(t *testing.T) {
	dir := folder(t)
	for _, args := range []string{"-nq", "-qM", "-Pq", "-q soft_bounce"} {
		if _, warnings, err := postconfIn(dir, strings.Fields(args)...); err != nil || warnings != "" {
			t.Errorf("%s: %v %s", args, err, warnings)
		}
	}
}
