#!/bin/sh
# Usage: seed.sh ROOT ARCHIVE. Has the containerd of the image ROOT import the container images of ARCHIVE into
# ROOT/opt/seed. Runs in mount and process namespaces of its own: what it mounts and starts goes with them.
set -eu
root=$1 archive=$2
mkdir -p "$root/opt/seed" "$root/var/lib/containerd"
mount --bind "$root/opt/seed" "$root/var/lib/containerd"
mount --rbind /proc "$root/proc"
mount --rbind /sys "$root/sys"
for directory in run tmp; do mount -t tmpfs none "$root/$directory"; done
: > "$root/run/images.tar"
mount --bind "$archive" "$root/run/images.tar"

chroot "$root" sh -eu <<'END'
containerd > /run/said 2>&1 &
tries=0
until ctr version > /dev/null 2>&1; do
    tries=$((tries + 1))
    if [ $tries -gt 200 ]; then
        tail -n 20 /run/said >&2
        exit 1
    fi
    sleep 0.1
done
ctr --namespace k8s.io images import /run/images.tar
kill $!
wait
END
rm -rf "$root"/opt/seed/tmpmounts "$root"/opt/seed/io.containerd.content.v1.content/ingest/* \
    "$root"/opt/seed/io.containerd.runtime.*
