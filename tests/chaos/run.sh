#!/usr/bin/env bash
# One fault after another befalls real pods, browsers and workers (`make chaos`); tests/services.sh runs it, whose broker it
# stops. Arguments go to chaos.js.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
export speaker=chaos
for part in say install datasets; do
  # shellcheck source=/dev/null
  . "$root/tests/services/$part.sh"
done

install_browser_packages
install_packages tests/clients
# HAProxy's certificate is made by the test.
export NODE_TLS_REJECT_UNAUTHORIZED=0 NODE_NO_WARNINGS=1 BELLWIRE_GATEWAY__HEARTBEAT=1s
"$root/tests/cluster.sh" node "$here/chaos.js" "$@"
