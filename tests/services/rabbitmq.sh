# shellcheck shell=bash
# A RabbitMQ of our own: own names, ports, epmd, cookie and data, all below $folder. One node of Debian's package for this machine, or of
# another version; or a cluster of several.

rabbitmq_programs=/usr/lib/rabbitmq/bin

# The release of Debian whose RabbitMQ is of this version.
debian_with_rabbitmq() {
  case $1 in
    3.10) echo bookworm ;;
    4.0) echo trixie ;;
    4.3) echo forky ;;
    *) fail "--rabbitmq takes 3.10, 4.0 or 4.3, and not '$1'" ;;
  esac
}

# The packages of RabbitMQ of another version and of all that it runs on, unpacked; kept for the next run.
rabbitmq_tree() {
  echo "${CARGO_TARGET_DIR:-${root:?}/target}/rabbitmq/$1"
}

# fetch_rabbitmq VERSION
fetch_rabbitmq() {
  local release tree packages=rabbitmq-server,bash,dash,coreutils,sed,grep,gawk,libc-bin,base-files
  release=$(debian_with_rabbitmq "$1") tree=$(rabbitmq_tree "$1")
  [ "$(id -u)" -eq 0 ] || fail "RabbitMQ $1 runs in a chroot, which only root may make"
  mkdir -p "$(dirname "$tree")"
  (
    flock 9 # Two runs at once would make the same folder.
    [ ! -e "$tree/.unpacked" ] || exit 0
    say "unpacking RabbitMQ $1 of Debian $release"
    rm -rf "$tree"
    # Nothing of it is run while it is unpacked. A mirror may be late for a release that changes daily.
    mmdebstrap --quiet --variant=extract --aptopt='Acquire::Check-Valid-Until "false"' --include="$packages" "$release" "$tree" >&2
    printf '127.0.0.1 localhost\n' >"$tree/etc/hosts"
    touch "$tree/.unpacked"
  ) 9>"$tree.lock" || fail "RabbitMQ $1 could not be unpacked"
}

# start_rabbitmq VERSION NODES: VERSION is empty for what is installed here.
start_rabbitmq() {
  local home epmd password cookie node port names=() ports=() nodes_starting=()
  epmd=$(free_port) password=$(random_word) cookie=$(random_word)
  mkdir "${folder:?}/nodes"
  write_within "$1" >"$folder/within"
  chmod 700 "$folder/within"
  # Started by us, not by a node, so that we know its pid and can end it.
  (cd "$folder" && ERL_EPMD_ADDRESS=127.0.0.1 exec setsid "$folder/within" epmd -port "$epmd") </dev/null >"$folder/epmd.log" 2>&1 &
  echo $! >"$folder/epmd.pid"

  for ((node = 1; node <= $2; node++)); do
    port=$(free_port) ports+=("$port") names+=("bellwire-$port@localhost")
  done
  for ((node = 1; node <= $2; node++)); do
    home=$folder/rabbitmq-$node port=${ports[node - 1]}
    mkdir -m 700 "$home"
    echo "$cookie" >"$home/.erlang.cookie"
    chmod 400 "$home/.erlang.cookie"
    echo '[].' >"$home/enabled_plugins"
    write_configuration >"$home/rabbitmq.conf"
    write_environment >"$home/environment"
    write_broker >"$folder/nodes/${names[node - 1]}"
    chmod 700 "$folder/nodes/${names[node - 1]}"
  done
  write_rabbitmqctl >"$folder/rabbitmqctl"
  ln -s "nodes/${names[0]}" "$folder/broker"
  chmod 700 "$folder/rabbitmqctl"
  # Together: since RabbitMQ 4 a new node waits for those that it is to join.
  for node in "${names[@]}"; do
    "$folder/nodes/$node" start & nodes_starting+=($!)
  done
  for node in "${nodes_starting[@]}"; do
    wait "$node" || return 1
  done
  port=${ports[0]}
  if [ "$2" -gt 1 ]; then
    port=$(free_port)
    start_front "$port" "${ports[@]}"
  fi

  cat >"$folder/rabbitmq.exports" <<EXPORTS
export BELLWIRE_TEST_AMQP_URL=amqp://operator:$password@127.0.0.1:$port/%2f
export BELLWIRE_TEST_RABBITMQCTL=$folder/rabbitmqctl
export BELLWIRE_TEST_BROKER=$folder/broker
export BELLWIRE_TEST_NODES=$folder/nodes
EXPORTS
  say "RabbitMQ $("$folder/rabbitmqctl" --silent version | tail -n 1) listens on 127.0.0.1:$port"
}

random_word() {
  od -An -N16 -tx1 /dev/urandom | tr -d ' \n'
}

# What stands before the nodes of a cluster, as a Service does in Kubernetes: a connection goes to one that answers.
start_front() {
  local port=$1 each
  shift
  {
    cat <<CONF
defaults
  mode tcp
  timeout connect 1s
  timeout client 1h
  timeout server 1h
  option redispatch
  retries 3
  default-server inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions
listen broker
  bind 127.0.0.1:$port
CONF
    for each in "$@"; do
      echo "  server node-$each 127.0.0.1:$each check"
    done
  } >"$folder/front.cfg"
  PATH=$PATH:/usr/sbin setsid haproxy -db -f "$folder/front.cfg" </dev/null >"$folder/front.log" 2>&1 &
  echo $! >"$folder/front.pid"
  # It takes a node for well before it has asked; the nodes are started.
  answers() { (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }
  wait_until 10 answers || fail "HAProxy did not start: $(cat "$folder/front.log")"
}

# Prints a program that runs others among the packages of a version, with $folder and /proc where they are.
write_within() {
  local above
  if [ -z "$1" ]; then
    printf '#!/bin/sh\nexec "$@"\n'
    return
  fi
  above=$(dirname "$folder")
  cat <<SCRIPT
#!/bin/sh
# In a mount namespace of its own: what is mounted goes with the process.
exec unshare --mount sh -euc '
  tree=$(rabbitmq_tree "$1") here=\$(pwd)
  mkdir -p "\$tree$above"
  mount --rbind /proc "\$tree/proc"
  mount --rbind /dev "\$tree/dev"
  mount --rbind "$above" "\$tree$above"
  exec chroot "\$tree" env --chdir="\$here" "\$@"
' within "\$@"
SCRIPT
}

# The following use the variables of start_rabbitmq.

write_configuration() {
  cat <<CONF
listeners.tcp.1 = 127.0.0.1:$port
default_user = operator
default_pass = $password
default_user_tags.administrator = true
log.console = false
log.file = node.log
log.file.level = info
CONF
  if [ ${#names[@]} -gt 1 ]; then
    echo 'cluster_formation.peer_discovery_backend = classic_config'
    for node_name in "${!names[@]}"; do
      echo "cluster_formation.classic_config.nodes.$((node_name + 1)) = ${names[node_name]}"
    done
  fi
  # Over TLS as well, where there are certificates: to who shows one.
  [ ! -e "$folder/certificates" ] || write_tls
  # As operators are told to.
  cat "${root:?}/infra/rabbitmq/bellwire.conf"
}

# A listener of this node; that of the first is exported.
write_tls() {
  local tls
  tls=$(free_port)
  cat <<CONF
listeners.ssl.1 = 127.0.0.1:$tls
ssl_options.cacertfile = $folder/certificates/ca.pem
ssl_options.certfile = $folder/certificates/server.pem
ssl_options.keyfile = $folder/certificates/server.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
CONF
  [ "$node" -ne 1 ] ||
    echo "export BELLWIRE_TEST_AMQPS_URL=amqps://operator:$password@127.0.0.1:$tls/%2f" >"$folder/rabbitmq-tls.exports"
}

# What every program of this node runs with.
write_environment() {
  cat <<ENVIRONMENT
export HOME=$home
export PATH=\$PATH:/usr/sbin:/sbin
export RABBITMQ_CONF_ENV_FILE=/dev/null
export RABBITMQ_CONFIG_FILE=$home/rabbitmq.conf
export RABBITMQ_ADVANCED_CONFIG_FILE=$home/none
export RABBITMQ_ENABLED_PLUGINS_FILE=$home/enabled_plugins
export RABBITMQ_MNESIA_BASE=$home/data
export RABBITMQ_LOG_BASE=$home
export RABBITMQ_PID_FILE=$home/node.pid
export RABBITMQ_NODENAME=${names[node - 1]}
export RABBITMQ_DIST_PORT=$(free_port)
export RABBITMQ_CTL_DIST_PORT_MIN=$(free_port)
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
exec $folder/broker ctl "\$@"
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
  setsid $folder/within $rabbitmq_programs/rabbitmq-server </dev/null >>$home/start.log 2>&1 &
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
  ctl) shift; exec $folder/within $rabbitmq_programs/rabbitmqctl "\$@" ;;
  *) fail "usage: \$0 start|stop|restart|kill|ctl ARGUMENT…" ;;
esac
SCRIPT
}

stop_rabbitmq() {
  local broker pid stopping=()
  [ ! -e "$folder/front.pid" ] || stop_process "$(cat "$folder/front.pid")" 5
  for broker in "$folder"/nodes/*; do
    [ ! -x "$broker" ] || { "$broker" stop & stopping+=($!); }
  done
  for pid in ${stopping[@]+"${stopping[@]}"}; do
    wait "$pid" || true
  done
  [ ! -e "$folder/epmd.pid" ] || stop_process "$(cat "$folder/epmd.pid")" 5
}
