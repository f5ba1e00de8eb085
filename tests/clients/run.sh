#!/usr/bin/env bash
# SignalR's own clients and those of server-sent events against two pods, directly and through HAProxy; tests/services.sh runs it. Arguments go to node --test.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
export speaker=clients
for part in say ports; do
  # shellcheck source=/dev/null
  . "$root/tests/services/$part.sh"
done

folder=$(mktemp -d "${TMPDIR:-/tmp}/bellwire-clients.XXXXXX")
trap 'rm -rf "$folder"' EXIT

if [ ! -e "$here/node_modules/.package-lock.json" ] || [ "$here/package-lock.json" -nt "$here/node_modules/.package-lock.json" ]; then
  (cd "$here" && npm ci --no-audit --no-fund --loglevel=error)
fi
python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
export BELLWIRE_TEST_PYTHON=$folder/python/bin/python

# Pages of another site, which the pods let in by its exact name; keep-alives and ends of tokens that need no patience to see.
BELLWIRE_TEST_SITE_PORT=$(free_port)
export BELLWIRE_TEST_SITE_PORT
export BELLWIRE_GATEWAY__ORIGINS=http://localhost:$BELLWIRE_TEST_SITE_PORT BELLWIRE_GATEWAY__HEARTBEAT=1s
export BELLWIRE_ENVIRONMENT__0__LEEWAY=0s

cd "$here"
[ $# -gt 0 ] || set -- *.test.js
"$root/tests/cluster.sh" node --test --test-concurrency=1 --test-reporter=spec --test-force-exit "$@"
