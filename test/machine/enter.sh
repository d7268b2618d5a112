#!/bin/bash
# Runs a command as root on a throw-away copy of this machine: the file system
# is an overlay whose changes live in memory, the network has nothing but
# loopback, and all processes end with the command. It keeps the name that the
# machine had at the begin. The tree is at /src.
#   enter.sh DIR TREE COMMAND...      DIR is an empty directory to work in
# MACHINE_COPY=FILE is put into /usr/local/bin; MACHINE_DISK=DIR is a real disk, at /disk.
set -eu
work=$1 tree=$2
shift 2
export MACHINE_WORK=$work MACHINE_TREE=$tree
exec unshare --mount --net --uts --pid --fork --kill-child --propagation private bash -c '
set -eu
mount -t tmpfs -o size=${MACHINE_SIZE:-4g} tmpfs "$MACHINE_WORK"
mkdir -p "$MACHINE_WORK/upper" "$MACHINE_WORK/work" "$MACHINE_WORK/root"
mount -t overlay overlay -o lowerdir=/,upperdir="$MACHINE_WORK/upper",workdir="$MACHINE_WORK/work" "$MACHINE_WORK/root"
R=$MACHINE_WORK/root
mkdir -p "$R/src"
mount --bind "$MACHINE_TREE" "$R/src"
mount -o remount,bind,ro "$R/src"
if [ -n "${MACHINE_DISK:-}" ]; then mkdir -p "$R/disk"; mount --bind "$MACHINE_DISK" "$R/disk"; fi
mount -t proc proc "$R/proc"
mount --rbind /dev "$R/dev"
mount --rbind /sys "$R/sys" 2>/dev/null || true
mount -t tmpfs tmpfs "$R/run"
mount -t tmpfs -o mode=1777 tmpfs "$R/tmp"
mkdir -p "$R/run/netns"
ip link set lo up
# No mail system, whatever the machine has.
rm -rf "$R"/etc/postfix "$R"/var/spool/postfix "$R"/var/lib/postfix "$R"/usr/lib/postfix "$R"/usr/libexec/postfix
rm -f "$R"/usr/sbin/post{fix,alias,cat,conf,drop,kick,lock,log,map,multi,queue,super} "$R"/usr/sbin/sendmail "$R"/usr/lib/sendmail \
  "$R"/usr/bin/mailq "$R"/usr/bin/newaliases "$R"/etc/aliases* "$R"/var/log/mail* "$R"/var/mail/*
sed -i "/^postfix:/d;/^postdrop:/d" "$R"/etc/{passwd,group,shadow,gshadow}
sed -i "/postdrop/d;/postfix/d" "$R"/var/lib/dpkg/statoverride 2>/dev/null || true
[ -z "${MACHINE_COPY:-}" ] || install -m 755 "$MACHINE_COPY" "$R/usr/local/bin/"
exec chroot "$R" /usr/bin/env -C /src HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/go/bin MACHINE_INSIDE=1 "$@"
' machine "$@"
