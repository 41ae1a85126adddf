#!/bin/sh
# Installs the Debian packages that building and testing need and that are missing.
set -eu
need="gcc libc6-dev make git clang-format libcmocka-dev pkg-config libsqlite3-dev libopenblas-dev libmicrohttpd-dev libsimde-dev sqlite3 curl parallel gnuplot-nox strace"
[ "${DEPS_CROSS:-}" ] && need="$need gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user adb openssh-server"
command -v dpkg-query >/dev/null 2>&1 || { echo "deps: not a Debian system; needed: $need" >&2; exit 0; }
missing=""
for p in $need; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
[ "$missing" ] || exit 0
echo "deps: installing$missing" >&2
if [ "$(id -u)" = 0 ]; then
    as=""
elif command -v sudo >/dev/null 2>&1; then
    as="sudo"
else
    echo "deps: not root and no sudo; run this as root:" >&2
    echo "  apt-get update && apt-get install -y --no-install-recommends$missing" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
$as apt-get update -qq >&2
# shellcheck disable=SC2086
$as apt-get install -y -qq --no-install-recommends $missing >&2
