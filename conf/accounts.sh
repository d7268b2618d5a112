# Accounts and the alias that every installation needs; a part of install.sh and of
# the scripts of packages.

nologin() {
	for shell in /usr/sbin/nologin /sbin/nologin /bin/false; do
		[ ! -x $shell ] || { echo $shell; return; }
	done
}

# add_group NAME
add_group() {
	if grep -q "^$1:" /etc/group; then return; fi
	if command -v groupadd >/dev/null; then
		groupadd --system "$1"
	else
		addgroup -S "$1"
	fi
	echo "created group $1"
}

# add_accounts OWNER GROUP HOME: the account of the mail system, which nobody can log
# in to, and the group of its setgid commands, which nobody is in.
add_accounts() {
	add_group "$1"
	add_group "$2"
	if ! grep -q "^$1:" /etc/passwd; then
		if command -v useradd >/dev/null; then
			useradd --system --gid "$1" --home-dir "$3" --no-create-home \
				--shell "$(nologin)" --comment "mail system" "$1"
		else
			adduser -S -D -H -G "$1" -h "$3" -s "$(nologin)" "$1"
		fi
		echo "created account $1 (no login)"
	fi
	if [ -n "$(sed -n "s/^$2:[^:]*:[^:]*://p" /etc/group)" ]; then
		echo "warning: group $2 has members; nobody should be in it" >&2
	fi
}

# add_alias FILE: mail for the account goes to root.
add_alias() {
	if grep -qi '^postfix[[:space:]]*:' "$1"; then return; fi
	printf 'postfix:\troot\n' >>"$1"
	echo "added the alias \"postfix: root\" to $1"
}
