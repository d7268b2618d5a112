#!/bin/bash
# Tests everything, in order of speed: form, vet, unit tests and fences, the installed
# suite end to end, the suite beside stock Postfix, crashes. Needs Go, and root for the
# later stages. On Debian it installs what the tests need from others.
#
#   ./test.sh                            everything
#   ./test.sh unit|endtoend|sites|tools|packages|interop|crash ...  only these parts; unit needs nobody
set -u
cd "$(dirname "${BASH_SOURCE[0]}")"
PATH=$PATH:/usr/local/go/bin:/usr/sbin:/sbin

# Programs that tests talk with or look through. Tests skip what needs a missing one.
packages="swaks libnet-ssleay-perl strace groff-base pflogsumm rpm procmail dovecot-core dovecot-pop3d dovecot-imapd dovecot-lmtpd dovecot-submissiond sasl2-bin libsasl2-modules dovecot-mysql mariadb-server-core mariadb-client-core opendkim opendkim-tools openssl postgresql slapd ldap-utils sqlite3 cpio procps netbase iproute2 util-linux opendmarc rspamd"

# stock is what Debian calls the mail system that ours is compared with. It is never
# installed on this machine.
stock="postfix postfix-cdb postfix-lmdb liblmdb0 postfix-pcre postfix-sqlite"

limit=1100 # seconds for everything
start=$SECONDS
failed=()

say() { printf '\n== %s (%d s)\n' "$*" $((SECONDS - start)); }

# stage NAME COMMAND...: runs a part within the time that is left.
stage() {
	local name=$1 left=$((limit - SECONDS + start))
	shift
	say "$name"
	if [ $left -lt 10 ]; then
		echo "no time left for: $name"
		failed+=("$name (no time left)")
		return 1
	fi
	timeout --kill-after=10 "$left" "$@" && return
	failed+=("$name")
	return 1
}

form() {
	local files
	files=$(gofmt -l $(git ls-files '*.go' 2>/dev/null || find . -name '*.go'))
	[ -z "$files" ] || { printf 'not formatted by gofmt:\n%s\n' "$files"; return 1; }
}

can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

peers() {
	local name missing=()
	for name in $packages; do
		dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing+=("$name")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	export DEBIAN_FRONTEND=noninteractive
	# No daemon of a package is started here: tests start their own.
	local policy=/usr/sbin/policy-rc.d made=
	if [ ! -e $policy ]; then
		printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy && made=1
	fi
	apt-get update -qq >/dev/null 2>&1
	for name in "${missing[@]}"; do
		apt-get install -y -qq --no-install-recommends "$name" >/dev/null 2>&1 || echo "cannot install $name; tests that need it are skipped"
	done
	[ -z "$made" ] || rm -f $policy
}

# fetch_stock: the packages of the reference, for tests that unpack them into a
# throw-away copy of this machine.
fetch_stock() {
	local name
	mkdir -p build/debs
	for name in $stock; do
		ls build/debs/"${name}"_*.deb >/dev/null 2>&1 || (cd build/debs && apt-get download -qq "$name" >/dev/null 2>&1) ||
			echo "cannot get the package $name; tests beside it are skipped"
	done
	# Parts of it that are only unpacked aside, never installed.
	mkdir -p build/peers
	for name in postfix-mysql postfix-pgsql postfix-ldap; do
		ls build/peers/"${name}"_*.deb >/dev/null 2>&1 || (cd build/peers && apt-get download -qq "$name" >/dev/null 2>&1) ||
			echo "cannot get the package $name; tables are not compared with its"
	done
}

# stage_ours: our system, as it would be installed.
stage_ours() {
	rm -rf build/stage
	./install.sh --root build/stage >build/stage.log 2>&1 || { cat build/stage.log; return 1; }
}

# talkative ARGUMENT...: tests whose findings are printed when they pass, too: what
# was the same, and the table of all pairs of programs.
talkative() {
	go test -count=1 -timeout 15m -v "$@" | grep -v -E '^ *(=== (RUN|PAUSE|CONT|NAME)|--- PASS)'
}

# trial PART: the tests of a folder below test/. Those of interop are in two halves.
trial() {
	local list
	set -o pipefail
	mapfile -t list < <(go list ./test/"${1%[12]}"/...)
	case $1 in
	interop1) talkative -run '^Test[A-P]' "${list[@]}" ;;
	interop2) talkative -skip '^Test[A-P]' "${list[@]}" ;;
	packages) ./package.sh deb rpm && go test -count=1 -timeout 10m "${list[@]}" ;;
	crash) go test -count=1 -timeout 10m -short "${list[@]}" ;;
	*) go test -count=1 -timeout 10m "${list[@]}" ;;
	esac
}

# begin PART: two parts run at a time, each in machines of its own; most of what they do
# is waiting.
begin() {
	local part=$1 left
	while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n; done
	left=$((limit - SECONDS + start))
	say "test/$part"
	(
		status=0
		timeout --kill-after=10 $((left > 0 ? left : 1)) bash -c "$(declare -f talkative trial); trial $part" >build/test-"$part".log 2>&1 || status=$?
		say "results of test/$part"
		cat build/test-"$part".log
		[ $status = 0 ] || echo "test/$part$([ $status -lt 124 ] || echo " (no time left)")" >>build/test-failed
	) &
}

unit() {
	local others=()
	stage "gofmt" bash -c "$(declare -f form); form"
	stage "go vet" go vet ./...
	stage "go vet table-sqlite" go -C table-sqlite vet ./...
	mapfile -t others < <(go list ./... | grep -v -E '^postrider/test/(endtoend|tools|interop|crash|sites|packages|load)')
	stage "unit tests and fences" go test "${others[@]}"
}

# machines prepares the tests of the installed suite.
machines() {
	if can_install; then
		say "peers"
		peers
		fetch_stock
	else
		echo "not root, or no apt-get: using what is installed"
	fi
	mkdir -p build
	stage "install.sh --root build/stage" bash -c "$(declare -f stage_ours); stage_ours"
}

mkdir -p build
rm -f build/test-failed
prepared=
for part in ${*:-unit interop endtoend tools packages sites crash}; do
	case $part in
	unit) unit; continue ;;
	endtoend | sites | tools | packages | crash) halves=$part ;;
	interop) halves="interop1 interop2" ;;
	*) echo "test.sh: no such part: $part" >&2; exit 2 ;;
	esac
	[ -n "$prepared" ] || machines
	prepared=1
	for half in $halves; do begin "$half"; done
done
wait
[ ! -e build/test-failed ] || mapfile -t -O ${#failed[@]} failed <build/test-failed

say "end"
if [ ${#failed[@]} -gt 0 ]; then
	printf 'failed: %s\n' "${failed[@]}"
	exit 1
fi
echo "all stages passed"
