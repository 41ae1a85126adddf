#!/bin/sh
# Runs every test of a build: tests/run.sh BUILD_DIR. One line per test; the whole output of those that
# fail. The last line is "N passed, N failed, N skipped". Exit 0 only if nothing failed and something ran.
#
# A test is skipped if it exits 77, or if every case in it was skipped. The kernel tests may not be:
# their 77 says that not one kernel was checked.
set -u
[ $# = 1 ] || { echo "usage: tests/run.sh BUILD_DIR" >&2; exit 2; }
cd "$(dirname "$0")/.." || exit 1
build=$1
[ -d "$build" ] || { echo "tests/run.sh: no folder '$build': build first (make tests)" >&2; exit 2; }

CARNOT=$(cd "$build" && pwd)/carnot
# A fixture tree or a choice of tiers in the caller's environment would change what is tested.
unset CARNOT_MODEL CARNOT_ROOT CMOCKA_MESSAGE_OUTPUT CMOCKA_XML_FILE CMOCKA_TEST_FILTER
: "${ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:allocator_may_return_null=1}"
: "${UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1}"
: "${TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:allocator_may_return_null=1}"
export CARNOT ASAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS

limit_s=${TEST_TIMEOUT:-600}
passed=0 failed=0 skipped=0
pid=""
out=$(mktemp)
trap 'rm -f "$out"' EXIT
trap '[ "$pid" ] && kill "$pid"; exit 130' INT TERM

report() { # outcome, name, milliseconds
    printf '%-7s %s (%d.%02d s)\n' "$1" "$2" $(($3 / 1000)) $(($3 % 1000 / 10))
}

run() { # name, command...
    name=$1
    shift
    start=$(date +%s%N)
    # In the background, so that Ctrl-C is heard at once even if the test hangs; the shell has such
    # programs ignore SIGINT, which tests of it would notice.
    env --default-signal=INT timeout -k 5 "$limit_s" "$@" </dev/null >"$out" 2>&1 &
    pid=$!
    wait "$pid"
    code=$?
    pid=""
    ms=$((($(date +%s%N) - start) / 1000000))
    if [ $code = 0 ] && grep -q 'SKIPPED' "$out" && grep -q '^\[  PASSED  \] 0 test' "$out"; then
        code=77
    fi
    [ $code = 77 ] && [ "$name" = tests/kernels/kernels ] && code=1
    case $code in
    0)
        passed=$((passed + 1))
        report ok "$name" "$ms"
        grep 'SKIPPED' "$out" | sed 's/^/        /'
        ;;
    77)
        skipped=$((skipped + 1))
        report SKIPPED "$name" "$ms"
        # cmocka's own lines repeat the names of the cases; the reason is what the test printed.
        grep -v '^\[' "$out" | sed 's/^/        /'
        ;;
    *)
        failed=$((failed + 1))
        report FAILED "$name" "$ms"
        sed 's/^/    | /' "$out"
        case $code in
        124 | 137) echo "    | killed after $limit_s s" ;;
        12[5-9]) echo "    | exit $code: cannot be run" ;;
        *) echo "    | exit $code" ;;
        esac
        ;;
    esac
}

for source in $(find tests/unit tests/model -name '*_test.c' 2>/dev/null | sort); do
    run "${source%.c}" "$build/${source%.c}"
done
for source in tests/kernels/*.c; do
    [ -e "$source" ] && run tests/kernels/kernels "$build/tests/kernels/kernels" && break
done
for source in tests/fuzz/*_fuzz.c; do
    [ -e "$source" ] || continue
    name=${source%_fuzz.c}
    # shellcheck disable=SC2046
    run "${name}_replay" "$build/${name}_replay" $(tests/fuzz/fuzz.sh --seeds "${name##*/}")
done
for script in tests/cli/*.sh; do
    [ -e "$script" ] && run "${script%.sh}" "$script"
done

[ $((passed + failed)) -gt 0 ] || { echo "tests/run.sh: not one test ran"; failed=1; }
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
