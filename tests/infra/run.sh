#!/usr/bin/env bash
# Builds and checks all of infra/ (`make infra`); words after it choose tests, as in tests/infra/run.sh test_faults;
# --write makes what is made of other files anew.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export speaker=infra
for part in services/say services/install infra/install; do
  # shellcheck source=/dev/null
  . "$root/tests/$part.sh"
done
install_infra_tools

export PATH=$root/tests/infra/tools/bin:$root/tests/infra/tools/python/bin:$PATH:/usr/sbin
cd "$root/tests/infra"
if [ "${1:-}" = --write ]; then
  exec python -B generated.py
fi
if [ $# -gt 0 ]; then
  exec python -B -m unittest "$@"
fi
exec python -B -m unittest discover
