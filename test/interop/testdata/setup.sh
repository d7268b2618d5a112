#!/bin/bash
# Prepares a machine for these tests: accounts, both mail systems side by side
# (/opt/stock, /opt/ours), the tables that mail goes through.
set -eu
src=$1 stage=$2

groupadd -r postdrop
useradd -r -M -U -d /nonexistent -s /usr/sbin/nologin postfix
groupadd -g 5000 vmail
for user in alice bob carol; do useradd -m -s /bin/sh "$user"; done
useradd -u 5000 -g vmail -m -d /var/vmail vmail
chmod 755 /home/*

for deb in "$src"/build/debs/postfix*.deb; do dpkg -x "$deb" /opt/stock; done
mkdir -p /usr/lib/postfix
cp /opt/stock/usr/lib/postfix/*.so /usr/lib/postfix/
chgrp postdrop /opt/stock/usr/sbin/post{drop,queue}
chmod 2755 /opt/stock/usr/sbin/post{drop,queue}
mkdir -p /opt/ours
cp -a "$stage"/. /opt/ours
chgrp postdrop /opt/ours/usr/sbin/post{drop,queue,log}
chmod 2755 /opt/ours/usr/sbin/post{drop,queue,log}
for deb in "$src"/build/debs/{pflogsumm,lib}*.deb "$src"/build/peers/fail2ban*.deb; do
	[ ! -e "$deb" ] || dpkg --fsys-tarfile "$deb" | tar -x -C / --keep-directory-symlink
done

install -d /etc/postfix /var/spool/postfix /var/spool/postfix/pid
cd /var/spool/postfix
install -d -o postfix -m 700 active bounce corrupt defer deferred flush hold incoming private saved trace /var/lib/postfix
install -d -o postfix -g postdrop -m 2710 public
install -d -o postfix -g postdrop -m 1730 maildrop
chmod 1777 /var/mail

cat >/usr/local/bin/keep <<'END'
#!/bin/sh
# keep ARGUMENTS: keeps what a command gets, and who calls it.
f=$(mktemp /var/keep/XXXXXXXX)
{ echo "id: $(id -un) $(id -Gn)"; echo "args: $*"; env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= | sort; echo; cat; } >"$f"
END
chmod 755 /usr/local/bin/keep
install -d -m 1777 /var/keep

cat >/etc/aliases <<'END'
postmaster: bob
mailer-daemon: postmaster
team: alice, bob, carol@relay.example
owner-team: bob
command: "|/usr/local/bin/keep command"
file: /var/keep/file
include: :include:/etc/included
nobody-there: missing
held: bob
filter: bob
refused: bob
loop: loop2
loop2: loop
END
printf 'alice\n# a comment\nbob+list, "quoted name"@vm.example\n' >/etc/included
printf '"|/usr/local/bin/keep forward"\n\\carol\n' >/home/carol/.forward
chown carol: /home/carol/.forward
printf 'one@va.example alice\nboth@va.example alice, u1@relay.example\nfail@va.example y@error.example\nwait@va.example x@retry.example\nwait2@va.example y@retry.example\n@va2.example bob\n' >/etc/postfix/virtual
printf 'dir@vm.example vm/dir/\nbox@vm.example vm/box\n"quoted name"@vm.example vm/quoted/\n' >/etc/postfix/vmailbox
printf 'old@example.com new.name@example.com\n@canonical.example @relay.example\n' >/etc/postfix/canonical
printf 'moved@example.com somewhere@else.example\n' >/etc/postfix/relocated
cat >/etc/postfix/transport <<'END'
relay.example relay:[127.0.0.1]:2525
defer.example smtp:[127.0.0.1]:2525
lmtp.example lmtp:inet:127.0.0.1:2424
pipe.example pipe:hop
discard.example discard:silently
error.example error:5.7.1 not for you
retry.example retry:4.2.0 not now
remote.example relay:[127.0.0.1]:2525
closed.example smtp:[127.0.0.1]:9
END
printf 'held@ HOLD kept for a look\nfilter@ REDIRECT alice@example.com\nrefused@ 550 5.7.1 go away\n' >/etc/postfix/access
cat >/etc/postfix/bounce.cf <<'END'
delay_template = <<EOF
Charset: us-ascii
From: MAILER-DAEMON (Mail Delivery System)
Subject: Delayed Mail (still being retried)
Postmaster-Subject: Postmaster Warning: Delayed Mail

This is the mail system at host $myhostname.

It waits for more than $delay_warning_time_seconds seconds, and is tried for $maximal_queue_lifetime_days days.

                   The mail system
EOF
END
cat >/etc/postfix/dynamicmaps.cf <<'END'
cdb	postfix-cdb.so	dict_cdb_open	mkmap_cdb_open
lmdb	postfix-lmdb.so	dict_lmdb_open	mkmap_lmdb_open
END
cp "$src"/test/interop/testdata/main.cf "$src"/test/interop/testdata/master.cf /etc/postfix/
PATH=/opt/stock/usr/sbin:$PATH
for table in virtual vmailbox canonical relocated transport access; do postmap hash:/etc/postfix/$table; done
postalias hash:/etc/aliases
