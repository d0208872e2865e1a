#!/usr/bin/env bash
# Podman, with its Docker-compatible API on a socket of ours. Prints the address for DAGU_PODMAN_HOST.
. "$(dirname "$0")/lib.sh"

socket=$SADDLER_RUN_DIR/podman.sock

service_answers() { podman --url "unix://$socket" version; }

write_config() {
  # As root where no limits can be raised, as in most containers and small virtual machines, Podman's default ulimits
  # are refused and no container starts.
  mkdir -p /etc/containers
  printf '%s\n' '[containers]' 'default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]' >/etc/containers/containers.conf
}

start_service() {
  rm -f "$socket"
  start_daemon podman podman system service --time=0 "unix://$socket"
  wait_for 30 "podman" service_answers || {
    cat "$SADDLER_RUN_DIR/podman.log"
    return 1
  }
}

# Without catatonit every container that asks for an init process is refused.
need_packages podman catatonit
[ -e /etc/containers/containers.conf ] || step "write Podman's limits" write_config
if [ -S "$socket" ] && service_answers >/dev/null 2>&1; then
  say "podman: service already answers"
else
  step "start Podman's service" start_service
fi
echo "unix://$socket"
