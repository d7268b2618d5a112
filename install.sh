#!/bin/bash
# Builds the mail system and installs it on this machine. What is installed where,
# whose it is and with which mode stands in one list, conf/files.
set -eu
umask 022
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
	cat <<-END
	usage: ./install.sh [--start] [--root DIR] [--uninstall] [--help]

	Builds all programs with Go and installs them. Files in /etc/postfix that
	exist are kept. What another mail system has in the same places is kept
	under NAME$SUFFIX.

	  --start      start the mail system, send a first message to root, and show
	               the way that it takes
	  --root DIR   install below DIR instead, for a package or a container image:
	               nothing outside of DIR is touched, no account is needed
	  --uninstall  stop the mail system and remove it; mail, configuration and
	               accounts stay
	END
}

SUFFIX=.before-postrider
ROOT= START= UNINSTALL=
while [ $# -gt 0 ]; do
	case $1 in
	--start) START=1 ;;
	--root) [ $# -gt 1 ] || { usage >&2; exit 2; }; shift; ROOT=$1 ;;
	--root=*) ROOT=${1#*=} ;;
	--uninstall) UNINSTALL=1 ;;
	--help | -h) usage; exit 0 ;;
	*) echo "install.sh: unknown argument: $1" >&2; usage >&2; exit 2 ;;
	esac
	shift
done

say() { printf '%s\n' "$*"; }
warn() { printf 'install.sh: warning: %s\n' "$*" >&2; }
die() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }
. conf/accounts.sh

if [ -n "$ROOT" ]; then
	[ -z "$START" ] || die "--start and --root do not go together"
	mkdir -p "$ROOT"
	ROOT=$(cd "$ROOT" && pwd)
	[ "$ROOT" != / ] || ROOT=
fi
[ -n "$ROOT" ] || [ "$(id -u)" = 0 ] || die "run this as root, or with --root DIR to install somewhere else"

BUILD=$(mktemp -d "${TMPDIR:-/tmp}/postrider.XXXXXX")
trap 'rm -rf "$BUILD"' EXIT

# PARAMETERS

CONFIG=/etc/postfix
declare -A DEFAULT=(
	[config_directory]=$CONFIG
	[queue_directory]=/var/spool/postfix
	[command_directory]=/usr/sbin
	[daemon_directory]=/usr/libexec/postfix
	[data_directory]=/var/lib/postfix
	[sendmail_path]=/usr/sbin/sendmail
	[newaliases_path]=/usr/bin/newaliases
	[mailq_path]=/usr/bin/mailq
	[manpage_directory]=/usr/local/man
	[mail_owner]=postfix
	[setgid_group]=postdrop
)

# param NAME: its value in main.cf, in the new one when there is none yet.
param() {
	local file=$ROOT$CONFIG/main.cf value
	[ -e "$file" ] || file=conf/main.cf
	value=$(awk -v name="$1" '
		/^[ \t]*#/ || /^[ \t]*$/ { next }
		/^[ \t]/ { if (on) text = text " " $0; next }
		{ on = 0; key = $0; sub(/[ \t]*=.*/, "", key) }
		key == name { on = 1; text = $0; sub(/^[^=]*=[ \t]*/, "", text) }
		END { sub(/[ \t]+$/, "", text); print text }' "$file")
	case $value in
	*\$*) value=$("$BUILD/postconf" -c "$(dirname "$file")" -xh "$1") ;;
	'') value=${DEFAULT[$1]} ;;
	esac
	printf '%s\n' "$value"
}

# items: the lines of the list without comments, with parameters replaced.
items() {
	local name script=
	for name in "${!DEFAULT[@]}"; do
		script+="s|[$]$name|${VALUE[$name]}|g;"
	done
	sed -e '/^#/d; /^[[:space:]]*$/d' -e "$script" conf/files
}

declare -A VALUE
read_parameters() {
	local name
	for name in "${!DEFAULT[@]}"; do
		VALUE[$name]=$(param "$name")
		case ${VALUE[$name]} in
		*[!A-Za-z0-9._/+-]* | '') die "parameter $name: cannot install with the value \"${VALUE[$name]}\"" ;;
		esac
	done
}

# BUILDING

# folder PROGRAM: where its source is, or nothing.
folder() {
	local dir
	for dir in "./$1" "./tools/$1"; do
		if grep -qs '^package main' "$dir"/*.go; then
			printf '%s\n' "$dir"
			return
		fi
	done
}

find_go() {
	PATH=$PATH:/usr/local/go/bin:/usr/lib/go/bin
	local wanted have
	wanted=$(awk '$1 == "go" { print $2 }' go.mod)
	command -v go >/dev/null || die "building needs Go $wanted or later; get it from https://go.dev/dl/"
	have=$(GOTOOLCHAIN=local go env GOVERSION)
	have=${have#go}
	[ "$(printf '%s\n' "$wanted" "$have" | sort -V | head -1)" = "$wanted" ] ||
		die "building needs Go $wanted or later, this is $have; get it from https://go.dev/dl/"
}

build() {
	local path type rest dir dirs=() modules=()
	while read -r path type rest; do
		if [ "$type" = p ]; then
			dir=$(folder "${path##*/}")
			if [ -n "$dir" ] && [ -e "$dir/go.mod" ]; then
				modules+=("$dir")
			elif [ -n "$dir" ]; then
				dirs+=("$dir")
			fi
		fi
	done < <(sed 's|^[$]sendmail_path|x/sendmail|; /^#/d; /^$/d' conf/files)
	say "building $((${#dirs[@]} + ${#modules[@]})) programs"
	# A daemon that wakes after a pause would first get a signal from its own
	# scheduler, which takes as long as a small message: asyncpreemptoff.
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w -X runtime.godebugDefault=asyncpreemptoff=1' -o "$BUILD/" "${dirs[@]}" ||
		die "the programs could not be built"
	for dir in "${modules[@]}"; do
		CGO_ENABLED=0 go build -C "$dir" -trimpath -buildvcs=false -ldflags '-s -w' -o "$BUILD/" . ||
			die "the program ${dir##*/} could not be built"
	done
}

# INSTALLING

# give PATH OWNER GROUP MODE: below --root only names that this machine knows
# can be given; the rest is noted.
NOTED=()
give() {
	local path=$1 owner=$2 group=$3 mode=$4
	[ "$owner" != - ] || owner=root
	[ "$group" != - ] || group=root
	if [ -z "$ROOT" ]; then
		chown "$owner:$group" "$path"
	elif [ "$(id -u)" = 0 ] && grep -q "^$owner:" /etc/passwd && grep -q "^$group:" /etc/group; then
		chown "$owner:$group" "$path"
	else
		[ "$owner:$group" = root:root ] || path=${path%.new} && NOTED+=("$owner:$group $mode ${path#"$ROOT"}") && path=$1
		[ ${mode:0:1} != 2 ] || mode=0${mode:1} # never setgid for the wrong group
	fi
	chmod "$mode" "$path"
}

# ours PATH: whether a file came from here.
ours() {
	if [ -L "$1" ]; then
		case $(readlink "$1") in
		smtp | smtp.8 | sendmail.1 | "${VALUE[sendmail_path]}") return 0 ;;
		postconf) [[ $1 == */completions/* ]] && return 0 ;;
		esac
		return 1
	fi
	case $1 in
	"$ROOT${VALUE[daemon_directory]}"/*.cf* | */postfix-files | */doc/postrider/*) return 0 ;; # the release's own
	esac
	grep -aqi postrider "$1"
}

# make_room PATH: keeps what another mail system has there.
REPLACED=()
make_room() {
	if { [ -e "$1" ] || [ -L "$1" ]; } && ! ours "$1"; then
		mv -f "$1" "$1$SUFFIX"
		REPLACED+=("$1")
	fi
}

put() { # put SOURCE PATH OWNER GROUP MODE
	mkdir -p "$(dirname "$2")"
	make_room "$2"
	cp "$1" "$2.new"
	give "$2.new" "$3" "$4" "$5"
	mv -f "$2.new" "$2"
}

# source_of PATH: the file of this source tree that is installed there.
source_of() {
	case $1 in
	*/postfix-files) say conf/files ;;
	"${VALUE[daemon_directory]}"/*) say "conf/${1#"${VALUE[daemon_directory]}/"}" ;;
	*.[158]) say "docs/man/man${1##*.}/${1##*/}" ;;
	/etc/init.d/*) say conf/postfix.init ;;
	*/bash-completion/*) say conf/completion/postrider ;;
	*/doc/postrider/*) say "conf/${1#*/doc/postrider/}" ;;
	*) say "conf/${1##*/}" ;;
	esac
}

# wanted PATH: whether the machine has a place for it.
wanted() {
	[ -n "$ROOT" ] && return 0
	case $1 in
	/etc/systemd/*) [ -d /etc/systemd/system ] ;;
	/etc/init.d/*) [ -d /etc/init.d ] ;;
	*/bash-completion/*) [ -d "${1%/*}" ] ;;
	esac
}

install_file() { # install_file PATH OWNER GROUP MODE FLAGS
	local path=$1 source
	wanted "$path" || return 0
	case $5 in
	*k*)
		if [ -e "$ROOT$path" ]; then
			say "kept $ROOT$path"
			return
		fi
		say "created $ROOT$path"
		;;
	esac
	for source in $(source_of "$path"); do # man pages: a pattern
		[ ! -f "$source" ] || put "$source" "$ROOT${path%/*}/$(target "$path" "$source")" "$2" "$3" "$4"
	done
}

target() {
	case $1 in
	*\**) basename "$2" ;;
	*) basename "$1" ;;
	esac
}

install_all() {
	local path type owner group mode flags
	while read -r path type owner group mode flags; do
		case $type in
		d)
			if [ ! -d "$ROOT$path" ]; then
				mkdir -p "$ROOT$path"
				say "created directory $ROOT$path"
			elif [[ $flags == *k* ]]; then
				continue
			fi
			give "$ROOT$path" "$owner" "$group" "$mode"
			;;
		p) [ ! -e "$BUILD/$(program "$path")" ] || put "$BUILD/$(program "$path")" "$ROOT$path" "$owner" "$group" "$mode" ;;
		f) install_file "$path" "$owner" "$group" "$mode" "$flags" ;;
		l) install_link "$ROOT$path" "$owner" ;;
		esac
	done < <(items)
}

program() {
	if [ "$1" = "${VALUE[sendmail_path]}" ]; then say sendmail; else basename "$1"; fi
}

install_link() {
	local path=$1 goal=$2
	case $goal in
	/*) [ -e "$ROOT$goal" ] || return 0 ;;
	*) [ -e "$(dirname "$path")/$goal" ] || return 0 ;;
	esac
	mkdir -p "$(dirname "$path")"
	[ ! "$path" -ef "$ROOT$goal" ] || [ -L "$path" ] || return 0 # two names of one directory
	make_room "$path"
	ln -sfn "$goal" "$path"
}

# without_syslog: a new configuration logs to a file where there is nobody else
# to take the log.
without_syslog() {
	[ -n "$ROOT" ] || [ -S /dev/log ] || [ -n "$HAD_CONFIG" ] && return
	sed -i 's|^#maillog_file = .*|maillog_file = /var/log/mail.log|' "$CONFIG/main.cf"
	say "no syslog daemon on this machine: the log goes to /var/log/mail.log"
}

aliases() {
	add_alias "$ROOT/etc/aliases"
	if [ -z "$ROOT" ] && [ -x "${VALUE[newaliases_path]}" ]; then
		"${VALUE[newaliases_path]}" || warn "newaliases has failed"
	fi
}

# other_system: names the mail system that is there, before it is replaced.
other_system() {
	local sendmail=$ROOT${VALUE[sendmail_path]} package=
	[ -e "$sendmail" ] && ! ours "$sendmail" || return 0
	if command -v dpkg-query >/dev/null; then
		package=$(dpkg-query -S "$sendmail" 2>/dev/null | sed 's/:.*//' || true)
	elif command -v rpm >/dev/null; then
		package=$(rpm -qf --qf '%{NAME}' "$sendmail" 2>/dev/null || true)
	fi
	say "this machine has another mail system${package:+, package $package}; its commands are replaced (listed below)"
	OTHER=${package:-other}
}

report_replaced() {
	local path
	[ ${#REPLACED[@]} -gt 0 ] || return 0
	for path in "${REPLACED[@]}"; do
		say "  $path is kept as $path$SUFFIX"
	done
	say "to go back: ./install.sh --uninstall"
	case $OTHER in
	'' | other) ;;
	*) say "package $OTHER is still installed: stop and disable its service, and remove it when you do not want to go back" ;;
	esac
}

# STARTING

# port_taken: whether some program listens on the port for mail.
port_taken() {
	awk '$2 ~ /:0019$/ && $4 == "0A" { found = 1 } END { exit !found }' /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# stop_others: a mail system that runs with the same queue is stopped, whether it
# is ours or not. Another one is for the administrator to stop.
stop_others() {
	if "${VALUE[command_directory]}/postfix" status >/dev/null 2>&1; then
		"${VALUE[command_directory]}/postfix" stop
	fi
	if port_taken; then
		die "another program listens on port 25; stop and disable it (such as: systemctl disable --now exim4), then run this again"
	fi
}

start_system() {
	stop_others
	if [ -d /run/systemd/system ]; then
		systemctl daemon-reload
		systemctl enable postfix.service
		systemctl restart postfix.service || { systemctl status --no-pager postfix.service || true; die "the mail system did not start"; }
		return
	fi
	if "${VALUE[command_directory]}/postfix" start; then return; fi
	log_lines 'postfix/' | tail -20
	die "the mail system did not start; the reason is in the log"
}

# log_lines PATTERN: from wherever this machine keeps its log.
log_lines() {
	local file
	file=$("${VALUE[command_directory]}/postconf" -xh maillog_file 2>/dev/null || true)
	for file in $file /var/log/mail.log /var/log/maillog /var/log/mail/info /var/log/syslog /var/log/messages; do
		if [ -s "$file" ] && grep -a -- "$1" "$file"; then return 0; fi
	done
	! command -v journalctl >/dev/null || journalctl --no-pager -q --since '-10 min' 2>/dev/null | grep -a -- "$1"
}

first_message() {
	local token=install.$$.$(date +%s) id= line= status= tries
	printf 'From: root\nTo: root\nSubject: The mail system is installed\nMessage-ID: <%s@%s>\n\n%s\n' "$token" "$(hostname)" \
		"This is the first message through the mail system on $(hostname)." |
		"${VALUE[sendmail_path]}" -f root root || die "the first message could not be sent"
	for ((tries = 0; tries < 300; tries++)); do
		[ -n "$id" ] || id=$(log_lines "message-id=<$token" | sed -n 's/.*\]: \([0-9A-Za-z]*\): message-id.*/\1/p' | tail -1) || true
		if [ -n "$id" ]; then
			line=$(log_lines "\]: $id: to=<" | tail -1) || true
			! log_lines "\]: $id: removed" >/dev/null || break
			case $line in *status=deferred* | *status=bounced*) break ;; esac
		fi
		sleep 0.1
	done
	say "the way of the first message, from the log:"
	log_lines "\]: ${id:-nothing}: " | sed 's/^/  /' || true
	status=$(say "$line" | sed -n 's/.*status=\([a-z]*\).*/\1/p')
	[ "$status" = sent ] || { "${VALUE[mailq_path]}" || true; die "the first message was not delivered${line:+: $line}"; }
	say "it arrived: $(arrived "$token")"
}

# arrived TOKEN: the mailbox with the message.
arrived() {
	local file
	for file in /var/mail/* /var/spool/mail/* /root/Mailbox /root/Maildir/new/* /root/mbox; do
		if [ -f "$file" ] && grep -qas -- "$1" "$file"; then say "$file"; return; fi
	done
	say "see \"to=\" and \"relay=\" above"
}

# REMOVING

BACK=
uninstall() {
	local path type owner group mode flags name
	if [ -z "$ROOT" ]; then
		if [ -d /run/systemd/system ]; then systemctl disable --now postfix.service 2>/dev/null || true; fi
		if "${VALUE[command_directory]}/postfix" status >/dev/null 2>&1; then "${VALUE[command_directory]}/postfix" stop; fi
	fi
	while read -r path type owner group mode flags; do
		case $type$flags in
		d* | f*k*) continue ;;
		esac
		for name in $(removable "$path"); do
			# A pattern of files may name a directory with more of them.
			[ ! -d "$name" ] || [ -L "$name" ] || continue
			if { [ -e "$name" ] || [ -L "$name" ]; } && ours "$name"; then
				rm -f "$name"
				say "removed $name"
			fi
			if [ -e "$name$SUFFIX" ] || [ -L "$name$SUFFIX" ]; then
				mv -f "$name$SUFFIX" "$name"
				say "put back $name"
				BACK=1
			fi
		done
	done < <(items)
	rmdir "$ROOT${VALUE[daemon_directory]}"/*/ "$ROOT${VALUE[daemon_directory]}" \
		"$ROOT"/usr/share/doc/postrider/{examples/*/*/,examples/*/,examples,} 2>/dev/null || true
	[ -n "$ROOT" ] || [ ! -d /run/systemd/system ] || systemctl daemon-reload
	[ -z "$BACK" ] || say "the mail system that was here before is back; start it when you want it"
	say "kept: $ROOT$CONFIG, $ROOT${VALUE[queue_directory]} with all mail in it, $ROOT${VALUE[data_directory]}," \
		"account ${VALUE[mail_owner]}, group ${VALUE[setgid_group]}"
}

# removable PATH: the names that a pattern of man pages stands for.
removable() {
	local source
	case $1 in
	*\**) for source in $(source_of "$1"); do say "$ROOT${1%/*}/${source##*/}"; done ;;
	*) say "$ROOT$1" ;;
	esac
}

# THE STEPS

OTHER=
if [ -n "$UNINSTALL" ]; then
	read_parameters
	uninstall
	exit 0
fi
HAD_CONFIG=
[ ! -e "$ROOT$CONFIG/main.cf" ] || HAD_CONFIG=1
find_go
build
read_parameters
other_system
[ -n "$ROOT" ] || add_accounts "${VALUE[mail_owner]}" "${VALUE[setgid_group]}" "${VALUE[queue_directory]}"
install_all
report_replaced
without_syslog || true
aliases
if [ -n "$ROOT" ]; then
	if [ ${#NOTED[@]} -gt 0 ]; then
		say "owners to be set when the accounts exist (\"postfix set-permissions\" does it):"
		printf '  %s\n' "${NOTED[@]}"
	fi
	say "installed below $ROOT"
elif [ -n "$START" ]; then
	start_system
	first_message
else
	say "installed; look at $CONFIG/main.cf, then: ${VALUE[command_directory]}/postfix start"
fi
