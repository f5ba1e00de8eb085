#!/usr/bin/env bash
# Checks the types of client/ with TypeScript, which npm installs if it is missing; `make check` runs it.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
speaker=check
for part in say datasets; do
  # shellcheck source=/dev/null
  . "$root/tests/services/$part.sh"
done

if ! command -v npm >/dev/null; then
  say "npm is not there: the types of client/ are left out"
  exit
fi
install_browser_packages
npm --prefix "$root/tests/browser" run --silent check
