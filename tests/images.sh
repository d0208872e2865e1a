#!/bin/sh
# Makes the images the engine tests use, without a registry: alpine:3.20 (a busybox root that says it is Alpine),
# saddler-test/noshell:1 (one program, no shell) and saddler-test/entry:1 (alpine:3.20 with an ENTRYPOINT and a user).
# Usage: images.sh docker|podman. Needs busybox-static. Does nothing for images that are there.
set -eu
engine=${1:?usage: images.sh docker|podman}
command -v "$engine" >/dev/null || { echo "images.sh: $engine is not installed" >&2; exit 1; }
busybox=$(command -v busybox) || { echo "images.sh: install busybox-static first" >&2; exit 1; }

case $engine in
podman) prefix=localhost/ ;;
*) prefix= ;;
esac

have() { "$engine" image inspect "$prefix$1" >/dev/null 2>&1; }

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

# The whole of a small Unix from one program.
fill() {
  mkdir -p "$1/bin" "$1/etc" "$1/tmp" "$1/root" "$1/home/agent" "$1/proc" "$1/sys" "$1/dev"
  cp "$busybox" "$1/bin/busybox"
  "$1/bin/busybox" --list | while read -r applet; do
    [ "$applet" = busybox ] || ln -s busybox "$1/bin/$applet"
  done
  printf 'root:x:0:0:root:/root:/bin/sh\nagent:x:1000:1000:agent:/home/agent:/bin/sh\n' >"$1/etc/passwd"
  printf 'root:x:0:\nagent:x:1000:\n' >"$1/etc/group"
  echo 3.20.0 >"$1/etc/alpine-release"
  chmod 1777 "$1/tmp"
  chown 1000:1000 "$1/home/agent" 2>/dev/null || true
}

# import FOLDER NAME CHANGE…
import() {
  folder=$1 name=$2
  shift 2
  for change; do
    shift
    set -- "$@" -c "$change"
  done
  tar -C "$folder" -c . | "$engine" import "$@" - "$prefix$name" >/dev/null
}

have alpine:3.20 || {
  fill "$root/alpine"
  import "$root/alpine" alpine:3.20 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' 'CMD ["/bin/sh"]'
}
have saddler-test/noshell:1 || {
  mkdir -p "$root/noshell/bin" "$root/noshell/tmp"
  cp "$busybox" "$root/noshell/bin/sleep"
  import "$root/noshell" saddler-test/noshell:1 'ENV PATH=/bin' 'CMD ["sleep", "60"]'
}
have saddler-test/entry:1 || {
  fill "$root/entry"
  printf '#!/bin/sh\necho "entry: $*"\nexec "$@"\n' >"$root/entry/bin/entry"
  chmod +x "$root/entry/bin/entry"
  import "$root/entry" saddler-test/entry:1 'ENV PATH=/bin' 'ENV B=image' 'ENTRYPOINT ["entry"]' \
    'CMD ["echo", "image", "default"]' 'USER agent' 'WORKDIR /home/agent'
}
