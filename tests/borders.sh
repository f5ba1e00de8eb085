#!/usr/bin/env bash
# Which part may know which, and that no files use each other in a circle.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

node --test --test-reporter=dot tests/borders/
node tests/borders/check.js
