#!/bin/sh
# carnot kernels: checks and times what is asked, in every output, and refuses what is not there.
set -u
. tests/expect.sh
has_command kernels || { echo "SKIPPED: not built in"; exit 77; }

expect 0 "$CARNOT" kernels --check --format q4_0 -o jsonl
no_err
out_has '{"format": "q4_0", "tier": "ref", "job": "gemv", "ok": true'
out_has '"gbps": null'
for job in gemv unpack gemm gemm_small gemm_fast dequantize; do out_has "\"job\": \"$job\""; done

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
refused "gemv,unpack,gemm,gemm_small,gemm_fast,dequantize" --job mul
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

# Shapes, tokens, threads and caches are a grid; tokens are of products alone, and of gemv up to 16.
expect 0 "$CARNOT" kernels --format q4_0 --shape 64x256,32x512 --tokens 1,4,32 -t 1 --cache l1,memory --no-ref \
    --seconds 0.002 -o jsonl
no_err
tiers=$(sed -n 's/.*"tier": "\([a-z0-9]*\)", "job": "gemv".*/\1/p' "$scratch/out" | sort -u | grep -c .)
[ "$(grep -c '"job": "gemv"' "$scratch/out")" = $((8 * tiers)) ] || fail "gemv of $tiers tiers: 2 shapes, 2 caches, 2 of the tokens"
! grep -q '"tier": "ref"' "$scratch/out" || fail "--no-ref, but there is one"
expect 0 "$CARNOT" kernels --bench --format q4_0 --tier ref --shape 64x256,32x512 --tokens 1,4,32 --cache l1,memory \
    --seconds 0.002 --job gemv,gemm,unpack -o jsonl
no_err
[ "$(grep -c '"job": "gemv"' "$scratch/out")" = 8 ] || fail "gemv: 2 shapes, 2 caches, 2 of the tokens"
[ "$(grep -c '"job": "gemm"' "$scratch/out")" = 12 ] || fail "gemm: 2 shapes, 2 caches, 3 tokens"
[ "$(grep -c '"job": "unpack"' "$scratch/out")" = 4 ] || fail "unpack: 2 shapes, 2 caches"
out_has '"rows": 64, "cols": 256, "tokens": 32, "threads": 1, "cache": "l1"'
# Every cell is filled, or the row says why not.
[ "$(grep -c '"cycles_per_256": [0-9.]*, "cycles_by": "' "$scratch/out")" = 24 ] ||
    [ "$(grep -c 'no cycles: ' "$scratch/out")" = 24 ] || fail "cycles, and by what; or why there are none"
[ "$(grep -c '"read_share": [0-9.e-]*, "read_gbps": [0-9.]*,' "$scratch/out")" = 24 ] || fail "shares of reading"
[ "$(grep -c '"bound_by": "[a-z0-9]*", "bound_share": [0-9.e-]*,' "$scratch/out")" = 24 ] || fail "bounds"
[ "$(grep -c '"energy_reason": "not asked for (--meter)"' "$scratch/out")" = 24 ] || fail "why there are no joules"
grep '"job": "unpack"' "$scratch/out" | grep -q 'it multiplies nothing: no share of a peak' || fail "no reason"
# A few tokens at once are a job of their own, of at most 32.
expect 0 "$CARNOT" kernels --format q4_0 --tier ref --shape 64x256 --tokens 1,8,32,33 --cache l1 \
    --seconds 0.002 --job gemm_small -o jsonl
no_err
[ "$(grep -c '"job": "gemm_small", "ok": true' "$scratch/out")" = 3 ] || fail "gemm_small: 3 of the tokens"
out_has '"job": "gemm_small", "ok": true, "rows": 64, "cols": 256, "tokens": 8'
# All matrices of a model's shape.
expect 0 "$CARNOT" kernels --format q8_0 --tier ref --job unpack --shape llama-3.2-1b --seconds 0.001 -o csv --bench
[ "$(grep -c '^q8_0,ref,unpack,,' "$scratch/out")" = 5 ] || fail "matrices of 5 sizes"
for shape in 2048,2048 512,2048 8192,2048 2048,8192 128256,2048; do out_has "unpack,,$shape,1,1,memory"; done
# A row for each round.
expect 0 "$CARNOT" kernels --format q4_0 --tier ref --job gemv --seconds 0.01 --samples -o csv
[ "$(grep -c '^q4_0,ref,gemv,,4096,1,1,memory,' "$scratch/out")" -ge 3 ] || fail "rounds"
# What cannot be: rows that are no whole blocks are left out by name; the rest is refused.
expect 0 "$CARNOT" kernels --format q4_0,q4_k --tier ref --job unpack --shape 8x32 --seconds 0.001 -o csv --bench
err_has "q4_k: left out: rows of 32 columns are no whole blocks of 256"
refused 8y32 --shape 8y32
refused "a multiple of 32" --shape 8x33
refused "llama-9" --shape llama-9
refused l4 --cache l4
refused --tokens --tokens 0
refused --samples --samples --check

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
