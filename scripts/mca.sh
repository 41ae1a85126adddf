#!/bin/sh
# An estimate of what the decode kernels of the dotprod tier cost on Arm cores that are not at hand:
# cycles per 256 weights with everything in the first-level cache, from llvm's machine models.
# A model, not a measurement: no caches, no branch prediction, models of different quality.
# Usage: scripts/mca.sh [FORMAT...]
set -eu
cd "$(dirname "$0")/.."
cores="cortex-a55 cortex-a510 cortex-a76 cortex-x2 neoverse-v1"
cross=aarch64-linux-gnu-
mca=$(printf '%s\n' /usr/bin/llvm-mca-[0-9]* | sort -t- -k3 -n | tail -n 1)
[ -x "$mca" ] || mca=""
[ "$mca" ] || mca=$(command -v llvm-mca || true)
[ "$mca" ] || { echo "mca: llvm-mca is missing (apt-get install llvm-19, or llvm: models of version 14 are coarser)" >&2; exit 1; }
command -v ${cross}gcc >/dev/null 2>&1 || { echo "mca: ${cross}gcc is missing (DEPS_CROSS=1 make deps)" >&2; exit 1; }
# shellcheck disable=SC2046
[ $# -gt 0 ] || set -- $(sed -n 's/.*DOTPROD(\([a-z0-9_]*\)).*/\1/p' quant/formats.def)

flags=""
for name in REQUIRED KERNEL_FLAGS FLAGS_dotprod; do
    flags="$flags $(make -s CROSS=$cross "print-$name" | sed 's/-MMD -MP//')"
done
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM

printf '| format | instructions |'
for core in $cores; do printf ' %s |' "$core"; done
printf '\n| --- | --- |'
for core in $cores; do printf ' --- |'; done
echo
for id in "$@"; do
    # shellcheck disable=SC2086
    ${cross}gcc $flags -O2 -fno-asynchronous-unwind-tables -S -o "$tmp/k.s" quant/arm/"$id"_dotprod.c
    sed -n "/^${id}_gemv_dotprod:/,/\.size/p" "$tmp/k.s" | awk -f scripts/inner_loop.awk >"$tmp/loop.s" || { echo "mca: no loop found in $id" >&2; exit 1; }
    printf '| %s | %d |' "$id" "$(wc -l <"$tmp/loop.s")"
    for core in $cores; do
        if cycles=$("$mca" -mtriple=aarch64 -mcpu="$core" -mattr=+dotprod,+fullfp16 -iterations=100 "$tmp/loop.s" 2>/dev/null); then
            printf ' %s |' "$(printf '%s\n' "$cycles" | awk '/^Total Cycles/ { printf "%.0f", $3 / 100 }')"
        else
            printf ' no model |'
        fi
    done
    echo
done
echo "$("$mca" --version | sed -n 's/.*LLVM version/LLVM/p'), $(${cross}gcc --version | head -n 1)" >&2
