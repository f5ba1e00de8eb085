#!/bin/sh
# Prints the broker users of one environment as RabbitMQ definitions: who may declare, write and read what.
#
#   infra/rabbitmq/roles.sh prod imports reports workflows | rabbitmqctl import_definitions
#   infra/rabbitmq/roles.sh everywhere | rabbitmqctl import_definitions
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
# Each password is BELLWIRE_<ROLE>_PASSWORD (TOPOLOGY, GATEWAY, WORKER, PUBLISHER, OPERATOR, SCALER, EVERYWHERE) where that is set,
# else a new one; what is printed holds them all, so it is a secret. Importing again replaces them.
# BELLWIRE_PREFIX (bellwire) and BELLWIRE_VHOST (/) as configured.
set -eu
LC_ALL=C

prefix=${BELLWIRE_PREFIX:-bellwire}
vhost=${BELLWIRE_VHOST:-/}

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

password() {
  chosen=$(given "$1")
  printf '%s' "${chosen:-$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')}"
}

users=
permissions=
exchanges=

# role NAME PASSWORD CONFIGURE WRITE READ [TAG]: patterns without anchors, a bare dot meaning a dot.
role() {
  users="$users${users:+,}
    {\"name\": \"$1\", \"password\": \"$2\", \"tags\": [${6:+\"$6\"}]}"
  permissions="$permissions${permissions:+,}
    {\"user\": \"$1\", \"vhost\": \"$vhost\", \"configure\": \"$(pattern "$3")\", \"write\": \"$(pattern "$4")\", \"read\": \"$(pattern "$5")\"}"
}

pattern() {
  # `@` stands for one character or more of any kind; an empty pattern matches nothing that has a name.
  printf '^%s$' "$1" | sed -e 's/\./\\\\./g' -e 's/@/.+/g'
}

[ $# -ge 1 ] || fail "say which environment and which kinds of function: roles.sh prod imports reports"
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

if [ "$environment" = everywhere ]; then
  [ $# -eq 0 ] || fail "everywhere is no environment and has no kinds"
  role "$base" "$(password EVERYWHERE)" '' "$base" ''
  exchanges="
    {\"name\": \"$base\", \"vhost\": \"$vhost\", \"type\": \"fanout\", \"durable\": true, \"auto_delete\": false, \"internal\": false, \"arguments\": {}}"
else
  role "$base.topology" "$(password TOPOLOGY)" "$base(.@)?" "$base(.@)?" "$prefix.($environment(.@)?|everywhere)"
  role "$base.gateway" "$(password GATEWAY)" \
    "$base.control.g-$pod" "$base(.jobs|.control(.g-$pod)?)?" "$base.(events|control(.g-$pod)?|jobs.gateway.lease)"
  role "$base.publisher" "$(password PUBLISHER)" '' "$base.publish" ''
  role "$base.scaler" "$(password SCALER)" '' '' '' management
  # Retrying is publishing to the jobs exchange; the dead are read, and no queue that works.
  role "$base.operator" "$(password OPERATOR)" '' "$base.jobs" "$base.jobs.[a-z0-9-]+.dead"
  # Cancelling is an event, so a worker reads the log of its environment. Control messages are between gateways.
  for kind in "$@"; do
    role "$base.worker.$kind" "$(password WORKER)" \
      '' "$base(.jobs)?" "$base.(events|jobs.$kind(.(high|bulk.[1-3]|low.[12]))?)"
  done
fi

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
