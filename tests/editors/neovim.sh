#!/usr/bin/env bash
# The Neovim journey. usage: neovim.sh NVIM SADDLER [ARTEFACTS]
# Needs a Docker engine with the image alpine:3.20 (tests/provision).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
nvim=$1
saddler=$(realpath "$2")
artefacts=${3:-}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

mkdir "$folder/project" "$folder/home"
cp "$here"/fixtures/*.yaml "$folder/project"
cat >"$folder/init.lua" <<LUA
vim.opt.runtimepath:prepend('$(realpath "$here/../../editors/nvim")')
vim.lsp.log.set_level('debug')
require('saddler').setup({ cmd = { '$saddler', 'lsp' } })
LUA

[ -z "$artefacts" ] || artefacts=$(realpath "$artefacts")
cd "$folder/project"
status=0
# What the editor itself has to say goes to stderr, often without a line break.
# `--foreground` keeps the editor in our process group, so that it ends with us.
HOME=$folder/home XDG_STATE_HOME=$folder/home/state XDG_CONFIG_HOME=$folder/home/config XDG_DATA_HOME=$folder/home/data \
  timeout --foreground 300 "$nvim" --headless -n -u "$folder/init.lua" -c "luafile $here/neovim/journey.lua" \
  </dev/null 2>"$folder/messages" || status=$?
if [ "$status" -ne 0 ]; then
  sed 's/^/  | /' "$folder/messages"
  echo
  [ -z "$artefacts" ] || cp "$folder/home/state/nvim/lsp.log" "$artefacts/neovim-lsp.log" 2>/dev/null || true
fi
exit "$status"
