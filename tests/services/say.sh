# shellcheck shell=bash
# Words to the person who started us, on standard error so that the command's output stays its own.

say() {
  printf '%s: %s\n' "${speaker:-services}" "$*" >&2
}

fail() {
  say "$@"
  exit 1
}
