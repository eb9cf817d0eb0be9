#!/bin/sh
# Runs last, as root inside the new image.
set -eu

systemctl enable --quiet systemd-networkd.service lab-fstab.service

# Debian's packages enable their services; here cloud-init turns on what a machine is.
systemctl disable --quiet prometheus.service prometheus-node-exporter.service glusterd.service postgresql.service

# A site makes a cluster of its own. Its queries are too small for a compiler, which would be a quarter of the image.
pg_dropcluster 15 main
rm -rf /usr/lib/postgresql/15/lib/bitcode /usr/lib/postgresql/15/lib/llvmjit* /usr/lib/*/libLLVM*

# Only make sense with hardware, or on machines that live for months. user@: each login would start a service manager of
# its own, 0.2 s of CPU that nobody uses.
systemctl mask --quiet \
    systemd-udevd.service systemd-udev-trigger.service systemd-modules-load.service systemd-pstore.service \
    modprobe@.service getty@.service console-getty.service container-getty@.service getty-static.service \
    dev-hugepages.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
    systemd-networkd-wait-online.service systemd-timesyncd.service user@.service \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
    e2scrub_all.timer e2scrub_reap.service fstrim.timer \
    cloud-init-hotplugd.socket

# No identity, and nothing of the machine that built it.
rm -f /etc/ssh/ssh_host_* /var/lib/dbus/machine-id
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /etc/apt/apt.conf.d/99mmdebstrap /var/lib/apt/lists/*
for file in /etc/machine-id /etc/hostname /etc/resolv.conf; do
    rm -f "$file"
    : > "$file"
done

# /etc and /var are as new as /usr: no first boot has to make users, catalogues and caches.
touch /etc/.updated /var/.updated
