#!/bin/sh
# The examples in a fresh Debian without the source: debootstrap makes a root, the package of make deb is
# installed there, and C (shared and static) and Python say the same as the program. By hand, as root, with
# network: scripts/clean_root.sh [ROOT]; a ROOT that debootstrap has made before is used as it is.
set -eu
cd "$(dirname "$0")/.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
root=${1:-$tmp/root}
[ -x "$root/usr/bin/gcc" ] || debootstrap --variant=minbase \
    --include=gcc,libc6-dev,pkg-config,python3-minimal,libpython3-stdlib bookworm "$root" >"$tmp/log" 2>&1 ||
    { tail -n 20 "$tmp/log"; exit 1; }
make -s deb >/dev/null
deb=$(make -s print-VERSION)
cp "build/carnot_${deb}_$(dpkg --print-architecture).deb" "$root/tmp/carnot.deb"
# The program finds its model by /proc; the mount goes with the process.
# shellcheck disable=SC2016
unshare --mount sh -c 'mount -t proc proc "$1/proc" && exec chroot "$1" /bin/sh -eu' - "$root" <<'END'
dpkg -i /tmp/carnot.deb >/dev/null 2>&1 || {
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends -f
} >/dev/null
export LC_ALL=C
cd /tmp
examples=/usr/share/doc/carnot/examples model=/usr/share/carnot/prose-8m-f16.gguf text="The old man looked at the"
said=$(carnot run -p "$text" -n 20 --temp 0 --meter none 2>/tmp/err) || { cat /tmp/err; exit 1; }
gcc -std=c11 -Wall -Werror $examples/hello.c $(pkg-config --cflags --libs carnot) -o shared
gcc -std=c11 $examples/hello.c "$(pkg-config --variable=libdir carnot)/libcarnot.a" -lm -pthread -o static
for example in ./shared ./static "python3 $examples/hello.py"; do
    got=$text$($example $model "$text")
    [ "$got" = "$said" ] || { echo "FAILED  $example: '$got', expected '$said'"; exit 1; }
    echo "ok      $example"
done
END
