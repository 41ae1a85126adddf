#!/bin/sh
# The avx512 tier on any machine with AVX2: its kernels with the instructions of AVX-512 in C
# (tests/avx512_in_c.h), against their bounds, and a whole model in both precisions.
set -u
. tests/expect.sh
in_c=${CARNOT%/*}/tests/carnot_avx512_in_c
[ -x "$in_c" ] || { echo "SKIPPED: no avx512 kernels in C (they need gcc, x86_64 and libsimde-dev)"; exit 77; }
"$in_c" --version | grep -q '^detected.*avx512' || { echo "SKIPPED: the rest of the avx512 kernels needs AVX2"; exit 77; }

# What the tables say that the tier has is what is checked: no kernel is left out.
expect 0 "$in_c" kernels --check --tier avx512 --job gemv,gemm_small,gemm,gemm_fast,vec -o csv
for job in gemv gemm_small gemm gemm_fast; do
    grep -q ",avx512,$job,true," "$scratch/out" || fail "no $job of the avx512 tier was checked"
done
formats=$(sed -n 's/^CN_FORMAT(\([a-z0-9_]*\),.* AVX512(.*/\1/p' quant/formats.def)
[ "$formats" ] || fail "quant/formats.def names no format for avx512"
for f in $formats; do
    grep -qi "^$f,avx512,gemv,true," "$scratch/out" || fail "gemv of $f was not checked"
done
for job in $(sed -n 's/^ *\.\([a-z0-9_]*\) = vec_[a-z0-9_]*_avx512,.*/\1/p' quant/x86/vec_avx512.c); do
    grep -q "^vec,avx512,$job,true," "$scratch/out" || fail "$job of avx512 was not checked"
done

ppl() { # options
    expect 0 "$in_c" perplexity -m "$scratch/m.gguf" -f README.md -c 52 --chunks 1 -t 2 -o jsonl "$@"
    sed -n 's/.*"ppl": \([0-9.]*\).*/\1/p' "$scratch/out"
}
# What is rounded otherwise is near; a wrong product gives several times the perplexity.
expect 0 "$in_c" quantize models/prose-8m-f16.gguf "$scratch/m.gguf" Q4_K_M
avx2=$(ppl --tiers ref,avx2)
differ exact -1 0.0005 "$(ppl --tiers ref,avx2,avx512)" "$avx2"
differ fast -1 0.1 "$(ppl --precision fast --tiers ref,avx2,avx512)" "$avx2"

# A few tokens get the bits of one at a time (kernels --check, too), so guesses change nothing.
story() { # options
    expect 0 "$in_c" run -m "$scratch/m.gguf" -p "One, two, three, one, two" -n 24 --temp 0 --tiers ref,avx2,avx512 "$@"
    cat "$scratch/out"
}
plain=$(story)
[ "$plain" ] || fail "no text"
[ "$(story --lookup 6)" = "$plain" ] || fail "with guesses another text than without"
