# shellcheck shell=bash
# What the provision scripts share. Each script prepares one thing on a fresh Debian or Ubuntu machine, may be run
# again at any time, tells its story on stderr and prints on stdout only what its caller needs (a path, or nothing).
#
#   SADDLER_CACHE    what took long to make, kept for the next run    (/var/cache/saddler)
#   SADDLER_RUN_DIR  process ids and logs of daemons that we started  ($SADDLER_CACHE/run)

set -euo pipefail

SADDLER_CACHE=${SADDLER_CACHE:-/var/cache/saddler}
SADDLER_RUN_DIR=${SADDLER_RUN_DIR:-$SADDLER_CACHE/run}
export SADDLER_CACHE SADDLER_RUN_DIR

say() { printf 'provision: %s\n' "$*" >&2; }

die() {
  say "$*"
  exit 1
}

mkdir -p "$SADDLER_CACHE" "$SADDLER_RUN_DIR" 2>/dev/null \
  || die "cannot write to $SADDLER_CACHE: run as root, or set SADDLER_CACHE to a folder of your own"

# step TITLE COMMAND [ARG]...: runs the command with its chatter in a log, says how long it took, and shows the end of
# the log when it fails. Not to be called from a condition: bash would then ignore `set -e` inside the command.
step() {
  local title=$1 started=$SECONDS status log
  shift
  log=$(mktemp "$SADDLER_RUN_DIR/log.XXXXXX")
  say "$title …"
  set +e
  (
    set -e
    "$@"
  ) >"$log" 2>&1 </dev/null
  status=$?
  set -e
  if [ "$status" -ne 0 ]; then
    tail -n 40 "$log" | sed 's/^/  | /' >&2
    die "$title: failed with exit code $status, whole log in $log"
  fi
  rm -f "$log"
  say "$title: done in $((SECONDS - started)) s"
}

have() { command -v "$1" >/dev/null 2>&1; }

installed() { [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null)" = "ii " ]; }

# A package has a candidate that is a real package. Ubuntu's `chromium` packages are shells around a snap.
apt_offers() { apt-cache show --no-all-versions "$1" 2>/dev/null | grep -q '^Filename:'; }

apt_get() {
  DEBIAN_FRONTEND=noninteractive apt-get -y -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"
}

# need_packages NAME...: installs what is missing; does nothing, not even an update, when all is there.
need_packages() {
  local missing=() name
  for name; do
    installed "$name" || missing+=("$name")
  done
  [ "${#missing[@]}" -eq 0 ] && return
  [ "$(id -u)" -eq 0 ] || die "missing packages: ${missing[*]}; install them, or run this as root"
  have apt-get || die "missing packages: ${missing[*]}, and this machine has no apt-get"
  refresh_packages
  step "install ${missing[*]}" apt_get install --no-install-recommends "${missing[@]}"
}

refresh_packages() {
  [ -n "${SADDLER_APT_FRESH:-}" ] && return
  step "update the package lists" apt_get update
  export SADDLER_APT_FRESH=1
}

# wait_for SECONDS WHAT COMMAND [ARG]...: until the command succeeds.
wait_for() {
  local limit=$1 what=$2 started=$SECONDS
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $((SECONDS - started)) -lt "$limit" ] || {
      say "$what did not answer within $limit s"
      return 1
    }
    sleep 0.2
  done
}

# start_daemon NAME COMMAND [ARG]...: in a session of its own, with its process id in NAME.pid and its output in NAME.log.
start_daemon() {
  local name=$1
  shift
  setsid "$@" >"$SADDLER_RUN_DIR/$name.log" 2>&1 </dev/null &
  echo $! >"$SADDLER_RUN_DIR/$name.pid"
}

# stop_daemons: ends every daemon that start_daemon left in SADDLER_RUN_DIR, and no other process.
stop_daemons() {
  local file pid name
  for file in "$SADDLER_RUN_DIR"/*.pid; do
    [ -e "$file" ] || continue
    name=$(basename "$file" .pid)
    pid=$(cat "$file")
    rm -f "$file"
    # The id may have gone to another process since.
    grep -qsz "$name" "/proc/$pid/cmdline" || continue
    say "stop $name ($pid)"
    kill "$pid" 2>/dev/null || true
    wait_for 30 "the end of $name" process_is_gone "$pid" || kill -KILL "$pid" 2>/dev/null || true
  done
}

process_is_gone() {
  # A child of ours stays as a zombie until we are done.
  ! [ -d "/proc/$1" ] || grep -qs '^State:[[:space:]]*Z' "/proc/$1/status"
}
