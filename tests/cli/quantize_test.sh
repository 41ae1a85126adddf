#!/bin/sh
# carnot quantize: every file type that needs no importance matrix, refusals, and that whatever goes
# wrong at whatever moment nothing half-done stands under the final name.
set -u
. tests/expect.sh

model=models/prose-8m-f16.gguf
[ -f "$model" ] || { echo "SKIPPED: no $model"; exit 77; }
new=$scratch/new.gguf
nothing_left() {
    [ ! -e "$new" ] || fail "left $new behind"
    [ -z "$(find "$scratch" -name '*.tmp-*')" ] || fail "left a temporary file behind"
}

# Types from the program's own list; those below 3 bits want an importance matrix.
expect 2 "$CARNOT" quantize "$model" "$new" Q9_K
one_line_err
err_has "'Q9_K' is not supported"
types=$(sed 's/.*there are://' "$scratch/err")
n_made=0 n_refused=0
for type in $types; do
    if "$CARNOT" quantize "$model" - "$type" --dry-run >"$scratch/out" 2>"$scratch/err"; then
        # One layer of eight tells as much in an eighth of the time.
        expect 0 "$CARNOT" quantize "$model" "$new" "$type" -t 2 --tensor-type 'blk\.[1-7]\.=f16' \
            --embedding-type f16
        no_out
        err_has "$type"
        err_has "bits per weight"
        expect 0 "$CARNOT" inspect "$new" --check -o json
        out_has "\"file_type\": \"$type\""
        n_made=$((n_made + 1))
        rm "$new"
    else
        grep -q "carnot imatrix -m $model" "$scratch/err" || fail "$type: does not say how to make an imatrix"
        n_refused=$((n_refused + 1))
    fi
done
[ $n_made -ge 8 ] || fail "only $n_made file types were made"

# The plan is a table on stdout, and nothing is written.
expect 0 "$CARNOT" quantize "$model" "$new" Q4_K_M --dry-run -o csv
out_has "blk.0.ffn_down.weight,768 x 256,F16,Q6_K,"
out_has "blk.2.ffn_down.weight,768 x 256,F16,Q4_K,"
nothing_left

# Choices.
expect 0 "$CARNOT" quantize "$model" "$new" Q8_0 --tensor-type 'blk\.[01]\..*=q4_0' \
    --tensor-type attn_k=f16 --embedding-type q4_k
expect 0 "$CARNOT" inspect "$new" --tensors -o csv
grep -q '^blk.1.attn_k.weight,.*Q4_0' "$scratch/out" || fail "first rule that matches"
grep -q '^blk.2.attn_k.weight,.*F16' "$scratch/out" || fail "second rule"
grep -q '^blk.2.attn_q.weight,.*Q8_0' "$scratch/out" || fail "no rule"
grep -q '^token_embd.weight,.*Q4_K' "$scratch/out" || fail "embedding"

# Weights beyond what the numbers of a format reach.
cases=${CARNOT_SHARED:-../shared}/cases/engine
if [ -r "$cases/big-f32.gguf" ]; then
    expect 1 "$CARNOT" quantize "$cases/big-f32.gguf" "$scratch/big.gguf" F16
    one_line_err
    err_has "blk.0.ffn_down.weight: row 0 holds weights too large for F16"
    [ ! -e "$scratch/big.gguf" ] || fail "left a file behind"
    expect 0 "$CARNOT" quantize "$cases/big-f32.gguf" "$scratch/big.gguf" BF16
    expect 0 "$CARNOT" quantize "$cases/tiny-rows.gguf" "$scratch/tiny.gguf" Q8_0 --tensor-type ffn_up=q6_k
    err_has "rows of 1 tensors are so small"
    expect 0 "$CARNOT" quantize "$cases/tiny-rows.gguf" "$scratch/tiny.gguf" Q8_0 --tensor-type ffn_up=mxfp4
    ! grep -q warning "$scratch/err" || fail "no warning expected"
    rm "$scratch/tiny.gguf" "$scratch/big.gguf"
else
    echo "SKIPPED: no $cases (CARNOT_SHARED names the folder of shared test data)"
fi

# Quantised already.
expect 1 "$CARNOT" quantize "$new" "$scratch/twice.gguf" Q4_0
err_has "--allow-requantize"
expect 0 "$CARNOT" quantize "$new" "$scratch/twice.gguf" Q4_0 --allow-requantize
rm "$new" "$scratch/twice.gguf"

# Wrong usage and wrong files.
expect 2 "$CARNOT" quantize "$model" "$new"
expect 2 "$CARNOT" quantize "$model" "$new" Q4_0 -t 0
expect 2 "$CARNOT" quantize "$model" "$new" Q4_0 -o yaml
for type in Q4 '' automatic; do
    expect 2 "$CARNOT" quantize "$model" "$new" "$type"
    one_line_err
    nothing_left
done
for wrong in --tensor-type=ffn_down --tensor-type=ffn_down=q9 '--tensor-type=(=q8_0' --output-type=q9 --embedding-type=q9; do
    for type in Q4_0 auto; do
        expect 2 "$CARNOT" quantize "$scratch/missing" "$new" $type "$wrong"
        one_line_err
    done
done
expect 1 "$CARNOT" quantize "$model" "$new" Q4_0 --imatrix "$model"
err_has "expected imatrix"
expect 1 "$CARNOT" quantize "$model" "$new" Q4_0 --imatrix "$scratch/missing"
err_has "$scratch/missing"
expect 1 "$CARNOT" quantize "$model" "$new" Q4_0 --tensor-type nosuch=q8_0
err_has "matches no matrix"
expect 1 "$CARNOT" quantize "$model" "$scratch/no/such/new" Q4_0
err_has "No such file or directory"
expect 1 "$CARNOT" quantize "$scratch/missing" "$new" Q4_0
err_has "$scratch/missing"
nothing_left

# Types by measurement: the plan is on stdout, the size what was asked for at most.
expect 0 "$CARNOT" quantize "$model" "$new" auto --bpw 4 --sensitivity error --dry-run -o csv
out_has "tensor,shape,type,chosen,bytes,bpw,loss,loss_share"
out_has "blk.0.attn_norm.weight,256,F32,false,1024,32,,"
err_has "would write: auto, nearest to"
nothing_left
awk -F, 'NR > 1 { split($2, d, " x "); n += d[1] * (d[2] ? d[2] : 1); bytes += $5 }
    END { exit !(8 * bytes / n <= 4 && 8 * bytes / n > 3.99) }' "$scratch/out" ||
    fail "the plan does not have 4 bits per weight"
expect 0 "$CARNOT" quantize "$model" "$new" auto --size 7.5M --sensitivity error \
    --tensor-type 'blk\.[1-7]\.=q8_0'
n=$(wc -c <"$new")
[ "$n" -le 7500000 ] && [ "$n" -gt 7400000 ] || fail "$n bytes instead of 7.5 M"
expect 0 "$CARNOT" inspect "$new" --tensors --check -o csv
grep -q '^blk.3.attn_q.weight,Q8_0' "$scratch/out" || fail "auto changed what was asked for"
rm "$new"
expect 2 "$CARNOT" quantize "$model" "$new" auto
err_has "--bpw B and --size BYTES"
expect 2 "$CARNOT" quantize "$model" "$new" auto --bpw 4 --size 4M
expect 2 "$CARNOT" quantize "$model" "$new" auto --bpw 0
expect 2 "$CARNOT" quantize "$model" "$new" auto --bpw 4 --sensitivity hope
for families in k,iqx "" k, all; do
    expect 2 "$CARNOT" quantize "$model" "$new" auto --bpw 4 --families "$families"
    err_has "k,iq,iqk,kt"
done
expect 2 "$CARNOT" quantize "$model" "$new" Q4_0 --families k
expect 0 "$CARNOT" quantize "$model" "$new" auto --bpw 5 --families k,iqk --sensitivity error \
    --dry-run -o csv
out_has ",IQ5_K,true"
! grep -q ',IQ[^,]*_\(XXS\|XS\|S\|M\|NL\|KT\),' "$scratch/out" || fail "types of families that were not asked for"
expect 2 "$CARNOT" quantize "$model" "$new" auto --bpw 4 --pure
expect 2 "$CARNOT" quantize "$model" "$new" Q4_0 --bpw 4
for size in 4X 0 -4M 4Mi4 0x400000 nan 1e30; do
    expect 2 "$CARNOT" quantize "$model" "$new" auto --size=$size
    err_has "$size"
done
for bpw in 1.1 17; do
    expect 1 "$CARNOT" quantize "$model" "$new" auto --bpw $bpw
    one_line_err
    err_has "$bpw bits per weight are too"
    err_has "can be reached"
done
# Before anything is measured: an hour of work is not to end with this.
expect 1 timeout 60 "$CARNOT" quantize "$model" "$scratch/no/such/new" auto --bpw 4 --sensitivity kl
one_line_err
err_has "No such file or directory"
no_out
expect 1 timeout 60 "$CARNOT" quantize "$model" "$model" auto --bpw 4 --sensitivity kl
err_has "same file"
expect 1 "$CARNOT" quantize "$model" "$new" auto --size 1Mi
err_has "a file of 1048576 bytes is too small"
nothing_left

# Onto itself, by whatever name: refused, and the file is untouched.
cp "$model" "$scratch/self.gguf"
ln -s self.gguf "$scratch/alias.gguf"
for name in self alias; do
    expect 1 "$CARNOT" quantize "$scratch/self.gguf" "$scratch/$name.gguf" Q4_0
    err_has "same file"
done
cmp -s "$model" "$scratch/self.gguf" || fail "the input was changed"
head -c 5000000 "$model" >"$scratch/cut.gguf"
expect 1 "$CARNOT" quantize "$scratch/cut.gguf" "$new" Q4_0
one_line_err
nothing_left

# A split model into as many files, by any of the names; each opens by the first one, and holds what
# the whole one does.
split=tests/fixtures/split/tiny-00001-of-00003.gguf # bad/good-f16.gguf cut in three, the first without tensors
expect 0 "$CARNOT" quantize $split "$new" Q8_0
expect 0 "$CARNOT" logits -m "$new" --tokens 1,2,3 --out "$scratch/whole.f32"
rm "$new"
for name in p p.gguf p-00001-of-00003.gguf; do
    expect 0 "$CARNOT" quantize $split "$scratch/$name" Q8_0 --keep-split --dry-run
    err_has "in 3 files"
    [ -z "$(find "$scratch" -name 'p*')" ] || fail "--dry-run wrote a file"
    expect 0 "$CARNOT" quantize $split "$scratch/$name" Q8_0 --keep-split
    no_out
    err_has "in 3 files"
    [ "$(find "$scratch" -name 'p*' | wc -l)" = 3 ] || fail "not three files"
    expect 0 "$CARNOT" inspect "$scratch/p-00001-of-00003.gguf" --check
    expect 0 "$CARNOT" logits -m "$scratch/p-00001-of-00003.gguf" --tokens 1,2,3 --out "$scratch/split.f32"
    cmp -s "$scratch/whole.f32" "$scratch/split.f32" || fail "the parts are another model"
    rm "$scratch"/p-*
done
expect 1 "$CARNOT" quantize "$model" "$new" Q8_0 --keep-split
one_line_err
err_has "$model: this model is one file"
expect 1 "$CARNOT" quantize "$model" "$new" auto --bpw 4 --sensitivity error --keep-split
one_line_err
expect 1 "$CARNOT" quantize $split "$scratch/p-00001-of-00002.gguf" Q8_0 --keep-split
one_line_err
err_has "first of 3 files"
for name in "" "$scratch/"; do
    expect 1 "$CARNOT" quantize $split "$name" Q8_0 --keep-split
    one_line_err
done
expect 2 "$CARNOT" quantize $split - Q8_0 --keep-split
nothing_left

# A file that was there stays if the new one cannot be made: the disk is full ...
if mkdir "$scratch/small" && mount -t tmpfs -o size=2m tmpfs "$scratch/small" 2>/dev/null; then
    trap 'umount "$scratch/small"; rm -rf "$scratch"' EXIT
    echo before >"$scratch/small/new.gguf"
    expect 1 "$CARNOT" quantize --force "$model" "$scratch/small/new.gguf" Q8_0
    one_line_err
    err_has "No space left on device"
    [ "$(cat "$scratch/small/new.gguf")" = before ] || fail "the old file is gone"
    [ "$(find "$scratch/small" -type f | wc -l)" = 1 ] || fail "left a temporary file behind"
else
    # ... or, where nothing can be mounted, the file may not grow.
    limited() {
        (ulimit -f 2000 && trap '' XFSZ && exec "$@")
    }
    echo before >"$new"
    expect 1 limited "$CARNOT" quantize --force "$model" "$new" Q8_0
    err_has "File too large"
    [ "$(cat "$new")" = before ] || fail "the old file is gone"
    rm "$new"
    nothing_left
fi

# Ended in the middle: by SIGINT it cleans up, by SIGKILL it cannot, but the final name stays free.
for signal in INT KILL; do
    # The shell has programs in the background ignore SIGINT.
    env --default-signal=INT "$CARNOT" quantize "$model" "$new" Q4_K_M -t 1 >"$scratch/out" 2>"$scratch/err" &
    pid=$!
    tries=0
    until [ -n "$(find "$scratch" -maxdepth 1 -name 'new.gguf.tmp-*')" ] || [ $tries = 500 ]; do
        sleep 0.01
        tries=$((tries + 1))
    done
    kill -s $signal $pid 2>/dev/null
    code=0
    wait $pid 2>/dev/null || code=$?
    ran="quantize, then SIG$signal"
    if [ $code = 0 ]; then
        echo "SIG$signal came too late to tell" # a very fast machine
        rm "$new"
        continue
    fi
    [ ! -e "$new" ] || fail "left $new behind"
    if [ $signal = INT ]; then
        [ $code = 1 ] || [ $code = 130 ] || fail "expected exit 1"
        nothing_left
    fi
done
