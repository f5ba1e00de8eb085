# shellcheck shell=bash
# The packages of the browser tests; one of them holds the real CSV files that tests import.

# install_packages FOLDER: the npm packages of a folder of tests, if they are not there yet.
install_packages() {
  local folder=${root:?}/$1
  (
    flock 9 # Two runs at once would empty each other's folder.
    # npm notes here what it installed last.
    if [ ! -e "$folder/node_modules/.package-lock.json" ] ||
      [ "$folder/package-lock.json" -nt "$folder/node_modules/.package-lock.json" ]; then
      cd "$folder" && npm ci --no-audit --no-fund --loglevel=error >&2
    fi
  ) 9<"$folder/package-lock.json" || fail "npm could not fetch the test packages of $1"
}

install_browser_packages() {
  install_packages tests/browser
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
