#!/usr/bin/env bash
# The images of the tests in the engine, `alpine:3.20` among them: made here, where no image registry can be reached.
# usage: images.sh [docker|podman]
. "$(dirname "$0")/lib.sh"

engine=${1:-docker}
have busybox || need_packages busybox-static
step "make the test images in $engine" "$(dirname "$0")/../images.sh" "$engine"
