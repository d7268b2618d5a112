#!/bin/bash
# Makes packages: ./package.sh [deb|rpm|apk|archlinux ...]. They are in build/packages.
# What is installed stands in conf/files, what a package does else in conf/package.
set -eu
umask 022
cd "$(dirname "${BASH_SOURCE[0]}")"
PATH=$PATH:/usr/local/go/bin

nfpm=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.0
out=$PWD/build/packages
stage=$(mktemp -d "${TMPDIR:-/tmp}/package.XXXXXX")
trap 'rm -rf "$stage"' EXIT
root=$stage/root

./install.sh --root "$root" >"$stage/log" || { cat "$stage/log"; exit 1; }

# The scripts: what is shared with install.sh, and their own part.
for name in before-install after-install before-remove after-remove; do
	{ printf '#!/bin/sh\nset -e\n'; grep -v '^#' conf/accounts.sh; cat conf/package/$name; } >"$stage/$name"
done

# The administrator's files are made when the package is installed, from these:
# a package that brought them would ask, or overwrite.
share=$root/usr/share/postrider
mkdir -p "$share"
mv "$root/etc/init.d/postfix" "$share/postfix.init"
cp conf/aliases "$share/aliases"
rm -rf "$root/etc/postfix" "$root/etc/aliases" "$root/etc/init.d" "$root/var"
mkdir -p "$root/usr/lib/systemd/system"
mv "$root/etc/systemd/system/postfix.service" "$root/usr/lib/systemd/system/"
install -m 644 LICENSE "$root/usr/share/doc/postrider/copyright"
find "$root/usr/share/man" -name '*.[158]' -type f -exec gzip -9n {} +
for name in mailq.1:sendmail.1 newaliases.1:sendmail.1 lmtp.8:smtp.8; do
	page=$root/usr/share/man/man${name##*.}
	ln -sfn "${name#*:}.gz" "$page/${name%:*}.gz" && rm -f "$page/${name%:*}"
done

# setgid: the programs that conf/files gives to the group.
setgid=$(awk '$2 == "p" && $4 == "$setgid_group" { sub(".*/", "", $1); print $1 }' conf/files | paste -sd'|')

contents() {
	local file mode group
	echo contents:
	(cd "$root" && find . ! -type d -printf '%P\n') | sort | while read -r file; do
		if [ -L "$root/$file" ]; then
			printf -- '- {type: symlink, src: "%s", dst: "/%s"}\n' "$(readlink "$root/$file")" "$file"
			continue
		fi
		mode=$(stat -c %a "$root/$file") group=root
		if [[ $file =~ ^usr/sbin/($setgid)$ ]]; then mode=2755 group=postdrop; fi
		printf -- '- {src: "%s", dst: "/%s", file_info: {mode: 0%s, owner: root, group: %s}}\n' "$root/$file" "$file" "$mode" "$group"
	done
}

version=$("$root/usr/sbin/postconf" -dh mail_version)
{
	printf 'version: "%s"\nrelease: "%s"\nversion_schema: none\narch: %s\n' "${version%%-*}" "${version#*-}" "$(go env GOARCH)"
	sed "s#: \(before-\|after-\)#: $stage/\1#" conf/package/nfpm.yaml
	contents
} >"$stage/nfpm.yaml"

mkdir -p "$out"
cd "$stage" # a relative link would be looked for in this tree
for kind in "${@:-deb}"; do
	rm -f "$out"/postrider*."$kind"
	CGO_ENABLED=0 go run $nfpm package --config nfpm.yaml --packager "$kind" --target "$out/"
done
