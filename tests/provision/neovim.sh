#!/usr/bin/env bash
# Neovim 0.10 or newer. Prints the path of a program to start it with.
#
# The system's own is used when it is new enough. Otherwise a Debian root with a current Neovim is unpacked in the cache
# (about 80 s, once) and its nvim started through its own dynamic loader, so that it still sees this machine's files,
# sockets and programs. SADDLER_NEOVIM_SUITE chooses the Debian suite and then overrides the system's own.
. "$(dirname "$0")/lib.sh"

suite=${SADDLER_NEOVIM_SUITE:-trixie}
root=$SADDLER_CACHE/neovim-$suite

new_enough() {
  local version
  version=$("$1" --version | sed -n '1s/^NVIM v//p')
  [ -n "$version" ] && [ "$(printf '%s\n' 0.10 "$version" | sort -V | head -n 1)" = 0.10 ]
}

unpack() {
  rm -rf "$root"
  local script=/usr/share/debootstrap/scripts/$suite
  # An older debootstrap does not know the newest names; all Debian suites share one script.
  [ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
  local options=(--variant=minbase --include=neovim)
  # Ubuntu brings no keys of Debian's, or not those of a newer suite.
  [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || options+=(--no-check-gpg)
  debootstrap "${options[@]}" "$suite" "$root" "${SADDLER_DEBIAN_MIRROR:-}" "$script"
  rm -rf "$root"/var/cache/apt/archives/*.deb
  write_starter >"$root/nvim"
  chmod +x "$root/nvim"
}

write_starter() {
  local libraries loader
  libraries=$(dirname "$(find "$root/usr/lib" -name 'libc.so.6' | head -n 1)")
  loader=$(find "$libraries" -name 'ld-linux*.so.*' | head -n 1)
  [ -n "$loader" ] || die "no dynamic loader in $libraries"
  cat <<STARTER
#!/bin/sh
VIMRUNTIME='$root/usr/share/nvim/runtime' TERMINFO='$root/usr/lib/terminfo' \\
exec '$loader' --library-path '$libraries' '$root/usr/bin/nvim' "\$@"
STARTER
}

if [ -z "${SADDLER_NEOVIM_SUITE:-}" ] && have nvim && new_enough nvim; then
  say "neovim: the system's own is new enough"
  command -v nvim
  exit
fi
if [ ! -x "$root/nvim" ] || ! new_enough "$root/nvim"; then
  [ "$(id -u)" -eq 0 ] || die "neovim: no nvim 0.10 or newer; install one, or run this as root"
  need_packages debootstrap
  step "unpack Debian $suite with Neovim" unpack
  new_enough "$root/nvim" || die "neovim: $root/nvim does not start, or is older than 0.10"
fi
say "neovim: $("$root/nvim" --version | head -n 1) in $root"
echo "$root/nvim"
