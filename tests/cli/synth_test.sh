#!/bin/sh
# carnot synth: a cut model of each kind of layer that is small enough loads; refusals leave nothing.
set -u
. tests/expect.sh

new=$scratch/new.gguf
expect 0 "$CARNOT" synth --list
out_has "llama-3.2-1b"
shapes=$(cat "$scratch/out")
for shape in $shapes; do
    expect 0 "$CARNOT" synth --shape "$shape" --type Q4_0 --dry-run
    no_out
    err_has "$shape as Q4_0"
done

expect 0 "$CARNOT" synth --shape smollm2-135m --type Q4_K_M --layers 1 "$new"
no_out
err_has "bits per weight"
expect 0 "$CARNOT" inspect "$new" --check -o json
out_has '"file_type": "Q4_K_M"'
out_has '"architecture": "llama"'

# The same seed, the same bytes; and the file in place is replaced only by a whole one.
cp "$new" "$scratch/first.gguf"
expect 0 "$CARNOT" synth --shape smollm2-135m --type Q4_K_M --layers 1 --seed 1 "$new"
cmp -s "$new" "$scratch/first.gguf" || fail "not the same file"
expect 0 "$CARNOT" synth --shape smollm2-135m --type Q4_K_M --layers 1 --seed 2 "$new"
! cmp -s "$new" "$scratch/first.gguf" || fail "the seed makes no difference"
rm "$new"

expect 2 "$CARNOT" synth --shape smollm2-135m --type Q4_0
err_has "OUT is missing"
expect 2 "$CARNOT" synth --type Q4_0 "$new"
expect 2 "$CARNOT" synth --shape smollm2-135m "$new"
expect 2 "$CARNOT" synth --shape smollm2-135m --type Q4_0 --layers 0 "$new"
expect 2 "$CARNOT" synth --shape smollm2-135m --type Q4_0 --layers 31 "$new"
err_has "30 layers"
expect 2 "$CARNOT" synth --shape nosuch --type Q4_0 "$new"
err_has "smollm2-135m"
expect 2 "$CARNOT" synth --shape smollm2-135m --type Q9 "$new"
err_has "'Q9'"
expect 1 "$CARNOT" synth --shape smollm2-135m --type Q4_0 "$scratch/no/such/new"
[ -z "$(find "$scratch" -name '*.tmp-*')" ] && [ ! -e "$new" ] || fail "left a file behind"
