#!/usr/bin/env bash
# The VS Code journey. usage: vscode.sh PARTS SADDLER VSIX ARTEFACTS
# PARTS is the folder that tests/provision/vscode.sh prints. Needs a Docker engine with the image alpine:3.20.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
parts=$1
saddler=$(realpath "$2")
vsix=$(realpath "$3")
mkdir -p "$4"
artefacts=$(realpath "$4")
folder=$(mktemp -d)
server=

# shellcheck disable=SC2317 # The trap calls it.
finish() {
  [ -z "$server" ] || kill -- "-$server" 2>/dev/null || true
  cp "$folder/code-server.log" "$artefacts/vscode-server.log" 2>/dev/null || true
  # The extension host writes a little longer than the server lives.
  rm -rf "$folder" 2>/dev/null || { sleep 1 && rm -rf "$folder"; }
}
trap finish EXIT

mkdir -p "$folder/project" "$folder/data/Machine" "$folder/data/User" "$folder/extensions"
cp "$here"/fixtures/*.yaml "$folder/project"
printf '{"saddler.server.path": "%s"}\n' "$saddler" >"$folder/data/Machine/settings.json"
cat >"$folder/data/User/settings.json" <<'JSON'
{
  "security.workspace.trust.enabled": false,
  "telemetry.telemetryLevel": "off",
  "workbench.startupEditor": "none",
  "workbench.tips.enabled": false
}
JSON

# A name of its own for the user's home, so that nothing of this machine's settings is read.
export HOME=$folder XDG_CONFIG_HOME=$folder/config XDG_DATA_HOME=$folder/share
code_server() {
  "$parts/bin/node" "$parts/node_modules/code-server/out/node/entry.js" --user-data-dir "$folder/data" \
    --extensions-dir "$folder/extensions" "$@"
}
code_server --install-extension "$vsix" >"$folder/code-server.log" 2>&1 || {
  cat "$folder/code-server.log"
  exit 1
}

# Port 0 lets the system choose a free one; the log says which.
set -m
code_server --auth none --bind-addr 127.0.0.1:0 --disable-telemetry --disable-update-check "$folder/project" \
  >>"$folder/code-server.log" 2>&1 </dev/null &
server=$!
set +m
for _ in $(seq 150); do
  address=$(sed -n 's#.*HTTP server listening on \(http://127\.0\.0\.1:[0-9]*\).*#\1#p' "$folder/code-server.log" | head -n 1)
  [ -z "$address" ] || break
  sleep 0.2
done
[ -n "$address" ] || {
  cat "$folder/code-server.log"
  echo 'vscode: code-server did not start within 30 s'
  exit 1
}

status=0
# `--foreground` keeps the browser in our process group, so that it ends with us.
timeout --foreground 600 "$parts/bin/node" "$here/vscode/journey.mjs" "$address/?folder=$folder/project" "$parts" "$artefacts" || status=$?
[ "$status" -eq 0 ] || find "$folder/data/logs" -path '*saddler*' -name '*.log' -exec cp {} "$artefacts" \; 2>/dev/null || true
exit "$status"
