#!/usr/bin/env bash
# A Docker engine that answers. One that already runs is used as it is.
. "$(dirname "$0")/lib.sh"

engine_answers() { docker info; }

start_engine() {
  if [ -d /run/systemd/system ]; then
    systemctl start docker
  else
    start_daemon dockerd dockerd
  fi
  wait_for 60 "dockerd" engine_answers || {
    tail -n 40 "$SADDLER_RUN_DIR/dockerd.log"
    return 1
  }
}

if have docker && engine_answers >/dev/null 2>&1; then
  say "docker: engine $(docker version --format '{{.Server.Version}}') already answers"
  exit
fi

have dockerd || need_packages docker.io iptables
# Debian 13 has the client in a package of its own.
have docker || need_packages docker-cli
[ "$(id -u)" -eq 0 ] || die "docker: no engine answers; start it, or run this as root"
step "start dockerd" start_engine
say "docker: engine $(docker version --format '{{.Server.Version}}') answers"
