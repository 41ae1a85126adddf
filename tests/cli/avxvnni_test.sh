#!/bin/sh
# The avxvnni tier, its instruction carried out in software where the CPU has none
# (tests/x86_emulator.c): kernels against their bounds, and whole models in both precisions.
set -u
. tests/expect.sh
emulated=${CARNOT%/*}/tests/carnot_emulated
[ -x "$emulated" ] || { echo "SKIPPED: no avxvnni kernels in a build for this machine"; exit 77; }
"$emulated" --version | grep -q '^detected.*avxvnni' || { echo "SKIPPED: the rest of the avxvnni kernels needs AVX2"; exit 77; }

# Codes of 4, 6, 8 bits and levels, scales per 16 and 32, minima: the GEMM has no more kinds.
expect 0 "$emulated" kernels --check --tier avxvnni --job gemm,gemm_fast --format q8_0,q4_k,q6_k,q2_k,iq4_xs -o csv
[ "$(grep -c ',avxvnni,gemm,true,' "$scratch/out")" = 5 ] || fail "5 formats expected, exact"
[ "$(grep -c ',avxvnni,gemm_fast,true,' "$scratch/out")" = 5 ] || fail "5 formats expected, fast"
# Decode and a few tokens, every format that has a file of its own; three of them are for a few tokens alone.
formats=$(sed -n 's/^CN_FORMAT(\([a-z0-9_]*\),.* AVXVNNI(.*/\1/p' quant/formats.def | paste -sd,)
n=$(echo "$formats" | tr , '\n' | grep -c .)
expect 0 "$emulated" kernels --check --tier avxvnni --job gemv,gemm_small --format "$formats" -o csv
[ "$(grep -c ',avxvnni,gemv,true,' "$scratch/out")" = $((n - 3)) ] || fail "gemv of $((n - 3)) expected: $formats"
[ "$(grep -c ',avxvnni,gemm_small,true,' "$scratch/out")" = "$n" ] || fail "gemm_small of each expected: $formats"

ppl() { # options
    expect 0 "$emulated" perplexity -m "$scratch/m.gguf" -f README.md -c 80 --chunks 1 -t 2 -o jsonl "$@"
    sed -n 's/.*"ppl": \([0-9.]*\).*/\1/p' "$scratch/out"
}
# Q4_K_M has Q6_K too. So many tokens that the GEMM has them, those of the last layer (half) too.
expect 0 "$emulated" quantize models/prose-8m-f16.gguf "$scratch/m.gguf" Q4_K_M
avx2=$(ppl --tiers ref,avx2)
# Exact is the same sums in the same order.
differ exact -1 0.0005 "$(ppl --tiers ref,avx2,avxvnni)" "$avx2"
# Otherwise rounded, so not the same, but near: a wrong product gives several times the perplexity.
differ fast 0 0.1 "$(ppl --precision fast --tiers ref,avx2,avxvnni)" "$avx2"
