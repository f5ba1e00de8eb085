# shellcheck shell=bash
# A RabbitMQ node of our own: own name, ports, epmd, cookie and data, all below $folder.

rabbitmq_programs=/usr/lib/rabbitmq/bin

start_rabbitmq() {
  local home=${folder:?}/rabbitmq port distribution epmd ctl password tls
  port=$(free_port) distribution=$(free_port) epmd=$(free_port) ctl=$(free_port)
  password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  mkdir -m 700 "$home"
  od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$home/.erlang.cookie"
  chmod 400 "$home/.erlang.cookie"
  echo '[].' >"$home/enabled_plugins"
  cat >"$home/rabbitmq.conf" <<CONF
listeners.tcp.1 = 127.0.0.1:$port
default_user = operator
default_pass = $password
default_user_tags.administrator = true
log.console = false
log.file = node.log
log.file.level = info
CONF
  # Over TLS as well, where there are certificates: to who shows one.
  if [ -e "$folder/certificates" ]; then
    tls=$(free_port)
    cat >>"$home/rabbitmq.conf" <<CONF
listeners.ssl.1 = 127.0.0.1:$tls
ssl_options.cacertfile = $folder/certificates/ca.pem
ssl_options.certfile = $folder/certificates/server.pem
ssl_options.keyfile = $folder/certificates/server.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
CONF
    echo "export BELLWIRE_TEST_AMQPS_URL=amqps://operator:$password@127.0.0.1:$tls/%2f" >"$folder/rabbitmq-tls.exports"
  fi
  # As operators are told to.
  cat "${root:?}/infra/rabbitmq/bellwire.conf" >>"$home/rabbitmq.conf"
  write_environment >"$home/environment"
  write_rabbitmqctl >"$folder/rabbitmqctl"
  write_broker >"$folder/broker"
  chmod 700 "$folder/rabbitmqctl" "$folder/broker"

  # Started by us, not by the node, so that we know its pid and can end it.
  ERL_EPMD_ADDRESS=127.0.0.1 setsid epmd -port "$epmd" </dev/null >"$home/epmd.log" 2>&1 &
  echo $! >"$home/epmd.pid"
  "$folder/broker" start || return 1

  cat >"$folder/rabbitmq.exports" <<EXPORTS
export BELLWIRE_TEST_AMQP_URL=amqp://operator:$password@127.0.0.1:$port/%2f
export BELLWIRE_TEST_RABBITMQCTL=$folder/rabbitmqctl
export BELLWIRE_TEST_BROKER=$folder/broker
EXPORTS
  say "RabbitMQ listens on 127.0.0.1:$port"
}

# What every program of this node runs with. Uses the variables of start_rabbitmq.
write_environment() {
  cat <<ENVIRONMENT
export HOME=$home
export RABBITMQ_CONF_ENV_FILE=/dev/null
export RABBITMQ_CONFIG_FILE=$home/rabbitmq.conf
export RABBITMQ_ADVANCED_CONFIG_FILE=$home/none
export RABBITMQ_ENABLED_PLUGINS_FILE=$home/enabled_plugins
export RABBITMQ_MNESIA_BASE=$home/data
export RABBITMQ_LOG_BASE=$home
export RABBITMQ_PID_FILE=$home/node.pid
export RABBITMQ_NODENAME=bellwire-$port@localhost
export RABBITMQ_DIST_PORT=$distribution
export RABBITMQ_CTL_DIST_PORT_MIN=$ctl
export ERL_EPMD_PORT=$epmd
export ERL_EPMD_ADDRESS=127.0.0.1
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}'
export RABBITMQ_CTL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}'
cd $home
ENVIRONMENT
}

write_rabbitmqctl() {
  cat <<SCRIPT
#!/bin/sh
. $home/environment
exec $rabbitmq_programs/rabbitmqctl "\$@"
SCRIPT
}

# The script lives on its own: tests call it while this one waits for them.
write_broker() {
  cat <<SCRIPT
#!/usr/bin/env bash
set -euo pipefail
. ${root:?}/tests/services/say.sh
. $root/tests/services/ports.sh
. $home/environment

# A started broker answers our greeting with a frame of its own (type 1).
answers() {
  local frame
  exec 3<>/dev/tcp/127.0.0.1/$port || return 1
  printf 'AMQP\0\0\11\1' >&3
  read -r -t 2 -N 1 frame <&3 && [ "\$frame" = \$'\1' ]
}
node() { cat $home/node.pid 2>/dev/null || true; }
start() {
  setsid $rabbitmq_programs/rabbitmq-server </dev/null >>$home/start.log 2>&1 &
  echo \$! >$home/script.pid
  ready() { (answers) 2>/dev/null || is_gone \$(cat $home/script.pid); }
  if ! wait_until 90 ready || is_gone \$(cat $home/script.pid); then
    tail -n 30 $home/start.log $home/node.log >&2 || true
    fail "RabbitMQ did not start"
  fi
}
stop() {
  local node; node=\$(node)
  stop_process "\$(cat $home/script.pid 2>/dev/null || true)" 30
  stop_process "\$node" 5
  rm -f $home/node.pid
}
case \${1:-} in
  start) start ;;
  stop) stop ;;
  restart) stop; start ;;
  kill) kill -KILL \$(node); wait_until 10 is_gone \$(cat $home/script.pid); rm -f $home/node.pid ;;
  *) fail "usage: \$0 start|stop|restart|kill" ;;
esac
SCRIPT
}

stop_rabbitmq() {
  [ ! -e "$folder/broker" ] || "$folder/broker" stop || true
  [ ! -e "$folder/rabbitmq/epmd.pid" ] || stop_process "$(cat "$folder/rabbitmq/epmd.pid")" 5
}
