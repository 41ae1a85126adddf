#!/bin/sh
# carnot kernels: checks and times what is asked, in every output, and refuses what is not there.
set -u
. tests/expect.sh
has_command kernels || { echo "SKIPPED: not built in"; exit 77; }

expect 0 "$CARNOT" kernels --check --format q4_0 -o jsonl
no_err
out_has '{"format": "q4_0", "tier": "ref", "job": "gemv", "ok": true'
out_has '"gbps": null'
for job in gemv unpack gemm gemm_fast dequantize; do out_has "\"job\": \"$job\""; done

# Timed only: nothing is said about being right.
expect 0 "$CARNOT" kernels --bench --format Q8_0 --tier ref --job gemv --seconds 0.01 -o json
no_err
for key in format tier job ok max_error bound gbps weights_per_s ratio_to_ref cycles_per_weight; do
    out_has "\"$key\": "
done
out_has '"ok": null'
out_has '"ratio_to_ref": 1'
[ "$(grep -c '"job"' "$scratch/out")" = 1 ] || fail "expected one row"

# Without either: both.
expect 0 "$CARNOT" kernels --format q4_0 --tiers ref --job unpack --seconds 0.01 -o csv
grep -q '^q4_0,ref,unpack,true,' "$scratch/out" || fail "no row, or not ok"

refused() { # what the line names, arguments
    names=$1
    shift
    expect 2 "$CARNOT" kernels "$@"
    no_out
    one_line_err
    err_has "$names"
}
refused q9_9 --format q4_0,q9_9
refused "gemv,unpack,gemm,gemm_fast,dequantize" --job mul
refused sse9 --tier ref,sse9
refused -t -t 0
refused "takes no arguments" q4_0

# The vector operations are a job of their own, which is checked only; the checks are put to the test.
expect 0 "$CARNOT" kernels --check --job vec --format q4_0 -o csv
grep -q '^vec,ref,rms_norm,true,' "$scratch/out" || fail "no row of rms_norm, or not ok"
! grep -q '^q4_0,' "$scratch/out" || fail "jobs that were not asked for"
refused "checked, not timed" --bench --job vec
expect 0 "$CARNOT" kernels --check --format q4_0 --tier ref --job unpack --self-test -o csv
err_has "all judged rightly"
grep -q '^q4_0,ref,unpack,true,' "$scratch/out" || fail "no row, or not ok"

# The yardstick stands in the same table, and which is the faster is said; or why there is none.
expect 0 "$CARNOT" kernels --bench --format f32 --job gemm --seconds 0.01 -o jsonl
out_has '"ratio_to_openblas": '
if grep -q 'OpenBLAS' "$scratch/err" && ! grep -q 'no yardstick' "$scratch/err"; then
    out_has '{"format": "f32", "tier": "openblas", "job": "gemm", "ok": null'
    err_has "times as fast as"
    grep '"tier": "openblas"' "$scratch/out" | grep -q '"ratio_to_openblas": 1,' || fail "not 1 by itself"
else
    echo "SKIPPED: the yardstick: $(cat "$scratch/err")"
    err_has "no yardstick beside the gemm of f32: "
fi
