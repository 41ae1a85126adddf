#!/bin/sh
# carnot imatrix: makes a file that quantize takes, resumes, merges, and leaves no half file.
set -u
. tests/expect.sh

model=models/prose-8m-f16.gguf
[ -f "$model" ] || { echo "SKIPPED: no $model"; exit 77; }
text=$scratch/text
cat ./*.md docs/*.md >"$text"
new=$scratch/new.imatrix

expect 0 "$CARNOT" imatrix -m "$model" -f "$text" -o "$new" -c 64 --chunks 4 -t 1
no_out
one_line_err
err_has "4 chunks of 64 tokens, 56 tensors"
expect 0 "$CARNOT" inspect "$new" --tensors -o csv
out_has "blk.7.ffn_down.weight.in_sum2,F32"
out_has "blk.7.ffn_down.weight.counts,F32"
expect 0 "$CARNOT" inspect "$new" --keys
out_has imatrix.chunk_count
out_has "$text"

# What it is for: a type that needs one.
expect 1 "$CARNOT" quantize "$model" - IQ2_XS --dry-run
err_has "carnot imatrix -m $model"
expect 0 "$CARNOT" quantize "$model" - IQ2_XS --imatrix "$new" --dry-run -o csv
out_has "blk.2.attn_q.weight,256 x 256,F16,IQ2_XS,131072,18944,true"

# Resuming takes the chunks there are; a text that went on gives the same as one run.
expect 0 "$CARNOT" imatrix -m "$model" -f "$text" -o "$scratch/part" -c 64 --chunks 2 -t 1
expect 0 "$CARNOT" imatrix -m "$model" -f "$text" -o "$scratch/part" -c 64 --chunks 4 -t 1 --resume
err_has "4 chunks of 64 tokens (2 from before), 56 tensors"
expect 1 "$CARNOT" imatrix -m "$model" -f "$text" -o "$scratch/part" -c 128 --resume
one_line_err
err_has "chunks of 128 tokens expected, 64 found"
expect 1 "$CARNOT" imatrix -m "$model" -f README.md -o "$scratch/part" -c 64 --resume
err_has "it was not made from the text 'README.md' alone"

# Another text under the name, and another model of the same shape.
cp "$scratch/part" "$scratch/kept"
cp "$text" "$scratch/same"
sed 's/carnot/Carnot/' "$scratch/same" >"$text"
expect 1 "$CARNOT" imatrix -m "$model" -f "$text" -o "$scratch/part" -c 64 --resume
one_line_err
err_has "is not the text that it was made from"
cp "$scratch/same" "$text"
expect 0 "$CARNOT" quantize "$model" "$scratch/other.gguf" Q8_0
expect 1 "$CARNOT" imatrix -m "$scratch/other.gguf" -f "$text" -o "$scratch/part" -c 64 --resume
one_line_err
err_has "is not the model that it was made with"
cmp -s "$scratch/part" "$scratch/kept" || fail "what was there has changed"
rm "$scratch/other.gguf"

# A byte-order mark and CR LF change nothing.
{ printf '\357\273\277'; sed 's/$/\r/' "$text"; } >"$scratch/crlf"
cp "$text" "$scratch/same"
expect 0 "$CARNOT" imatrix -m "$model" -f "$text" -o "$scratch/lf-matrix" -c 64 --chunks 1 -t 1
mv "$scratch/crlf" "$text"
expect 0 "$CARNOT" imatrix -m "$model" -f "$text" -o "$scratch/crlf-matrix" -c 64 --chunks 1 -t 1
[ "$(tail -c 4096 "$scratch/lf-matrix" | cksum)" = "$(tail -c 4096 "$scratch/crlf-matrix" | cksum)" ] ||
    fail "other sums"
mv "$scratch/same" "$text"

# Merging alone, and with a text.
expect 0 "$CARNOT" imatrix --in "$new" --in "$scratch/part" -o "$scratch/both"
err_has "chunks: 8 with those of --in, 56 tensors"
expect 0 "$CARNOT" imatrix -m "$model" -f README.md --in "$scratch/both" -o "$scratch/both" -c 64 \
    --chunks 3 --every 1 -t 1
err_has "3 chunks of 64 tokens, 11 with those of --in, 56 tensors"

# Interrupted: what was finished is kept, no temporary file is left.
rm "$new"
cat "$text" "$text" "$text" "$text" "$text" "$text" >"$scratch/long"
env --default-signal=INT "$CARNOT" imatrix -m "$model" -f "$scratch/long" -o "$new" -c 64 --every 1 -t 1 \
    >"$scratch/out" 2>"$scratch/err" &
pid=$!
tries=0
until [ -e "$new" ] || [ $tries = 1000 ]; do
    sleep 0.01
    tries=$((tries + 1))
done
kill -s INT $pid 2>/dev/null
code=0
wait $pid || code=$?
ran="imatrix, then SIGINT"
if [ $code = 0 ]; then
    echo "SIGINT came too late to tell"
else
    [ $code = 1 ] || fail "expected exit 1"
    one_line_err
    err_has "--resume goes on from there"
    expect 0 "$CARNOT" inspect "$new" --check
fi
[ -z "$(find "$scratch" -name '*.tmp-*')" ] || fail "left a temporary file behind"

# Wrong use and wrong files.
expect 2 "$CARNOT" imatrix -m "$model" -f "$text"
expect 2 "$CARNOT" imatrix -m "$model" -o "$new"
expect 2 "$CARNOT" imatrix -m "$model" --in "$new" -o "$new"
expect 2 "$CARNOT" imatrix --in "$new" --resume -o "$new"
expect 2 "$CARNOT" imatrix -f "$text" -o "$new" -c 0
rm "$new"
echo few >"$scratch/few"
expect 1 "$CARNOT" imatrix -m "$model" -f "$scratch/few" -o "$new"
one_line_err
err_has "at least 512 (one chunk) are needed"
expect 1 "$CARNOT" imatrix --in "$model" -o "$new"
one_line_err
err_has "expected imatrix"
head -c 5000 "$scratch/part" >"$scratch/cut"
expect 1 "$CARNOT" imatrix --in "$scratch/part" --in "$scratch/cut" -o "$new"
one_line_err
err_has "$scratch/cut"
expect 1 "$CARNOT" imatrix -m "$model" -f "$text" -o "$scratch/no/such" -c 64 --chunks 1
one_line_err
err_has "No such file or directory"
[ ! -e "$new" ] || fail "left $new behind"
