# shellcheck shell=bash
# A Redis server of our own below $folder, as BullMQ's guide for production wants it: every write in its log, synced once a second.

start_redis() {
  local home=${folder:?}/redis port
  port=$(free_port)
  mkdir -m 700 "$home"
  redis-server --bind 127.0.0.1 --port "$port" --dir "$home" --appendonly yes --appendfsync everysec --save '' \
    --maxmemory-policy noeviction --daemonize no </dev/null >"$home/server.log" 2>&1 &
  echo $! >"$home/server.pid"
  answers() { [ "$(redis-cli -h 127.0.0.1 -p "$port" ping 2>/dev/null)" = PONG ]; }
  if ! wait_until 20 answers; then
    cat "$home/server.log" >&2
    return 1
  fi
  echo "export BELLWIRE_TEST_REDIS_URL=redis://127.0.0.1:$port" >"$folder/redis.exports"
  say "Redis listens on 127.0.0.1:$port"
}

stop_redis() {
  [ ! -e "$folder/redis/server.pid" ] || stop_process "$(cat "$folder/redis/server.pid")" 10
}
