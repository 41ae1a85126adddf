#!/bin/sh
# The inside of one kernel: scripts/mca_kernel.sh KERNEL TIER [CORE...], as in q4_k_gemv avx512 znver4.
# What LLVM's machine models make of its inner loop (all data in the first-level cache, no mispredicted
# branch): cycles, micro-operations and the busiest resource for 256 weights, on each core that the tool has a
# model of. Beside them, where this machine can run the kernel: instructions and loads for 256 weights counted by
# valgrind's callgrind, and cycles measured by `carnot kernels --cache l1`.
set -eu
cd "$(dirname "$0")/.."
[ $# -ge 2 ] || { echo "usage: scripts/mca_kernel.sh KERNEL TIER [CORE...] (q4_k_gemv avx512)" >&2; exit 2; }
kernel=$1 tier=$2
shift 2
id=${kernel%_*} job=${kernel##*_}
mca=$(printf '%s\n' /usr/bin/llvm-mca-[0-9]* | sort -t- -k3 -n | tail -n 1)
[ -x "$mca" ] || mca=$(command -v llvm-mca || true)
[ "$mca" ] || { echo "mca: llvm-mca is missing (apt-get install llvm-19)" >&2; exit 1; }
case $tier in
avx2) dir=x86 cross="" cores="znver3 znver4 alderlake sapphirerapids" ;;
avxvnni) dir=x86 cross="" cores="alderlake znver4" ;;
avx512) dir=x86 cross="" cores="znver4 znver5 sapphirerapids icelake-server" ;;
neon | dotprod) dir=arm cross=aarch64-linux-gnu- cores="cortex-a55 cortex-a510 cortex-a76 cortex-x2 neoverse-v1" ;;
*) echo "mca: avx2, avxvnni, avx512, neon or dotprod expected, '$tier' found" >&2; exit 2 ;;
esac
[ $# = 0 ] || cores=$*
source=quant/$dir/${id}_$tier.c
row=$(sed -n "s/^CN_FORMAT($id, *//p" quant/formats.def)
if [ ! "$row" ] || [ ! -f "$source" ]; then
    echo "mca: FORMAT_gemv or FORMAT_unpack expected, of a format that has $tier; '$kernel' found" >&2
    exit 2
fi
elems=$(echo "$row" | sed 's/LOCAL([0-9]*)/0/' | awk -F ' *, *' '{ print $3 }')
bytes=$(echo "$row" | sed 's/LOCAL([0-9]*)/0/' | awk -F ' *, *' '{ print $4 }')
cc=${cross}gcc
command -v "$cc" >/dev/null 2>&1 || { echo "mca: $cc is missing (DEPS_CROSS=1 make deps)" >&2; exit 1; }

flags=""
for name in REQUIRED KERNEL_FLAGS "FLAGS_$tier"; do
    flags="$flags $(make -s CROSS="$cross" "print-$name" | sed 's/-MMD -MP//')"
done
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
# shellcheck disable=SC2086
$cc $flags -O2 -fno-asynchronous-unwind-tables -S -o "$tmp/k.s" "$source"
sed -n "/^${kernel}_$tier:/,/\.size/p" "$tmp/k.s" >"$tmp/function.s"
[ -s "$tmp/function.s" ] || { echo "mca: $source has no function ${kernel}_$tier" >&2; exit 1; }

awk -v branch=1 -f scripts/inner_loop.awk "$tmp/function.s" >"$tmp/loop.s" || { echo "mca: no loop found in ${kernel}_$tier" >&2; exit 1; }
n=$(wc -l <"$tmp/loop.s")
# Weights of a turn: what a pointer to blocks moves by, in blocks.
blocks=$(awk -v block="$bytes" '
    match($0, /\t(add|sub)q?\t.*/) {
        s = $0
        gsub(/[$#,()%]/, " ", s)
        k = split(s, w, /[ \t]+/)
        for (i = 1; i <= k; i++) {
            v = w[i] < 0 ? -w[i] : w[i] + 0
            if (w[i] ~ /^-?[0-9]+$/ && v >= block && v % block == 0 && v / block > best) best = v / block
        }
    }
    END { print best + 0 }' "$tmp/loop.s")
[ "$blocks" -gt 0 ] || { blocks=$((256 / elems)); [ "$blocks" -gt 0 ] || blocks=1; guessed=" (a guess: no pointer moves by whole blocks)"; }
# A kernel that takes several rows at once says how many; its loop then has a pointer for each.
rows=$(cat "$source" quant/$dir/"${id}"_avx2.h 2>/dev/null | sed -n 's/^enum {.*[ ,]ROWS = \([0-9]*\).*/\1/p')
[ "$job" = gemv ] && [ "$rows" ] || rows=1
weights=$((blocks * elems * rows))
echo "${kernel}_$tier: $n instructions a turn of the inner loop, $weights weights${guessed:-}"
echo

triple=$([ $dir = x86 ] && echo x86_64 || echo aarch64)
case $tier in
avx2 | avx512) attr="" ;;
avxvnni) attr=-mattr=+avxvnni ;;
*) attr=-mattr=+dotprod,+fullfp16 ;;
esac
echo '| core | cycles/256 | uops/256 | uops/cycle | busiest | cycles of it/256 |'
echo '| --- | ---: | ---: | ---: | --- | ---: |'
for core in $cores; do
    # The tool says that it takes another one where it does not know a core.
    # shellcheck disable=SC2086
    if "$mca" -mtriple=$triple -mcpu="$core" $attr -iterations=100 "$tmp/loop.s" >"$tmp/out" 2>"$tmp/said" &&
        ! grep -q 'not a recognized processor' "$tmp/said"; then
        awk -v core="$core" -v w="$weights" '
            /^Total Cycles/ { cycles = $3 / 100 }
            /^Total uOps/ { uops = $3 / 100 }
            /^Resources:/ { resources = 1 }
            resources && /^\[[0-9.]+\]/ { name[$1] = $0; sub(/^\[[0-9.]+\][ \t]*-[ \t]*/, "", name[$1]) }
            /^Resource pressure per iteration:/ { getline heads; getline values
                k = split(heads, h, " "); split(values, v, " ")
                for (i = 1; i <= k; i++) if (v[i] != "-" && v[i] + 0 > most) { most = v[i] + 0; which = name[h[i]] } }
            END { printf "| %s | %.1f | %.0f | %.2f | %s | %.1f |\n", core, cycles * 256 / w, uops * 256 / w, uops / cycles, which, most * 256 / w }' "$tmp/out"
    else
        echo "| $core | no model: $(sed -n 's/.*error: //p; s/^.*: \(.*not a recognized.*\)/\1/p' "$tmp/said" | head -n 1 | cut -c1-60) | | | | |"
    fi
done
echo

# What this machine says, if it has the tier.
carnot=./carnot
if [ $dir != x86 ] || ! $carnot --version 2>/dev/null | grep -q "^in force.*[ ,]$tier\(,\|\$\)"; then
    echo "Not run: this machine, or the program ./carnot, lacks $tier."
    exit 0
fi
row() { sed -n "s/.*\"$1\": \"\([^\"]*\)\".*/\1/p; s/.*\"$1\": \([0-9.e+-]*\)[,}].*/\1/p" "$tmp/measured"; }
$carnot kernels --bench --no-ref --no-limits --format "$id" --tier "$tier" --job "$job" --cache l1 --shape 64x4096 --seconds 1 -o jsonl >"$tmp/measured"
# What other programs on the core take only ever adds cycles, so the fastest samples are nearest to the model.
awk -v cycles="$(row cycles_per_256)" -v middle="$(row weights_per_s)" -v high="$(row weights_per_s_high)" -v by="$(row cycles_by)" '
    BEGIN { printf "Measured from l1: %.1f cycles/256 in the fastest tenth of samples, %.1f in the middle, by %s.\n",
                   cycles * middle / high, cycles, by }'
if ! command -v valgrind >/dev/null 2>&1; then
    echo "Instructions not counted: valgrind is missing."
elif [ "$tier" = avx512 ]; then
    echo "Instructions not counted: valgrind has no AVX-512."
else
    # One call is sixteen rows.
    if valgrind --tool=callgrind --callgrind-out-file="$tmp/calls" --cache-sim=yes --toggle-collect="${kernel}_$tier" \
        $carnot kernels --bench --no-ref --format "$id" --tier "$tier" --job "$job" --cache l1 --shape 1x4096 --seconds 0.001 \
        >/dev/null 2>"$tmp/said"; then
        awk -v f="${kernel}_$tier" '
            /^(fn|cfn)=/ { s = $0; sub(/^c?fn=/, "", s); num = s; sub(/ .*/, "", num)
                if (s ~ / /) { text = s; sub(/^[^ ]* /, "", text); of[num] = text }
                if (/^cfn=/) callee = of[num] }
            /^calls=/ { split($1, c, "="); if (callee == f) calls += c[2] }
            /^totals:/ { ir = $2; dr = $3 }
            END { w = calls * 4096 / 256
                  if (calls) printf "Counted by callgrind: %.0f instructions, %.0f loads for 256 weights (%d calls of one row of 4096).\n", ir / w, dr / w, calls
                  else print "Counted by callgrind: no call of " f " seen." }' "$tmp/calls"
    else
        echo "Instructions not counted: $(tail -n 1 "$tmp/said")"
    fi
fi
echo "$("$mca" --version | sed -n 's/.*LLVM version/LLVM/p'), $($cc --version | head -n 1)" >&2
