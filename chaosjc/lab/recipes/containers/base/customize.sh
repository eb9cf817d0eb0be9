#!/bin/sh
# Runs last, as root inside the new base layer.
set -eu

# The hub and the users' servers run as this user.
useradd --uid 1000 --create-home --shell /bin/bash jovyan
install --directory --owner=jovyan --group=jovyan /srv/jupyterhub

# The container's user cannot keep byte code. Layers carry no times, so that it must not ask for its source's.
python3 -m compileall -q -f --invalidation-mode unchecked-hash /usr/lib/python3*

rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /etc/apt/apt.conf.d/99mmdebstrap /var/lib/apt/lists/* \
    /var/cache/debconf/*-old /var/lib/dpkg/*-old /var/log/*
rm -f /etc/hostname /etc/resolv.conf
