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
  start_tls_postgresql "$programs" "$home" "$password" || return 1
  if ! as_database_user "$programs/pg_ctl" start --pgdata="$home/data" --log="$log" --wait --timeout=60 --silent \
    --options="-p $port -c listen_addresses=127.0.0.1,::1 -c unix_socket_directories=''" >/dev/null; then
    cat "$log" >&2
    return 1
  fi
  echo "export BELLWIRE_TEST_DATABASE_URL=postgres://bellwire:$password@127.0.0.1:$port/postgres" \
    >"$folder/postgresql.exports"
  say "PostgreSQL listens on 127.0.0.1:$port"
}

# A second one, from a copy of the first's empty folder, that is reached over TLS alone; `certified` is known by its certificate.
start_tls_postgresql() {
  local programs=$1 home=$2 password=$3 port tls=$2/tls log=$2/tls.log
  port=$(free_port)
  cp -a "$home/data" "$tls"
  cp "$folder"/certificates/{ca.pem,server.key,expired.pem} "$tls"
  # In its settings and not on the command line, which nobody could change.
  cp "$folder/certificates/server.pem" "$tls/server.crt"
  printf 'hostssl all certified all cert\nhostssl all all all scram-sha-256\n' >"$tls/pg_hba.conf"
  chmod 600 "$tls"/{ca.pem,expired.pem,server.crt,server.key}
  [ "$(id -u)" -ne 0 ] || chown -R "$(as_database_user id -u)" "$tls"
  if ! as_database_user "$programs/pg_ctl" start --pgdata="$tls" --log="$log" --wait --timeout=60 --silent \
    --options="-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c ssl=on -c ssl_ca_file=ca.pem \
      -c ssl_key_file=server.key" >/dev/null; then
    cat "$log" >&2
    return 1
  fi
  cat >"$folder/postgresql-tls.exports" <<EXPORTS
export BELLWIRE_TEST_TLS_DATABASE_URL=postgres://bellwire:$password@127.0.0.1:$port/postgres
export BELLWIRE_TEST_TLS_DATABASE_EXPIRED=$tls/expired.pem
export BELLWIRE_TEST_CERTIFICATES=$folder/certificates
EXPORTS
}

stop_postgresql() {
  local data
  for data in "$folder/postgresql/data" "$folder/postgresql/tls"; do
    [ -e "$data/postmaster.pid" ] || continue
    as_database_user "$(postgresql_programs)/pg_ctl" stop --pgdata="$data" --mode=fast --wait --timeout=20 --silent ||
      as_database_user "$(postgresql_programs)/pg_ctl" stop --pgdata="$data" --mode=immediate --silent || true
  done
}
