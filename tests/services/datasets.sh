# shellcheck shell=bash
# The packages of the browser tests; one of them holds the real CSV files that tests import.

install_browser_packages() {
  local browser=${root:?}/tests/browser
  (
    flock 9 # Two runs at once would empty each other's folder.
    # npm notes here what it installed last.
    if [ ! -e "$browser/node_modules/.package-lock.json" ] ||
      [ "$browser/package-lock.json" -nt "$browser/node_modules/.package-lock.json" ]; then
      cd "$browser" && npm ci --no-audit --no-fund --loglevel=error >&2
    fi
  ) 9<"$browser/package-lock.json" || fail "npm could not fetch the test packages of tests/browser"
}

fetch_datasets() {
  local browser=${root:?}/tests/browser
  [ -z "${BELLWIRE_TEST_DATASETS:-}" ] || return 0
  [ -e "$browser/package-lock.json" ] && command -v npm >/dev/null || return 0
  install_browser_packages
  if [ -d "$browser/node_modules/vega-datasets/data" ]; then
    export BELLWIRE_TEST_DATASETS=$browser/node_modules/vega-datasets/data
  fi
}
