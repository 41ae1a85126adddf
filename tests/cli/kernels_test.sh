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
for key in format tier job ok max_error bound gbps weights_per_s ratio_to_ref cycles_per_weight pj_per_weight; do
    out_has "\"$key\": "
done
out_has '"ok": null'
out_has '"ratio_to_ref": 1'
out_has '"pj_per_weight": null'
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
