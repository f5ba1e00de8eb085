#!/usr/bin/env bash
# The break list of jobs against the workers in Python and Node, beside two pods; tests/services.sh runs it. Arguments go to node --test.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
export speaker=workers
for part in say install datasets; do
  # shellcheck source=/dev/null
  . "$root/tests/services/$part.sh"
done
: "${BELLWIRE_TEST_AMQP_URL:?run it by tests/services.sh}"

folder=$(mktemp -d "${TMPDIR:-/tmp}/bellwire-workers.XXXXXX")
trap 'rm -rf "$folder"' EXIT

install_missing python3-venv
install_browser_packages
install_packages workers/node
install_packages tests/workers
python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
export BELLWIRE_TEST_PYTHON=$folder/python/bin/python PYTHONPATH=$root/workers/python PYTHONDONTWRITEBYTECODE=1
export BELLWIRE_TEST_PROGRAMS=${CARGO_TARGET_DIR:-$root/target}/debug

"$BELLWIRE_TEST_PYTHON" -m unittest discover --quiet --start-directory "$root/workers/python/tests"
(cd "$root/workers/node" && node --test --test-reporter=dot tests/)

cd "$here"
[ $# -gt 0 ] || set -- *.test.js
BELLWIRE_TEST_KINDS="tricks-python tricks-node tricks-both invoices" \
  "$root/tests/cluster.sh" bash -euo pipefail -c '
    export BELLWIRE_TEST_FILES=file:${BELLWIRE_TEST_CONFIG%/*}/files
    # The broker is restarted last: everybody would notice.
    together=
    files=()
    for file in "$@"; do
      [ "$file" = together.test.js ] && together=$file || files+=("$file")
    done
    [ ${#files[@]} -eq 0 ] || node --test --test-concurrency=2 --test-reporter=spec "${files[@]}"
    [ -z "$together" ] || node --test --test-reporter=spec "$together"
  ' workers "$@"
