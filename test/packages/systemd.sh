#!/bin/bash
# Becomes systemd as process 1 of this place (see TestSystemd), which runs the commands of
# the file $1 and ends. What they say is in /probe.out. Status 77: not possible here.
mount -t sysfs sysfs /sys || exit 77
mount -t tmpfs cgroup /sys/fs/cgroup || exit 77
mkdir /sys/fs/cgroup/systemd
mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd 2>/dev/null || mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit 77
mount -t tmpfs tmpfs /run
system=/etc/systemd/system
mkdir -p $system/multi-user.target.wants
cat >$system/probe.service <<END
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/bash $1
StandardOutput=file:/probe.out
StandardError=inherit
END
ln -sf $system/probe.service $system/multi-user.target.wants/
ln -sf /lib/systemd/system/multi-user.target $system/default.target
for unit in systemd-udevd systemd-networkd systemd-resolved console-getty getty@tty1 getty@ttyS0 serial-getty@ttyS0 ssh cron dovecot opendkim slapd postgresql mariadb rspamd; do
	ln -sf /dev/null $system/$unit.service
done
rm -f /probe.out
{
	for ((i = 0; i < 900; i++)); do
		! grep -qs '^the end' /probe.out || break
		sleep 0.1
	done
	kill -KILL -1 # all but process 1
	kill -s RTMIN+14 1
} &
export container=lxc
exec /lib/systemd/systemd --system --log-target=null --show-status=no
