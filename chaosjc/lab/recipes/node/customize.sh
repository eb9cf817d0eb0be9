#!/bin/sh
# Runs last, as root inside the new image.
set -eu

# What a machine is, its site's roles say.
systemctl disable --quiet containerd.service

# A network configuration that a package brings would make the node look ready before its own is there.
rm -f /etc/cni/net.d/*
mkdir -p /etc/cni/net.d
