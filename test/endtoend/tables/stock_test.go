package tables

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postrider/test/machine"
)

// unpackStock puts programs of the stock mail system below /opt/stock, where its
// postmap and postalias work with -c conf.
func unpackStock(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/opt/stock/conf"); err == nil {
		return
	}
	shell(t, "", `set -e; mkdir -p /opt/stock/conf; cd /opt/stock
		for deb in $(ls /src/build/debs/postfix*.deb /src/build/peers/postfix-*.deb 2>/dev/null); do dpkg-deb -x $deb .; done
		cp usr/share/postfix/dynamicmaps.cf conf
		printf 'compatibility_level=3.6\nshlib_directory=/opt/stock/usr/lib/postfix\nmeta_directory=/opt/stock/conf\nmail_owner=daemon\nsetgid_group=games\n' >conf/main.cf
		touch -d '1 minute ago' conf/main.cf`)
}

// compared counts the lookups that were, by type.
var compared = map[string]int{}

// likeStock looks a key up with stock's postmap too, when it has the type, and
// compares answer and status. Where both fail, the words may differ.
func likeStock(t *testing.T, table, key, ours string, status int) {
	t.Helper()
	kind, _, _ := strings.Cut(table, ":")
	debs, _ := filepath.Glob("/src/build/debs/postfix_*.deb")
	if modules, _ := filepath.Glob("/src/build/*/postfix-" + kind + "_*.deb"); len(debs)*len(modules) == 0 {
		return
	}
	unpackStock(t)
	compared[kind]++
	out, stock := machine.Run("", "env", "LD_LIBRARY_PATH=/opt/stock/usr/lib/postfix", "/opt/stock/usr/sbin/postmap", "-c", "/opt/stock/conf", "-q", key, table)
	if stock != status || stock == 0 && answer(out) != answer(ours) {
		t.Errorf("%s: %q: stock gives %q, status %d; ours %q, status %d", table, key, out, stock, ours, status)
	}
}

// answer is what postmap prints without its messages.
func answer(out string) string {
	var lines []string
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "postmap: ") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}
