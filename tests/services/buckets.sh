# shellcheck shell=bash
# A server of S3 of our own below $folder, over HTTP and over TLS.

buckets_folder() {
  echo "${CARGO_TARGET_DIR:-${root:?}/target}/buckets"
}

fetch_buckets() {
  local wanted=${root:?}/tests/buckets/requirements.txt kept
  kept=$(buckets_folder)
  mkdir -p "$kept"
  (
    flock 8
    # Copied there last.
    ! cmp -s "$wanted" "$kept/requirements.txt" || exit 0
    rm -rf "$kept/venv"
    python3 -m venv "$kept/venv"
    "$kept/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted" >&2
    cp "$wanted" "$kept/requirements.txt"
  ) 8>"$kept/lock" || fail "pip could not fetch the packages of tests/buckets"
}

start_buckets() {
  local home=${folder:?}/buckets plain tls open secret
  fetch_buckets || return 1
  plain=$(free_port) tls=$(free_port) open=$(free_port)
  secret=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  mkdir -m 700 "$home"
  "$(buckets_folder)/venv/bin/python" "$root/tests/buckets/server.py" "$plain" "$tls" "$open" \
    "$folder/certificates/server.pem" "$folder/certificates/server.key" BELLWIRETEST "$secret" bellwire </dev/null >"$home/server.log" 2>&1 &
  echo $! >"$home/server.pid"
  printf '[default]\naws_access_key_id = BELLWIRETEST\naws_secret_access_key = %s\n' "$secret" >"$home/keys"
  listens() { (exec 3<>"/dev/tcp/127.0.0.1/$plain") 2>/dev/null; }
  if ! wait_until 60 listens; then
    tail -n 30 "$home/server.log" >&2
    return 1
  fi
  cat >"$folder/buckets.exports" <<EXPORTS
export BELLWIRE_TEST_S3_URL=http://127.0.0.1:$plain
export BELLWIRE_TEST_S3_TLS_URL=https://127.0.0.1:$tls
export BELLWIRE_TEST_GS_URL=http://127.0.0.1:$open
export BELLWIRE_TEST_S3_KEYS=$home/keys
export BELLWIRE_TEST_S3_CA=$folder/certificates/ca.pem
EXPORTS
  say "S3 listens on 127.0.0.1:$plain, and over TLS on 127.0.0.1:$tls"
}

stop_buckets() {
  [ ! -e "$folder/buckets/server.pid" ] || stop_process "$(cat "$folder/buckets/server.pid")" 5
}
