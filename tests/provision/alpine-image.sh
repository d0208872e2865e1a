#!/usr/bin/env bash
# The image `alpine:3.20` in the engine, made here of Debian's busybox where no image registry can be reached.
# usage: alpine-image.sh [docker|podman]
. "$(dirname "$0")/lib.sh"

engine=${1:-docker}
image=alpine:3.20

make_image() {
  local root
  root=$(mktemp -d)
  # shellcheck disable=SC2064
  trap "rm -rf '$root'" EXIT
  chmod 755 "$root"
  mkdir -p "$root"/{bin,etc,root,home,proc,sys,dev,var/tmp}
  mkdir -m 1777 "$root/tmp"
  cp "$(command -v busybox)" "$root/bin/busybox"
  local applet
  for applet in $("$root/bin/busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
  done
  echo 3.20.0 >"$root/etc/alpine-release"
  printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'nobody:x:65534:65534:nobody:/:/bin/false' >"$root/etc/passwd"
  printf '%s\n' 'root:x:0:' 'nobody:x:65534:' >"$root/etc/group"
  # Podman would file a short name under localhost/, which its own short names still find.
  tar -C "$root" --owner=0 --group=0 --numeric-owner -c . \
    | "$engine" import --change 'ENV PATH=/bin' --change 'CMD ["/bin/sh"]' - "$image"
  "$engine" run --rm --network none "$image" cat /etc/alpine-release
}

if "$engine" image inspect "$image" >/dev/null 2>&1; then
  say "image: $image is already in $engine"
  exit
fi
need_packages busybox-static
step "make the image $image in $engine" make_image
