#!/bin/sh
# carnot logits: the file it writes, in size and content, and what it refuses.
set -u
. tests/expect.sh
has_command logits || exit 77
arch=tests/fixtures/arch
model=$arch/llama-f32.gguf
out=$scratch/logits.f32

expect 0 "$CARNOT" logits -m $model --tokens @$arch/llama-f32.tokens.txt --out "$out" -c 256
no_out
no_err
[ "$(wc -c <"$out")" = 192000 ] || fail "160 positions of 300 floats expected"
# The first logit of all is that of the reference engine to three digits.
first() {
    od -An -tf4 -N4 "$1" | tr -d ' '
}
awk -v a="$(first "$out")" -v b="$(first $arch/llama-f32.logits.f32)" \
    'BEGIN { exit !(a - b < 5e-4 && b - a < 5e-4) }' || fail "the first logit is off"

expect 0 "$CARNOT" logits -m $model --tokens @$arch/llama-f32.tokens.txt --out "$scratch/b" -c 256 --batch 512 -t 2
cmp -s "$out" "$scratch/b" || fail "2 threads differ from 1"
expect 0 "$CARNOT" logits -m $model --tokens 1,2,3 --out "$scratch/b" --batch 2 --kv f16 --tiers ref
[ "$(wc -c <"$scratch/b")" = 3600 ] || fail "3 positions of 300 floats expected"

expect 2 "$CARNOT" logits -m $model --out "$scratch/c"
err_has "--tokens"
expect 2 "$CARNOT" logits -m $model --tokens 1
err_has "--out"
expect 2 "$CARNOT" logits -m $model --tokens 1 --out "$scratch/c" --kv q4_0
expect 2 "$CARNOT" logits -m $model --tokens 1 --out "$scratch/c" --batch 0
expect 2 "$CARNOT" logits -m $model --tokens abc --out "$scratch/c"
one_line_err
expect 1 "$CARNOT" logits -m $model --tokens 1,2,300 --out "$scratch/c"
one_line_err
err_has "token 2"
expect 1 "$CARNOT" logits -m $model --tokens "" --out "$scratch/c"
one_line_err
expect 1 "$CARNOT" logits -m $model --tokens 1,2,3,4,5 -c 4 --out "$scratch/c"
err_has "context of 4"
expect 1 "$CARNOT" logits -m $model --tokens 1 --out "$scratch/no/such/folder"
one_line_err
expect 1 "$CARNOT" logits -m $model --tokens 1,2,3 --out /dev/full/x
one_line_err
expect 1 "$CARNOT" logits -m "$scratch/none.gguf" --tokens 1 --out "$scratch/c"
one_line_err
# YaRN without its correction is linear scaling.
cases=${CARNOT_SHARED:-../shared}/cases/engine
if [ -r "$cases/rope-lin4.gguf" ]; then
    for name in rope-lin4 rope-yarn-ext0; do
        expect 0 "$CARNOT" logits -m "$cases/$name.gguf" --tokens 1,2,3,4,5,6,7,8 --out "$scratch/$name"
    done
    cmp -s "$scratch/rope-lin4" "$scratch/rope-yarn-ext0" || fail "ext_factor 0 changes logits"
else
    echo "SKIPPED: no $cases (CARNOT_SHARED names the folder of shared test data)"
fi
# Nothing is left behind by what failed.
[ ! -e "$scratch/c" ] || fail "a file was left by a failed run"
[ -z "$(find "$scratch" -name '*.tmp-*')" ] || fail "a temporary file was left"
