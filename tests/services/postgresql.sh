# shellcheck shell=bash
# A PostgreSQL cluster of our own below $folder. PostgreSQL refuses to run as root.

# Prints the folder of initdb and pg_ctl: the newest version that Debian's packages hold, or the one on the path.
postgresql_programs() {
  local newest
  newest=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
  if [ -x "${newest:-/none}/initdb" ]; then
    echo "$newest"
  elif command -v initdb >/dev/null; then
    dirname "$(command -v initdb)"
  fi
}

as_database_user() {
  local user=postgres
  if [ "$(id -u)" -ne 0 ]; then
    "$@"
    return
  fi
  getent passwd "$user" >/dev/null || user=nobody
  (cd / && exec setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups "$@")
}

start_postgresql() {
  local home=${folder:?}/postgresql programs port password log
  programs=$(postgresql_programs) port=$(free_port) log=$home/server.log
  password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  mkdir -m 700 "$home"
  echo "$password" >"$home/password"
  [ "$(id -u)" -ne 0 ] || chown -R "$(as_database_user id -u)" "$home"
  if ! as_database_user "$programs/initdb" --pgdata="$home/data" --username=bellwire --pwfile="$home/password" \
    --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync >"$folder/initdb.log" 2>&1; then
    cat "$folder/initdb.log" >&2
    return 1
  fi
  if ! as_database_user "$programs/pg_ctl" start --pgdata="$home/data" --log="$log" --wait --timeout=60 --silent \
    --options="-p $port -c listen_addresses=127.0.0.1,::1 -c unix_socket_directories=''" >/dev/null; then
    cat "$log" >&2
    return 1
  fi
  echo "export BELLWIRE_TEST_DATABASE_URL=postgres://bellwire:$password@127.0.0.1:$port/postgres" \
    >"$folder/postgresql.exports"
  say "PostgreSQL listens on 127.0.0.1:$port"
}

stop_postgresql() {
  local data=$folder/postgresql/data
  [ -e "$data/postmaster.pid" ] || return 0
  as_database_user "$(postgresql_programs)/pg_ctl" stop --pgdata="$data" --mode=fast --wait --timeout=20 --silent ||
    as_database_user "$(postgresql_programs)/pg_ctl" stop --pgdata="$data" --mode=immediate --silent || true
}
