#!/bin/sh
# Some of the system calls of some commands made to fail, one at a time; all of them: scripts/inject.sh.
set -u
. tests/expect.sh
if grep -qa __asan_init "$CARNOT" || grep -qa __tsan_init "$CARNOT"; then
    echo "SKIPPED: sanitizers do not run under strace"
    exit 77
fi
has_command study || exit 77
code=0 ran="scripts/inject.sh -s 23"
scripts/inject.sh "$CARNOT" -j 2 -s 23 run session quantize split imatrix perplexity attribute inspect >"$scratch/out" 2>"$scratch/err" || code=$?
grep -q '^SKIPPED' "$scratch/out" && { cat "$scratch/out"; exit 77; }
[ $code = 0 ] || fail "violations"
out_has " 0 violations"
tail -n 1 "$scratch/out"

# Each case runs without a fault.
code=0 ran="scripts/inject.sh -s 1000000"
scripts/inject.sh "$CARNOT" -s 1000000 >"$scratch/out" 2>"$scratch/err" || code=$?
[ $code = 0 ] || fail "a case that does not run"

# It judges: what ends in another way than it should is told.
cat >"$scratch/careless" <<END
#!/bin/sh
# The program, but for one thing: a file that cannot be opened is none of its business.
"$CARNOT" "\$@" 2>/dev/null
END
chmod +x "$scratch/careless"
code=0 ran="scripts/inject.sh of a program that says nothing"
scripts/inject.sh "$scratch/careless" -s 7 tokenize >"$scratch/out" 2>"$scratch/err" || code=$?
[ $code = 1 ] || fail "expected exit 1"
out_has "VIOLATION tokenize"
