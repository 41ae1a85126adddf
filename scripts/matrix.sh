#!/bin/sh
# Every compiler, level of optimisation, libc and machine: builds the committed source and runs the tests
# that can run there. Hours for all of it, so by hand: scripts/matrix.sh [COMPILER:LEVEL...], as in gcc:O0
# clang:O3 musl-gcc:O2 aarch64-linux-gnu-gcc:O2 (the default is all of them).
#
#   gcc, clang   every test
#   musl-gcc     no cmocka there: the kernel tests, and tests/cli with the static program
#   aarch64-...  the kernel tests under qemu, which proves the results and says nothing about speed
set -u
cd "$(dirname "$0")/.." || exit 1
: "${CARNOT_SHARED:=$PWD/../shared}"
export CARNOT_SHARED
if [ $# = 0 ]; then
    for cc in gcc clang musl-gcc aarch64-linux-gnu-gcc; do
        set -- "$@" $cc:O0 $cc:O1 $cc:O2 $cc:O3
    done
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
failed=0

try() { # compiler, level; in a fresh clone
    git clone -q "$OLDPWD" . || return 1
    case $1 in
    musl-gcc)
        make -s -j"$(nproc)" CC="$1" CFLAGS="-$2 -g" all test-kernels || return 1
        CARNOT=$PWD/$(make -s CC="$1" print-BUILD)/carnot
        export CARNOT
        for script in tests/cli/*_test.sh; do
            timeout 600 "$script" </dev/null
            case $? in
            0 | 77) ;;
            *) echo "FAILED $script"; return 1 ;;
            esac
        done
        ;;
    aarch64-linux-gnu-gcc)
        make -s -j"$(nproc)" CROSS=aarch64-linux-gnu- CFLAGS="-$2 -g" all test-kernels
        ;;
    *)
        make -s -j"$(nproc)" CC="$1" CFLAGS="-$2 -g" tests &&
            tests/run.sh "$(make -s CC="$1" print-BUILD)"
        ;;
    esac
}

for combination in "$@"; do
    cc=${combination%:*} level=${combination#*:}
    command -v "$cc" >/dev/null 2>&1 || { echo "SKIPPED $combination: no $cc"; continue; }
    mkdir "$tmp/$cc-$level"
    if (cd "$tmp/$cc-$level" && try "$cc" "$level") >"$tmp/log" 2>&1; then
        echo "ok      $combination: $(grep -E '^[0-9]+ passed' "$tmp/log" | tail -n 1)"
    else
        failed=1
        echo "FAILED  $combination"
        grep -E 'FAILED|error:|^    \|' "$tmp/log" | head -n 40 | sed 's/^/    | /'
    fi
    rm -rf "${tmp:?}/$cc-$level"
done
[ $failed = 0 ]
