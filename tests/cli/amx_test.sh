#!/bin/sh
# The amx tier, its instructions carried out in software where the CPU has none (tests/x86_emulator.c), those
# of AVX-512 beside them in C where it lacks those too (tests/avx512_in_c.h): every kernel against its bound,
# and whole models in both precisions.
set -u
. tests/expect.sh
amx=${CARNOT%/*}/tests/carnot_emulated
[ -x "$amx" ] || { echo "SKIPPED: no amx kernels in a build for this machine"; exit 77; }
"$amx" --version | grep -q '^detected.*amx' || amx=${CARNOT%/*}/tests/carnot_avx512_in_c
"$amx" --version 2>/dev/null | grep -q '^detected.*amx' || { echo "SKIPPED: the rest of the amx kernels needs AVX512_BF16, or libsimde-dev"; exit 77; }

expect 0 "$amx" kernels --check --tier amx -o csv
[ "$(grep -c ',amx,gemm,true,' "$scratch/out")" -ge 27 ] || fail "27 formats expected, exact"
[ "$(grep -c ',amx,gemm_fast,true,' "$scratch/out")" -ge 24 ] || fail "24 formats expected, fast"

ppl() { # model, options
    m=$1
    shift
    expect 0 "$amx" perplexity -m "$m" -f README.md -c 200 --chunks 1 -t 2 -o jsonl "$@"
    sed -n 's/.*"ppl": \([0-9.]*\).*/\1/p' "$scratch/out"
}
# Q4_K_M has Q6_K too; IQ4_XS has a codebook, Q8_0 no minima and the largest codes. In C one has to do.
case $amx in
*in_c) types=Q4_K_M ;;
*) types="Q4_K_M IQ4_XS Q8_0" ;;
esac
for type in $types; do
    expect 0 "$amx" quantize models/prose-8m-f16.gguf "$scratch/m.gguf" $type
    avx512=$(ppl "$scratch/m.gguf" --tiers ref,avx2,avx512)
    # Otherwise rounded, so not the same, but near: a wrong product gives several times the perplexity.
    differ "$type exact" 0 0.02 "$(ppl "$scratch/m.gguf")" "$avx512"
    # The same integers; what float sums differ by moves roundings of activations to 8 bits.
    differ "$type fast" -1 0.03 "$(ppl "$scratch/m.gguf" --precision fast)" \
        "$(ppl "$scratch/m.gguf" --precision fast --tiers ref,avx2,avx512)"
done
# A mixture: experts with few tokens, odd groups.
expect 0 "$amx" logits -m tests/fixtures/arch/olmoe.gguf --tokens @tests/fixtures/arch/olmoe.tokens.txt --out "$scratch/l"
