# shellcheck shell=bash
# Installs the Debian packages whose program is missing, or says exactly which to install.

# has PACKAGE: whether the program that we want from it is there.
has() {
  case $1 in
    rabbitmq-server) [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] ;;
    postgresql) [ -n "$(postgresql_programs)" ] ;;
    haproxy | nginx) [ -x "/usr/sbin/$1" ] ;; # not in everybody's PATH
    poppler-utils) command -v pdftotext >/dev/null ;;
    systemd) command -v systemd-analyze >/dev/null ;;
    prometheus) command -v promtool >/dev/null ;;
    python3-venv) python3 -c 'import ensurepip' 2>/dev/null ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

install_missing() {
  local package missing=()
  for package in "$@"; do
    has "$package" || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0

  local root_by=()
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
      root_by=(sudo)
    else
      root_by=(false)
    fi
  fi
  if ! command -v apt-get >/dev/null || [ "${root_by[*]}" = false ]; then
    fail "missing: ${missing[*]}. Please install them, on Debian with: apt-get install ${missing[*]}"
  fi

  say "installing ${missing[*]}"
  ${root_by[@]+"${root_by[@]}"} bash -euo pipefail -s -- "${missing[@]}" >&2 <<'AS_ROOT' ||
    # Debian starts a service as it is installed. We only want the programs, so for as long as this
    # takes we forbid that, unless the machine has a rule of its own.
    rule=/usr/sbin/policy-rc.d
    if [ ! -e $rule ]; then
      trap 'rm -f $rule' EXIT
      printf '#!/bin/sh\nexit 101\n' >$rule
      chmod 755 $rule
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -qq -y --no-install-recommends "$@" </dev/null
AS_ROOT
    fail "could not install ${missing[*]}; what apt said is above. Please install them by hand"
}
