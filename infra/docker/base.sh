#!/usr/bin/env bash
# Writes what the programs need of Debian 12 as a tar file: libraries, certificates, time zones, an account; no shell. The same bytes
# each time while Debian's packages are the same. As root.
#
#   infra/docker/base.sh base.tar
set -euo pipefail
out=$(realpath -m "${1:?where to write: infra/docker/base.sh base.tar}")

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
# Packages are unpacked, and nothing of them is run.
mmdebstrap --quiet --variant=extract --include=libc6,libgcc-s1,tzdata,netbase,ca-certificates bookworm debian

mkdir -p root/{etc/ssl/certs,etc/bellwire,run/secrets/bellwire,tmp,usr/bin,usr/share/doc,var/lib/bellwire/files}
libraries=$(echo debian/lib/*-linux-gnu)
mkdir -p "root/${libraries#debian/}"
for library in ld-linux-\* libc.so.\* libm.so.\* libgcc_s.so.\* libdl.so.\* libpthread.so.\* librt.so.\* libresolv.so.\* libnss_dns.so.\* libnss_files.so.\*; do
  # shellcheck disable=SC2086
  cp -a $libraries/$library "root/${libraries#debian/}/"
done
(
  cd debian
  [ ! -d lib64 ] || cp -a --parents lib64 ../root # on amd64
  cp -a --parents etc/protocols etc/services usr/share/zoneinfo ../root
)
cat debian/usr/share/ca-certificates/mozilla/*.crt >root/etc/ssl/certs/ca-certificates.crt
for package in libc6 gcc-12-base tzdata netbase ca-certificates; do
  install -Dm644 "debian/usr/share/doc/$package/copyright" "root/usr/share/doc/$package/copyright"
done
printf 'root:x:0:0::/:/\nbellwire:x:10001:10001::/:/\n' >root/etc/passwd
printf 'root:x:0:\nbellwire:x:10001:\n' >root/etc/group
printf 'hosts: files dns\n' >root/etc/nsswitch.conf
chmod 1777 root/tmp

tar --sort=name --format=gnu --mtime=@0 --numeric-owner --owner=0 --group=0 -C root -cf "$out" --exclude=./var/lib/bellwire .
tar --sort=name --format=gnu --mtime=@0 --numeric-owner --owner=10001 --group=10001 -C root -rf "$out" ./var/lib/bellwire
