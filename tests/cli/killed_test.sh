#!/bin/sh
# Killed at random moments (KILLS of them each, 20): whatever was there is there. Studies of many runs are
# killed in study_test.sh too.
set -u
. tests/expect.sh
: "${KILLS:=20}"
model=$PWD/tests/fixtures/bad/good.gguf
split=$PWD/tests/fixtures/split/tiny-00001-of-00003.gguf
cd "$scratch" || exit 1

moment() { # seconds: a random share of them
    awk -v seed="$$$kill$kills" -v most="$1" 'BEGIN { srand(seed); printf "%.3f", rand() * most }'
}
# killed SECONDS COMMAND...: starts it and kills it after a random time, below what it takes whole.
killed() {
    lasts=$1
    shift
    ran="killed $*"
    "$@" >/dev/null 2>&1 &
    pid=$!
    sleep "$(moment "$lasts")"
    kill -9 $pid 2>/dev/null
    code=0
    wait $pid 2>/dev/null || code=$?
    [ $code != 137 ] || kills=$((kills + 1))
}
# seconds COMMAND...: how long it takes.
seconds() {
    from=$(date +%s%N)
    expect 0 "$@"
    awk -v ns=$(($(date +%s%N) - from)) 'BEGIN { printf "%.3f", 1.1e-9 * ns }'
}

# ---- a set of files in place of another ---------------------------------------------------------------

names="p-00001-of-00003.gguf p-00002-of-00003.gguf p-00003-of-00003.gguf"
expect 0 "$CARNOT" quantize "$split" p Q8_0 --keep-split --force -t 1
mkdir new old && mv p-* new/
for name in $names; do
    echo "old $name" >"old/$name"
done
cp old/* .
whole=$(seconds "$CARNOT" quantize "$split" p Q8_0 --keep-split --force -t 1)
kill=0 kills=0 between=0
look_at_set() {
    n_old=0 n_new=0
    for name in $names; do
        if cmp -s "$name" "old/$name"; then
            n_old=$((n_old + 1))
        elif cmp -s "$name" "new/$name"; then
            n_new=$((n_new + 1))
        elif [ -e "$name" ]; then
            fail "half a file: $name"
        fi
        # Until all of the new set is there, the old file is under one name or the other.
        for there in "$name" "$name".old-*; do
            cmp -s "$there" "old/$name" 2>/dev/null && touch "kept-$name"
        done
    done
    if [ $n_new != 3 ]; then
        [ "$(find . -maxdepth 1 -name 'kept-*' | wc -l)" = 3 ] || fail "an old file is lost: $(ls)"
        [ $n_old = 3 ] || between=$((between + 1))
    fi
    # Half of both does not open: its first file is missing.
    [ $n_old = 3 ] || [ $n_new = 3 ] || [ ! -e p-00001-of-00003.gguf ] || fail "a set of two kinds"
    rm -f kept-*
}
while [ $kills -lt "$KILLS" ] && [ $kill -lt $((20 * KILLS)) ]; do
    kill=$((kill + 1))
    rm -f p-* && cp old/* .
    killed "$whole" "$CARNOT" quantize "$split" p Q8_0 --keep-split --force -t 1
    look_at_set
done
[ $kills = "$KILLS" ] || fail "killed only $kills times in $kill calls"
echo "quantize --keep-split: killed $kills times, $between of them between the two sets"
# The time in which names change is short: killed at each of these calls, too.
if command -v strace >/dev/null && strace -qq -o /dev/null true 2>/dev/null; then
    between=0
    for call in link unlink rename; do
        for n in 1 2 3 4; do
            rm -f p-* && cp old/* .
            ran="killed at $call $n" code=0
            strace -f -qq -o /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$n "$CARNOT" quantize "$split" p Q8_0 \
                --keep-split --force -t 1 >/dev/null 2>&1 || code=$?
            look_at_set
        done
    done
    [ $between -gt 2 ] || fail "no kill between the two sets"
    echo "quantize --keep-split: killed at each change of a name, $between times between the two sets"
else
    echo "SKIPPED kills at each change of a name: no strace"
fi
rm -f p-*

# ---- studies ------------------------------------------------------------------------------------------

has_command study || exit 0
"$CARNOT" study status none.db 2>&1 | grep -q "without" && { echo "SKIPPED studies: built without SQLite"; exit 0; }
cat >tiny.plan <<END
name tiny
seed 7
repetitions 8
warmup 0
file tiny A "$model"
threads 1
ids p 5 9 3 7
output 3
context 32
meter none
idle 0
limits none
checks off
END
done_in() { # DB
    "$CARNOT" study export "$1" -o csv | grep -c ',done,'
}
kill=0 kills=0 most=0
whole=$(seconds "$CARNOT" study run tiny.plan --db first.db --work work)
while [ $kills -lt "$KILLS" ] && [ $kill -lt $((20 * KILLS)) ]; do
    kill=$((kill + 1))
    killed "$whole" "$CARNOT" study run tiny.plan --db s.db --work work
    [ -e s.db ] || continue
    now=$(done_in s.db)
    [ "$now" -ge "$most" ] || fail "$most runs were done, $now are"
    most=$now
    ! command -v sqlite3 >/dev/null || [ "$(sqlite3 s.db 'PRAGMA integrity_check')" = ok ] || fail "s.db is damaged"
    if [ "$most" = 8 ]; then
        rm -f s.db* && most=0
    fi
done
[ $kills = "$KILLS" ] || fail "killed only $kills times in $kill calls"
expect 0 "$CARNOT" study run tiny.plan --db s.db --work work
[ "$(done_in s.db)" = 8 ] || fail "the study is not whole"
echo "study run: killed $kills times"

for s in 1 2; do
    expect 0 "$CARNOT" study run tiny.plan --db shard$s.db --shard $s/2 --work work
    cp shard$s.db kept$s.db
done
whole=$(seconds "$CARNOT" study merge all.db shard1.db shard2.db)
"$CARNOT" study export all.db -o csv >all.csv
kill=0 kills=0
while [ $kills -lt "$KILLS" ] && [ $kill -lt $((20 * KILLS)) ]; do
    kill=$((kill + 1))
    rm -f all.db
    killed "$whole" "$CARNOT" study merge all.db shard1.db shard2.db
    [ ! -e all.db ] || "$CARNOT" study export all.db -o csv | cmp -s - all.csv || fail "half a study"
    cmp -s shard1.db kept1.db || fail "a part was changed"
    cmp -s shard2.db kept2.db || fail "a part was changed"
done
[ $kills = "$KILLS" ] || fail "killed only $kills times in $kill calls"
rm -f all.db*
expect 0 "$CARNOT" study merge all.db shard1.db shard2.db
echo "study merge: killed $kills times"
