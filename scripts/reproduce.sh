#!/bin/sh
# Builds the committed source twice, in two folders with different names, and compares: program, libraries,
# archive of the source, Debian package. Takes some minutes. Run by hand: scripts/reproduce.sh
set -eu
cd "$(dirname "$0")/.."
commit=$(git rev-parse HEAD)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for folder in "$tmp/one" "$tmp/another-name"; do
    git clone -q . "$folder"
    git -C "$folder" checkout -q "$commit"
    (
        cd "$folder"
        build=$(make -s print-BUILD)
        make -s -j"$(nproc)" CFLAGS="-O2 -g -ffile-prefix-map=$folder=." all "$build/libcarnot.so"
        make -s dist
        CFLAGS="-O2 -g -ffile-prefix-map=$folder=." make -s deb
        mkdir "$folder/result"
        cp "$build/carnot" "$build/libcarnot.a" "$build/libcarnot.so" build/*.tar.gz build/*.deb result/
    ) >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }
done
(cd "$tmp/one/result" && sha256sum -- *) >"$tmp/sums"
cat "$tmp/sums"
(cd "$tmp/another-name/result" && sha256sum --quiet -c "$tmp/sums") && echo "the same bytes in both folders"
