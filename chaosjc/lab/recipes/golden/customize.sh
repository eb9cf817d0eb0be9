#!/bin/sh
# Runs last, as root inside the new image.
set -eu

systemctl enable --quiet systemd-networkd.service lab-fstab.service

# Debian's packages enable their services; here cloud-init turns on what a machine is.
systemctl disable --quiet prometheus.service prometheus-node-exporter.service

# Only make sense with hardware, or on machines that live for months.
systemctl mask --quiet \
    systemd-udevd.service systemd-udev-trigger.service systemd-modules-load.service \
    modprobe@.service getty@.service console-getty.service container-getty@.service \
    systemd-networkd-wait-online.service systemd-timesyncd.service \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
    e2scrub_all.timer e2scrub_reap.service fstrim.timer

# Two of cloud-init's stages have nothing to do: see cloud.cfg.d/90-lab.cfg.
systemctl mask --quiet cloud-config.service cloud-init-hotplugd.socket

# No identity, and nothing of the machine that built it.
rm -f /etc/ssh/ssh_host_* /var/lib/dbus/machine-id
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /etc/apt/apt.conf.d/99mmdebstrap /var/lib/apt/lists/*
for file in /etc/machine-id /etc/hostname /etc/resolv.conf; do
    rm -f "$file"
    : > "$file"
done
