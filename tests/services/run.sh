# shellcheck shell=bash
# The command in a process group of its own: Ctrl-C reaches us first, and we end it before what it uses.

command_pid=

run_command() {
  set -m
  "$@" <&0 &
  command_pid=$!
  set +m
  local code=0
  wait "$command_pid" || code=$?
  command_pid=
  exit "$code"
}

stop_command() {
  [ -n "$command_pid" ] || return 0
  kill -TERM -- "-$command_pid" 2>/dev/null || true
  wait_until 30 is_gone "$command_pid" || kill -KILL -- "-$command_pid" 2>/dev/null || true
  wait "$command_pid" 2>/dev/null || true
}
