#!/bin/sh
# tests/run.sh itself: what passes, fails, hangs, crashes or is skipped is told apart and counted.
set -u
. tests/expect.sh

top=$PWD
# fresh: an empty tree with the runner in it; unit NAME, kernels, script NAME: tests in it, the program
# read from stdin.
fresh() {
    cd "$top" && rm -rf "$scratch/tree"
    for folder in tests/unit tests/kernels tests/cli b/tests/unit b/tests/kernels; do
        mkdir -p "$scratch/tree/$folder"
    done
    cp tests/run.sh "$scratch/tree/tests/" || fail "cannot copy tests/run.sh"
    cd "$scratch/tree" || fail "cannot make a tree"
}
program() {
    { echo '#!/bin/sh'; cat; } >"$1" && chmod +x "$1"
}
unit() {
    touch "tests/unit/$1_test.c" && program "b/tests/unit/$1_test"
}
closes_with() {
    [ "$(tail -n 1 "$scratch/out")" = "$1" ] || fail "the last line is not '$1'"
}

fresh
echo 'echo quiet' | unit good
echo 'exit 0' | program tests/cli/good.sh
expect 0 tests/run.sh b
out_has "ok      tests/unit/good_test"
out_has "ok      tests/cli/good"
! grep -q quiet "$scratch/out" || fail "shows the output of a test that passed"
closes_with "2 passed, 0 failed, 0 skipped"

echo 'echo told; exit 3' | unit bad
echo 'kill -SEGV $$' | unit crash
echo 'sleep 60' | unit hang
touch tests/unit/unbuilt_test.c
TEST_TIMEOUT=1 expect 1 tests/run.sh b
out_has "FAILED  tests/unit/bad_test"
out_has "| told"
out_has "FAILED  tests/unit/crash_test"
out_has "FAILED  tests/unit/hang_test"
out_has "killed after 1 s"
out_has "FAILED  tests/unit/unbuilt_test"
closes_with "2 passed, 4 failed, 0 skipped"

fresh
echo 'exit 0' | unit good
echo 'echo "SKIPPED: one case lacks its data"' | unit partly
echo 'echo "SKIPPED: no data"; echo "[  PASSED  ] 0 test(s)."' | unit wholly
echo 'echo "no such device"; exit 77' | program tests/cli/skip.sh
expect 0 tests/run.sh b
out_has "ok      tests/unit/partly_test"
out_has "        SKIPPED: one case lacks its data"
out_has "SKIPPED tests/unit/wholly_test"
out_has "SKIPPED tests/cli/skip"
out_has "        no such device"
closes_with "2 passed, 0 failed, 2 skipped"

# No kernel tested is a failure, and so is no test at all.
touch tests/kernels/main.c tests/kernels/other.c
echo 'exit 77' | program b/tests/kernels/kernels
expect 1 tests/run.sh b
out_has "FAILED  tests/kernels/kernels"
closes_with "2 passed, 1 failed, 2 skipped"
fresh
expect 1 tests/run.sh b
out_has "not one test ran"
closes_with "0 passed, 1 failed, 0 skipped"
fresh
echo 'exit 77' | unit skipped
expect 1 tests/run.sh b

# Tests see signals as they would from a terminal, and only the environment they should.
fresh
# shellcheck disable=SC2016
echo '[ "$CARNOT" = "$(cd b && pwd)/carnot" ] && [ -z "${CARNOT_MODEL:-}" ]' | unit environment
echo 'kill -INT $$; exit 0' | unit interrupted
CARNOT_MODEL=x expect 1 tests/run.sh b
out_has "ok      tests/unit/environment_test"
out_has "FAILED  tests/unit/interrupted_test"

expect 2 tests/run.sh nosuchfolder
expect 2 tests/run.sh
