#!/bin/sh
# What can go wrong around a study: full disks, two processes, supervisors with habits of their own,
# what cannot be read, clocks. Nothing measured is lost, and nothing is left that would be in the way.
set -u
. tests/expect.sh
has_command study || exit 77
unset CARNOT_TIERS
"$CARNOT" study status "$scratch/none.db" 2>&1 | grep -q "without" && { echo "SKIPPED: built without SQLite"; exit 77; }
model=$PWD/tests/fixtures/bad/good.gguf
steps=$PWD/tests/clock_step.c
cd "$scratch" || exit 1

# make_plan FILE BLOCKS [LINE]
make_plan() {
    cat >"$1" <<END
name tiny
seed 7
repetitions $2
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
${3-}
END
}
make_plan tiny.plan 6
# all_done DB N: N runs, each done, in a sound file.
all_done() {
    [ "$("$CARNOT" study export "$1" -o csv | grep -c ',done,')" = "$2" ] || fail "$1: not all of $2 runs are done"
    ! command -v sqlite3 >/dev/null || [ "$(sqlite3 "$1" 'PRAGMA integrity_check')" = ok ] || fail "$1 is damaged"
}

# ---- full disks ---------------------------------------------------------------------------------------

# Whatever the size, what is there goes on once there is room.
if [ "$(id -u)" = 0 ] && mkdir disk && mount -t tmpfs -o size=60k none disk 2>/dev/null; then
    umount disk
    size=60
    while [ $size -le 400 ]; do
        mount -t tmpfs -o size=${size}k none disk || fail "no disk of $size kB"
        code=0 ran="study run on a disk of $size kB"
        "$CARNOT" study run tiny.plan --db disk/s.db >out 2>err || code=$?
        [ $code = 0 ] || { [ $code = 1 ] && grep -qE 'disk is full|No space left' err; } || { umount disk; fail "$(cat err)"; }
        # A study that could not begin is not there, and nothing of it.
        [ -e disk/s.db ] || [ -z "$(ls -A disk)" ] || { umount disk; fail "left: $(ls -A disk)"; }
        mount -o remount,size=20m disk
        code=0
        "$CARNOT" study run tiny.plan --db disk/s.db >out 2>err || code=$?
        [ $code = 0 ] || { umount disk; fail "does not go on: $(cat err)"; }
        cp disk/s.db whole.db && rm -rf disk/s.db*
        umount disk
        all_done whole.db 6
        size=$((size + 20))
    done
    # A full output is not its input's fault; nothing of it is left.
    for s in 1 2; do
        expect 0 "$CARNOT" study run tiny.plan --db shard$s.db --shard $s/2
    done
    mount -t tmpfs -o size=60k none disk
    code=0 ran="study merge on a disk of 60 kB"
    "$CARNOT" study merge disk/all.db shard1.db shard2.db >out 2>err || code=$?
    left=$(ls -A disk)
    umount disk
    [ "$code$left" = 1 ] || fail "exit $code, left: $left"
    grep -q 'disk/all.db: ' err || fail "$(cat err)"
    grep -q 'shard' err && fail "the input is named: $(cat err)"
else
    echo "SKIPPED disks of 60 to 400 kB: only root may mount them"
fi
# The same as a limit on the size of files, which anybody can have.
small() {
    (ulimit -f 48 && exec "$@")
}
expect 1 small "$CARNOT" study run tiny.plan --db limited.db
[ -z "$(ls -d limited* 2>/dev/null)" ] || fail "left: $(ls -d limited*)"

# ---- two processes on one study -----------------------------------------------------------------------

# By other names and with other folders, at its beginning and later: one works, one says so.
mkdir a b
ln -s ../a/s.db b/link.db
i=0
while [ $i -lt 20 ]; do
    i=$((i + 1))
    [ $((i % 2)) = 0 ] || rm -f a/s.db
    other=b/link.db
    [ $((i % 4)) -lt 2 ] || other=a/../a/s.db
    # Two that are long enough to meet.
    make_plan long.plan 25
    "$CARNOT" study run long.plan --db a/s.db --work w1 >out1 2>err1 &
    first=$!
    second=0
    "$CARNOT" study run long.plan --db $other --work w2 >out2 2>err2 || second=$?
    code=0
    wait $first || code=$?
    ran="two processes, start $i"
    if [ $((i % 2)) = 1 ]; then
        [ $code$second = 01 ] || [ $code$second = 10 ] || fail "exits $code and $second: $(cat err1 err2)"
        grep -q 'is being worked on by another' err1 err2 || fail "nobody says so: $(cat err1 err2)"
    fi # a study that is done is looked at and left: they may miss each other
    all_done a/s.db 25
    "$CARNOT" study export a/s.db --table runs -o json | grep -q '"attempts": [^1]' && fail "a run was done twice"
done

# Two studies of one name share a folder, at the same time.
mkdir c d
"$CARNOT" study run tiny.plan --db c/s.db --work shared >/dev/null 2>err1 &
first=$!
expect 0 "$CARNOT" study run tiny.plan --db d/s.db --work shared
wait $first || fail "two studies cannot share a folder: $(cat err1)"
all_done c/s.db 6
all_done d/s.db 6

# ---- signals as a supervisor leaves them ----------------------------------------------------------------

expect 0 timeout 100 env --ignore-signal=CHLD "$CARNOT" study run tiny.plan --db chld.db
all_done chld.db 6
# Two targets: one waits for the processes of both. The second cannot be reached, and is told of.
expect 1 timeout 100 env --ignore-signal=CHLD PATH=/nowhere "$CARNOT" study run tiny.plan --db two.db --target local --target ssh:nobody
err_has "targets failed"
make_plan long.plan 2000
env --ignore-signal=CHLD --block-signal=TERM "$CARNOT" study run long.plan --db term.db >out 2>err &
pid=$!
sleep 1
kill -TERM $pid
tries=0
while kill -0 $pid 2>/dev/null && [ $tries -lt 500 ]; do
    sleep 0.02
    tries=$((tries + 1))
done
[ $tries -lt 500 ] || { kill -9 $pid; fail "SIGTERM does not end it"; }

# ---- what cannot be read --------------------------------------------------------------------------------

# /proc/self/mem opens, has no size, and cannot be read at its beginning.
expect 1 "$CARNOT" study run /proc/self/mem --db unread.db
one_line_err
err_has "Input/output error"
make_plan unread.plan 1 'prompt q @/proc/self/mem'
expect 1 "$CARNOT" study run unread.plan --db unread.db
one_line_err
err_has "Input/output error"
mkfifo fifo.plan
expect 1 timeout 20 "$CARNOT" study run fifo.plan --db unread.db
one_line_err
err_has "found a pipe"
[ ! -e unread.db ] || fail "a plan that cannot be read made a study"

# ---- the wall clock -------------------------------------------------------------------------------------

if ${CC:-cc} -shared -fPIC -o clock_step.so "$steps" 2>/dev/null && LD_PRELOAD=./clock_step.so "$CARNOT" --version >/dev/null 2>&1; then
    expect 0 env LD_PRELOAD="$PWD/clock_step.so" "$CARNOT" study run tiny.plan --db clock.db
    "$CARNOT" study export clock.db --table runs -o jsonl |
        sed -E 's/.*"started_s": ([0-9.e+]+), "ended_s": ([0-9.e+]+).*/\1 \2/' |
        awk '$2 < $1 || $2 - $1 > 60 { wrong = 1 } END { exit wrong || NR != 6 }' || fail "runs that end before they begin, or an hour later"
else
    echo "SKIPPED a clock that steps: it cannot be preloaded"
fi
