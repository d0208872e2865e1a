#!/usr/bin/env bash
# VS Code as a browser sees it, and a browser: code-server (a real workbench and extension host), playwright-core and
# Chromium. Prints the folder that holds them: bin/node, bin/npm, bin/chromium and node_modules.
#
# VS Code itself and Playwright's browsers are downloads from elsewhere; these parts come from npm and Debian alone. The
# native modules of code-server are built here, which takes about two minutes, once.
. "$(dirname "$0")/lib.sh"

version=4.100.3
playwright=1.65.1
# code-server refuses any other major version of Node.
node_major=20
home=$SADDLER_CACHE/vscode-$version

node_is_right() { have node && [ "$(node --version | sed 's/^v\([0-9]*\).*/\1/')" = "$node_major" ] && [ -e /usr/include/node/node.h ]; }

# A Node of the right version with its headers as $home/node, and an npm that brings node-gyp; both are in $home/bin too.
bring_node() {
  mkdir -p "$home/bin"
  # npm 11 no longer hands its own `nodedir` to builds, and Debian's npm comes without node-gyp.
  npm install --prefix "$home/node-package" --no-save --ignore-scripts npm@10
  ln -sfn "$home/node-package/node_modules/npm/bin/npm-cli.js" "$home/bin/npm"
  if node_is_right; then
    ln -sfn /usr "$home/node"
  else
    local arch
    case $(uname -m) in
      x86_64) arch=x64 ;;
      aarch64) arch=arm64 ;;
      *) die "no Node $node_major for $(uname -m) on npm; install Node $node_major with its headers" ;;
    esac
    npm install --prefix "$home/node-package" --no-save --ignore-scripts npm@10 "node-linux-$arch@$node_major"
    ln -sfn "$home/node-package/node_modules/node-linux-$arch" "$home/node"
  fi
  ln -sfn "$home/node/bin/node" "$home/bin/node"
}

install_code_server() {
  export PATH="$home/bin:$PATH"
  export npm_config_nodedir=$home/node
  export npm_config_node_gyp=$home/node-package/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js
  export npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false
  cd "$home"
  echo '{"private": true}' >package.json
  npm install --ignore-scripts "code-server@$version" "playwright-core@$playwright"
  (cd node_modules/argon2 && ../.bin/node-pre-gyp install --build-from-source)
  cd node_modules/code-server/lib/vscode
  npm install --ignore-scripts --omit=dev
  mkdir -p node_modules/@vscode/ripgrep/bin
  ln -sfn "$(command -v rg)" node_modules/@vscode/ripgrep/bin/rg
  # The post-install step of node-pty fails outside its own repository; its module is built by then.
  npm rebuild @vscode/spdlog kerberos native-watchdog @parcel/watcher node-pty \
    || [ -e node_modules/node-pty/build/Release/pty.node ]
  ln -sfn node_modules node_modules.asar
  cd extensions
  npm install --ignore-scripts --omit=dev
}

check_code_server() { "$home/bin/node" "$home/node_modules/code-server/out/node/entry.js" --version; }

# Ubuntu's `chromium` is a shell around a snap; there Debian's is unpacked in the cache and started in that root.
bring_chromium() {
  local found root=$SADDLER_CACHE/chromium-trixie
  found=$(command -v chromium || command -v google-chrome || true)
  if [ -n "$found" ] && [ "$(readlink -f "$found")" != /usr/bin/snap ]; then
    ln -sfn "$found" "$home/bin/chromium"
    return
  fi
  # The mounts live and die with the process: they are in a namespace of its own.
  cat >"$home/bin/in-debian" <<STARTER
#!/bin/sh
exec unshare --mount sh -c '
  for folder in proc sys dev tmp; do mount --rbind "/\$folder" "$root/\$folder" || exit 1; done
  exec chroot "$root" "\$@"' in-debian "\$@"
STARTER
  printf '#!/bin/sh\nexec "%s" /usr/bin/chromium "$@"\n' "$home/bin/in-debian" >"$home/bin/chromium"
  chmod +x "$home/bin/in-debian" "$home/bin/chromium"
  [ ! -e "$root/complete" ] || return 0
  rm -rf "$root"
  local options=(--variant=minbase) script=/usr/share/debootstrap/scripts/trixie
  [ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
  [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || options+=(--no-check-gpg)
  debootstrap "${options[@]}" trixie "$root" "${SADDLER_DEBIAN_MIRROR:-}" "$script"
  # apt, where debootstrap would not find an order to configure so many packages in.
  "$home/bin/in-debian" env DEBIAN_FRONTEND=noninteractive apt-get update
  "$home/bin/in-debian" env DEBIAN_FRONTEND=noninteractive apt-get -y --no-install-recommends install chromium fonts-dejavu-core
  rm -rf "$root"/var/cache/apt/archives/*.deb
  touch "$root/complete"
}

check_chromium() { "$home/bin/chromium" --version --no-sandbox; }

if [ ! -e "$home/complete" ]; then
  packages=(g++ make python3 pkg-config libkrb5-dev libsecret-1-dev libx11-dev libxkbfile-dev ripgrep ca-certificates)
  have npm || packages+=(nodejs npm)
  if ! have chromium && ! have google-chrome; then
    refresh_packages
    if apt_offers chromium; then packages+=(chromium fonts-dejavu-core); else packages+=(debootstrap); fi
  fi
  need_packages "${packages[@]}"
  step "bring Node $node_major" bring_node
  step "build code-server $version" install_code_server
  step "bring Chromium" bring_chromium
  step "start code-server once" check_code_server
  step "start Chromium once" check_chromium
  touch "$home/complete"
fi
say "vscode: code-server $version in $home"
echo "$home"
