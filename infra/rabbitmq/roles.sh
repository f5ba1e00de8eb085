#!/bin/sh
# Makes the broker users of one environment: who may declare, write and read what. As root on a node of the broker:
#
#   infra/rabbitmq/roles.sh --import everywhere
#   infra/rabbitmq/roles.sh --import prod imports reports workflows
#
# Without --import it prints them as RabbitMQ definitions, for a broker that is elsewhere: `rabbitmqctl import_definitions FILE` there. From a
# file: RabbitMQ 4.0 waits for ever for what it is piped, and 3.10 does not read /dev/stdin.
#
# It makes, for the environment prod and the prefix bellwire:
#
#   bellwire.prod.topology         declares all of prod (`bellwire topology`)
#   bellwire.prod.gateway          a gateway pod of prod: publishes events, submits jobs, reads the log,
#                                  agrees with the others on who starts what is scheduled
#   bellwire.prod.worker.imports   a worker of one kind: publishes events, takes its own jobs, reads the log
#   bellwire.prod.publisher        any other program: publishes events of its own and messages to people, and reads nothing
#   bellwire.prod.scaler           counts what waits, over the broker's management API, for what scales workers; nothing else
#   bellwire.prod.operator         looks at the jobs that were given up, retries and drops them (`bellwire jobs`)
#   bellwire.everywhere            may speak to every environment (`bellwire notify --everywhere`); and the exchange of that
#                                  name, which no environment's user may declare: import it first
#
# Nobody of them has a right on the default exchange (amq.default): that one opens every queue of every environment.
#
# bellwire.conf beside this file belongs to the broker's own settings: no user's right bounds the size of a message.
#
# Each password is BELLWIRE_<ROLE>_PASSWORD (TOPOLOGY, GATEWAY, WORKER, PUBLISHER, OPERATOR, SCALER, EVERYWHERE) where that is set, else
# the one of that user in the file of passwords, else a new one. They are kept in that file, a line of user and password each, so a second
# run changes none: BELLWIRE_PASSWORDS, ~/.config/bellwire/broker-passwords unless set. If it is set to nothing, none is kept and all must
# be given. Have a file for each broker. What is printed holds the passwords, too.
#
# BELLWIRE_PREFIX (bellwire) and BELLWIRE_VHOST (/) as configured. RABBITMQCTL (rabbitmqctl) is the program that imports, with arguments.
set -eu
LC_ALL=C

prefix=${BELLWIRE_PREFIX:-bellwire}
vhost=${BELLWIRE_VHOST:-/}
passwords=${BELLWIRE_PASSWORDS-${XDG_CONFIG_HOME:-$HOME/.config}/bellwire/broker-passwords}

fail() {
  echo "roles.sh: $*" >&2
  exit 2
}

# A name holds nothing that a pattern or JSON would read otherwise.
check_name() {
  case $2 in
  '' | [!a-z]* | *[!a-z0-9-]*) fail "$1 '$2' is not a name: [a-z][a-z0-9-]{0,31}" ;;
  esac
  [ ${#2} -le 32 ] || fail "$1 '$2' is longer than 32"
}

check_text() {
  case $2 in
  *[\"\\]* | *[[:cntrl:]]*) fail "$1 must have no quote, backslash or control character" ;;
  esac
}

# given ROLE: the password that the environment has for it, if any.
given() {
  eval "printf '%s' \"\${BELLWIRE_${1}_PASSWORD:-}\""
}

# choose USER ROLE: sets `chosen` to the password of a user.
choose() {
  chosen=$(given "$2")
  if [ -n "$chosen" ] || [ -z "$passwords" ]; then
    [ -n "$chosen" ] || fail "BELLWIRE_${2}_PASSWORD is not set, and BELLWIRE_PASSWORDS names no file to keep a new one in"
  else
    chosen=$([ ! -e "$passwords" ] || awk -v user="$1" '$1 == user { sub(/^[^ ]+ /, ""); print }' "$passwords")
    check_text "the password of $1 in $passwords" "$chosen"
    [ -n "$chosen" ] || chosen=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
  fi
  kept="$kept$1 $chosen
"
}

# Writes the passwords where they are kept, those of other environments and kinds as they were.
keep() {
  [ -n "$passwords" ] || return 0
  mkdir -p "$(dirname "$passwords")"
  (
    umask 077
    {
      printf '%s' "$kept"
      [ ! -e "$passwords" ] || printf '%s' "$kept" | awk 'NR == FNR { mine[$1]; next } !($1 in mine)' - "$passwords"
    } | sort >"$passwords.new"
  )
  mv "$passwords.new" "$passwords"
  echo "roles.sh: the passwords are in $passwords" >&2
}

kept=
users=
permissions=
exchanges=

# role NAME ROLE CONFIGURE WRITE READ [TAG]: patterns without anchors, a bare dot meaning a dot.
role() {
  choose "$1" "$2"
  users="$users${users:+,}
    {\"name\": \"$1\", \"password\": \"$chosen\", \"tags\": [${6:+\"$6\"}]}"
  permissions="$permissions${permissions:+,}
    {\"user\": \"$1\", \"vhost\": \"$vhost\", \"configure\": \"$(pattern "$3")\", \"write\": \"$(pattern "$4")\", \"read\": \"$(pattern "$5")\"}"
}

pattern() {
  # `@` stands for one character or more of any kind; an empty pattern matches nothing that has a name.
  printf '^%s$' "$1" | sed -e 's/\./\\\\./g' -e 's/@/.+/g'
}

importing=
[ "${1:-}" != --import ] || { importing=yes && shift; }
[ $# -ge 1 ] || fail "say which environment and which kinds of function: roles.sh --import prod imports reports"
environment=$1
shift
check_name environment "$environment"
check_name BELLWIRE_PREFIX "$prefix"
check_text BELLWIRE_VHOST "$vhost"
for kind in "$@"; do
  check_name kind "$kind"
done
for each in TOPOLOGY GATEWAY WORKER PUBLISHER OPERATOR SCALER EVERYWHERE; do
  check_text "BELLWIRE_${each}_PASSWORD" "$(given "$each")"
done

pod='[a-z0-9-]+'
base=$prefix.$environment
# A right to write to a queue is one to count what is in it, since RabbitMQ 4.3 shows nobody what he has no right to; it allows binding
# the queue to an exchange that one may read, and no publishing.
lanes='high|bulk.[1-3]|low.[12]'
counted="(.($lanes|retry.[0-9]+s|dead))?"

if [ "$environment" = everywhere ]; then
  [ $# -eq 0 ] || fail "everywhere is no environment and has no kinds"
  role "$base" EVERYWHERE '' "$base" ''
  exchanges="
    {\"name\": \"$base\", \"vhost\": \"$vhost\", \"type\": \"fanout\", \"durable\": true, \"auto_delete\": false, \"internal\": false, \"arguments\": {}}"
else
  role "$base.topology" TOPOLOGY "$base(.@)?" "$base(.@)?" "$prefix.($environment(.@)?|everywhere)"
  role "$base.gateway" GATEWAY \
    "$base.control.g-$pod" "$base(.jobs(.[a-z0-9-]+$counted)?|.control(.g-$pod)?)?" "$base.(events|control(.g-$pod)?|jobs.gateway.lease)"
  role "$base.publisher" PUBLISHER '' "$base.publish" ''
  role "$base.scaler" SCALER '' '' '' management
  # Retrying is publishing to the jobs exchange; the dead are read, and no queue that works.
  role "$base.operator" OPERATOR '' "$base.jobs(.[a-z0-9-]+$counted)?" "$base.jobs.[a-z0-9-]+.dead"
  # Cancelling is an event, so a worker reads the log of its environment. Control messages are between gateways.
  for kind in "$@"; do
    role "$base.worker.$kind" WORKER \
      '' "$base(.jobs(.$kind$counted)?)?" "$base.(events|jobs.$kind(.($lanes))?)"
  done
fi

keep
definitions=$(
  cat <<END
{
  "users": [$users
  ],
  "permissions": [$permissions
  ],
  "exchanges": [$exchanges
  ]
}
END
)
if [ -z "$importing" ]; then
  printf '%s\n' "$definitions"
  exit
fi
# Debian's rabbitmqctl reads it as the broker's user.
file=$(mktemp)
trap 'rm -f "$file"' EXIT
printf '%s\n' "$definitions" >"$file"
[ "$(id -u)" -ne 0 ] || ! id rabbitmq >/dev/null 2>&1 || chown rabbitmq "$file"
# shellcheck disable=SC2086
${RABBITMQCTL:-rabbitmqctl} import_definitions "$file"
