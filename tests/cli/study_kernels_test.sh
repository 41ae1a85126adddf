#!/bin/sh
# carnot study with plans of kernels: what is run, what is kept, goes on where it was, is merged and compared.
set -u
. tests/expect.sh
has_command study || exit 77
"$CARNOT" study status "$scratch/none.db" 2>&1 | grep -q "without" && { echo "SKIPPED: built without SQLite"; exit 77; }
cd "$scratch" || exit 1

cat >k.plan <<'END'
name kernels
seed 3
repetitions 3
warmup 0
kernels q4_0 q8_0 q4_k
tiers ref
shape 16x256 8x512
cores all 0
job gemv
meter none
limits none
checks off
END
expect 0 "$CARNOT" study run k.plan --db k.db
expect 0 "$CARNOT" study export k.db --table kernel_results -o csv
cp "$scratch/out" rows.csv
[ "$(wc -l <rows.csv)" = 37 ] || fail "3 formats, 2 shapes, 2 sets of cores, 3 blocks, and a header expected"
for row in 'q4_k,ref,gemv,8,512,1,1,memory' 'q4_0,ref,gemv,16,256,1,1,memory'; do
    [ "$(grep -c "$row" rows.csv)" = 6 ] || fail "$row: 3 blocks on 2 sets of cores expected"
done
# Every block has its own order.
expect 0 "$CARNOT" study export k.db --table runs -o csv
[ "$(grep -c ',done,' "$scratch/out")" = 36 ] || fail "36 runs done expected"
expect 0 "$CARNOT" compare rows.csv --by format=q4_0,q8_0 --metric gbps --pair block,rows,cores
out_has "gbps"
# Nothing is left to do; and shards join.
expect 0 "$CARNOT" study run --db k.db
expect 0 "$CARNOT" study run k.plan --db s1.db --shard 1/2
expect 0 "$CARNOT" study run k.plan --db s2.db --shard 2/2
expect 0 "$CARNOT" study merge all.db s1.db s2.db
expect 0 "$CARNOT" study export all.db --table kernel_results -o csv
[ "$(wc -l <"$scratch/out")" = 37 ] || fail "the shards together have all rows"

# A run that fails fails alone, and says why.
sed 's/^cores .*/cores 4095/; s/^repetitions 3/repetitions 1/' k.plan >bad.plan
expect 1 "$CARNOT" study run bad.plan --db bad.db
expect 0 "$CARNOT" study export bad.db --table runs -o csv
[ "$(grep -c 'failed,' "$scratch/out")" = 6 ] || fail "6 failed runs expected"
out_has "--cores"
