#!/bin/sh
# Every format's vectors through the command, in every tier of this machine: the same bits. Then what it
# refuses.
set -u
. tests/expect.sh
has_command dequantize || { echo "SKIPPED: not built in"; exit 77; }

vectors=tests/fixtures/vectors
tiers=$("$CARNOT" --version | sed -n 's/^in force *\([a-z0-9,]*\).*/\1/p' | tr , ' ')
compared=0
for tier in $tiers; do
    for blocks in "$vectors"/*.blocks.bin; do
        type=$(basename "$blocks" .blocks.bin)
        # All vectors are rows of 1024; only rows with a header mind.
        expect 0 "$CARNOT" dequantize --type "$type" --cols 1024 --tiers "$tier" "$blocks" "$scratch/values"
        no_out
        no_err
        cmp -s "$scratch/values" "$vectors/$type.f32.bin" || fail "$type differs in tier $tier"
        compared=$((compared + 1))
    done
done
[ $compared -ge 25 ] || fail "only $compared comparisons"

# Names of types in any case; the output of before is replaced.
expect 0 "$CARNOT" dequantize --type Q4_K "$vectors/q4_k.blocks.bin" "$scratch/values"
cmp -s "$scratch/values" "$vectors/q4_k.f32.bin" || fail "Q4_K is not q4_k"

# A part of a block: one line, nothing written, nothing replaced.
refused() { # exit code, what the line names, arguments
    expected=$1 names=$2
    shift 2
    expect "$expected" "$CARNOT" dequantize "$@"
    no_out
    one_line_err
    err_has "$names"
    [ "$(ls "$scratch")" = "$listing" ] || fail "left a file behind"
}
head -c 1000 "$vectors/q4_k.blocks.bin" >"$scratch/part"
cp "$scratch/values" "$scratch/before"
mkfifo "$scratch/pipe"
listing=$(ls "$scratch")
refused 1 "multiple of 144 bytes" --type q4_k "$scratch/part" "$scratch/values"
cmp -s "$scratch/values" "$scratch/before" || fail "replaced the output"
refused 1 "$scratch/none" --type q4_k "$scratch/none" "$scratch/values"
refused 1 "$scratch/none/x" --type q4_k "$scratch/part" "$scratch/none/x"
refused 1 "not a regular file" --type q4_k "$vectors/q4_k.blocks.bin" "$scratch/pipe"
refused 2 "q4_9" --type q4_9 "$scratch/part" "$scratch/values"
refused 2 "--type" "$scratch/part" "$scratch/values"
refused 2 "sse9" --type q4_k --tiers ref,sse9 "$scratch/part" "$scratch/values"
