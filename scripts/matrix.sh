#!/bin/sh
# Every compiler, level of optimisation, libc and machine: builds the committed source and runs the tests
# that can run there. Hours for all of it, so by hand: scripts/matrix.sh [COMPILER:LEVEL...], as in gcc:O0
# clang:O3 musl-gcc:O2 aarch64-linux-gnu-gcc:O2 (the default is all of them).
#
#   gcc, clang   every test
#   musl-gcc     no cmocka there: the kernel tests, and tests/cli with the static program
#   aarch64-...  every test but those of NOT_EMULATED, under qemu, with cmocka and SQLite of Debian's archive
#                for that machine (unpacked, not installed); without an archive the kernel tests alone
#
# The whole output of each lies in build/matrix.
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

# Tests that start the program from the program (the kernel would have to call qemu), that are told by
# exec that there is no such program (qemu's fork does not tell), that build with this machine's compiler,
# that limit memory to less than qemu itself needs, or that fit energies to times (emulation is not
# steady enough).
NOT_EMULATED="study study_adb study_ssh install check bad_models faults child defaults energy_sweep \
    op_watts study_energy"

arm64_libraries() { # folder: what unit tests are linked with, below it
    mkdir -p "$1/lists/partial" "$1/debs"
    set -- "$1" -oAPT::Architecture=arm64 -oAPT::Architectures=arm64 -oDir::State::Lists="$1/lists" \
        -oDir::Cache::pkgcache= -oDir::Cache::srcpkgcache= -oAPT::Sandbox::User=root
    folder=$1
    shift
    apt-get -qq "$@" update && (
        cd "$folder/debs" &&
            apt-get -qq "$@" download libcmocka0 libcmocka-dev libsqlite3-0 libsqlite3-dev &&
            for deb in *.deb; do dpkg-deb -x "$deb" ../root || exit 1; done
    )
}

emulated() { # build folder: each program in it becomes a script that has qemu run it
    find "$1" -type f -perm -1 ! -name '*.so' | while IFS= read -r program; do
        program=$(readlink -f "$program")
        mv "$program" "$program.arm64"
        printf '#!/bin/sh\nexec qemu-aarch64 -L /usr/aarch64-linux-gnu %s "$@"\n' "$program.arm64" >"$program"
        chmod +x "$program"
    done
}

try() { # compiler, level; in a fresh clone
    git clone -q "$OLDPWD" . || return 1
    case $1 in
    musl-gcc)
        make -s -j"$(nproc)" CC="$1" CFLAGS="-$2 -g" all test-kernels || return 1
        CARNOT=$PWD/$(make -s CC="$1" print-BUILD)/carnot
        export CARNOT
        right=0 wrong=0 skipped=0
        for script in tests/cli/*_test.sh; do
            timeout 600 "$script" </dev/null
            case $? in
            0) right=$((right + 1)) ;;
            77) skipped=$((skipped + 1)) ;;
            *) echo "FAILED $script"; wrong=$((wrong + 1)) ;;
            esac
        done
        echo "$right passed, $wrong failed, $skipped skipped"
        return $wrong
        ;;
    aarch64-linux-gnu-gcc)
        if ! arm64_libraries "$tmp/arm64"; then
            make -s -j"$(nproc)" CROSS=aarch64-linux-gnu- CFLAGS="-$2 -g" all test-kernels
            return
        fi
        libraries=$tmp/arm64/root/usr/lib/aarch64-linux-gnu
        make -s -j"$(nproc)" CROSS=aarch64-linux-gnu- STATIC= CFLAGS="-$2 -g" \
            LDFLAGS="-L$libraries -Wl,-rpath,$libraries" tests || return 1
        for name in $NOT_EMULATED; do
            rm "tests/cli/${name}_test.sh" 2>/dev/null || find tests/unit -name "${name}_test.c" -exec rm {} +
        done
        emulated build/aarch64-linux-gnu
        TEST_TIMEOUT=1800 tests/run.sh build/aarch64-linux-gnu
        ;;
    *)
        make -s -j"$(nproc)" CC="$1" CFLAGS="-$2 -g" tests &&
            tests/run.sh "$(make -s CC="$1" print-BUILD)"
        ;;
    esac
}

mkdir -p build/matrix
for combination in "$@"; do
    cc=${combination%:*} level=${combination#*:}
    command -v "$cc" >/dev/null 2>&1 || { echo "SKIPPED $combination: no $cc"; continue; }
    mkdir "$tmp/$cc-$level"
    log=$PWD/build/matrix/$cc-$level.log
    if (cd "$tmp/$cc-$level" && try "$cc" "$level") >"$log" 2>&1; then
        echo "ok      $combination: $(grep -E '^[0-9]+ passed' "$log" | tail -n 1)"
    else
        failed=1
        echo "FAILED  $combination: build/matrix/$cc-$level.log"
        grep -E '^FAILED|error:' "$log" | head -n 40 | sed 's/^/    | /'
    fi
    rm -rf "${tmp:?}/$cc-$level"
done
[ $failed = 0 ]
