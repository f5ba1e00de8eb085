#!/usr/bin/env bash
# Makes the image with all programs: bellwire:VERSION, in buildah's and podman's store. The same programs and packages give the same
# image, to the last byte. On Debian 12 with buildah, mmdebstrap and Rust, as root.
#
#   infra/docker/build.sh            # builds the programs, for release
#   infra/docker/build.sh FOLDER     # takes them from there
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
programs=(bellwire bellwire-gateway bellwire-imports bellwire-reports bellwire-workflows)
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)

if [ $# -gt 0 ]; then
  from=$1
else
  cargo build --manifest-path "$root/Cargo.toml" --workspace --bins --release
  from=${CARGO_TARGET_DIR:-$root/target}/release
fi

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
for program in "${programs[@]}"; do
  cp "$from/$program" "$context/$program"
done
"$root/infra/docker/base.sh" "$context/base.tar"
buildah build --quiet --isolation chroot --timestamp 0 --format oci --tag "bellwire:$version" \
  --file "$root/infra/docker/Containerfile" "$context"
