# shellcheck shell=bash
# Free ports and waiting for them.

# Prints a port of 127.0.0.1 that nobody listens on. Below Linux's ephemeral range (32768 and up), so
# that no outgoing connection takes it between here and its use.
free_port() {
  local port
  for _ in {1..200}; do
    port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      echo "$port"
      return
    fi
  done
  fail "found no free port between 20000 and 32000"
}

# wait_until SECONDS COMMAND…: asks again until it says yes; fails after SECONDS.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.1
  done
}

# A process that has ended but was not collected (a container's first process may never do it) is gone too.
is_gone() {
  ! kill -0 "$1" 2>/dev/null || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null
}

# stop_process PID SECONDS: asks it to stop, and ends it when it has not after SECONDS.
stop_process() {
  [ -n "$1" ] && ! is_gone "$1" || return 0
  kill -TERM "$1" 2>/dev/null || true
  wait_until "$2" is_gone "$1" || kill -KILL "$1" 2>/dev/null || true
}
