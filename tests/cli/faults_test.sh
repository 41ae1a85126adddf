#!/bin/sh
# What can go wrong around the program: each fault ends in one line and exit 1, or is none at all; never
# in a crash, a hang or half a file. docs/ARCHITECTURE.md has the table.
set -u
. tests/expect.sh

model=models/prose-8m-f16.gguf
tiny=tests/fixtures/bad/good.gguf
copy=$scratch/copy.gguf
text=$scratch/text
i=0
while [ $i -lt 40 ]; do
    cat docs/*.md
    i=$((i + 1))
done >"$text"

# start COMMAND...: in the background, signals as usual; wait_for FILE: until it has something in it.
start() {
    : >"$scratch/out" # here, not when the other process gets to it: wait_for looks at it
    ran=$*
    env --default-signal=INT,HUP,TERM "$@" >"$scratch/out" 2>"$scratch/err" &
    pid=$!
}
wait_for() {
    tries=0
    until [ -s "$1" ] || ! kill -0 $pid 2>/dev/null || [ $tries = 2000 ]; do
        sleep 0.02
        tries=$((tries + 1))
    done
}
ended() { # expected exit code
    code=0
    wait $pid || code=$?
    [ $code = "$1" ] || fail "expected exit $1"
}
nothing_left() {
    [ -z "$(find "$scratch" -name '*.tmp-*')" ] || fail "left a temporary file"
}

# ---- the model's file, while it is mapped ------------------------------------------------------------

# Cut short: the file is named, the unfinished output is removed.
cp $model "$copy"
start "$CARNOT" perplexity -m "$copy" -f "$text" -c 64 --save-base "$scratch/base" -t 2
while [ -z "$(find "$scratch" -name 'base.tmp-*' -size +1)" ] && kill -0 $pid 2>/dev/null; do
    sleep 0.02
done
truncate -s 4096 "$copy"
ended 1
one_line_err
err_has "$copy became shorter"
no_out
nothing_left

# Replaced by rename: the old file lives on. Overwritten in place: wrong numbers, no crash.
cp $model "$copy"
expect 0 "$CARNOT" run -m "$copy" -p a -n 800 -c 900 --temp 0 --ignore-eos --ids -t 1
mv "$scratch/out" "$scratch/whole"
start "$CARNOT" run -m "$copy" -p a -n 800 -c 900 --temp 0 --ignore-eos --ids -t 1
wait_for "$scratch/out"
cp $tiny "$scratch/other" && mv "$scratch/other" "$copy"
ended 0
cmp -s "$scratch/out" "$scratch/whole" || fail "another file under its name changed the output"
cp $model "$copy"
start "$CARNOT" run -m "$copy" -p a -n 800 -c 900 --temp 0 --ignore-eos --ids -t 1
wait_for "$scratch/out"
tr '\0-\377' '\377' </dev/zero | dd of="$copy" bs=65536 seek=1 count=160 conv=notrunc 2>/dev/null
code=0
wait $pid || code=$?
# What is there now are no numbers, which it tells where it comes to that.
[ $code = 0 ] || { [ $code = 1 ] && err_has "not finite"; } || fail "expected exit 0 or 1"
rm "$copy"

# ---- signals -----------------------------------------------------------------------------------------

# The terminal is gone (HUP), or somebody asks it to end (TERM): as after Ctrl-C.
for signal in HUP TERM; do
    start "$CARNOT" perplexity -f "$text" -c 64 --save-base "$scratch/base" -t 1
    while [ -z "$(find "$scratch" -name 'base.tmp-*' -size +1)" ] && kill -0 $pid 2>/dev/null; do
        sleep 0.02
    done
    kill -s $signal $pid
    ended 1
    nothing_left
    [ ! -e "$scratch/base" ] || fail "half a file after SIG$signal"
done

# The terminal itself goes, as when its window is closed: the kernel says HUP to who leads the session.
if command -v script >/dev/null; then
    ran="a program whose terminal goes"
    cat >"$scratch/leader" <<END
echo \$\$ >"$scratch/leader.pid"
exec env --default-signal=HUP "$CARNOT" perplexity -f "$text" -c 64 --save-base "$scratch/base" -t 1
END
    script -qfec "exec sh $scratch/leader" /dev/null </dev/null >"$scratch/out" 2>"$scratch/err" &
    pid=$!
    while [ -z "$(find "$scratch" -name 'base.tmp-*' -size +1)" ] && kill -0 $pid 2>/dev/null; do
        sleep 0.02
    done
    leader=$(cat "$scratch/leader.pid")
    kill -0 "$leader" 2>/dev/null || fail "ended with its terminal there"
    kill -s KILL $pid
    wait $pid
    tries=0
    while grep -q '^State:[[:space:]]*[^[:space:]ZX]' "/proc/$leader/status" 2>/dev/null && [ $tries -lt 1000 ]; do
        sleep 0.02
        tries=$((tries + 1))
    done
    [ $tries -lt 1000 ] || fail "runs on without a terminal"
    nothing_left
    [ ! -e "$scratch/base" ] || fail "half a file after the terminal went"
else
    echo "SKIPPED a terminal that goes: no script(1)"
fi

# ---- where it may not write ---------------------------------------------------------------------------

expect 1 "$CARNOT" quantize $model /proc/new.gguf Q8_0
one_line_err
err_has "/proc/new.gguf"
expect 1 "$CARNOT" logits -m $tiny --tokens 1,2 --out /proc/x
one_line_err
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    # root may write anywhere: another user, with a copy of the program where that user can read it
    mkdir "$scratch/ro" && cp "$CARNOT" $tiny "$scratch/ro/" && chmod 755 "$scratch" && chmod 555 "$scratch/ro"
    expect 1 setpriv --reuid 65534 --regid 65534 --clear-groups "$scratch/ro/carnot" \
        logits -m "$scratch/ro/good.gguf" --tokens 1,2 --out "$scratch/ro/x"
    one_line_err
    err_has "Permission denied"
    [ "$(find "$scratch/ro" -type f | wc -l)" = 2 ] || fail "a file in a read-only folder"
    chmod 755 "$scratch/ro"
fi

# A file that may not grow: an error, not SIGXFSZ.
small() {
    (ulimit -f 8 && exec "$@")
}
expect 1 small "$CARNOT" quantize $model "$scratch/new.gguf" Q8_0
one_line_err
err_has "File too large"
nothing_left

# ---- no memory ----------------------------------------------------------------------------------------

# However little there is, it works or says so. A sanitizer needs terabytes of address space.
if ! grep -qa __asan_init "$CARNOT" && ! grep -qa __tsan_init "$CARNOT"; then
    little() {
        # shellcheck disable=SC3045 # dash and bash have it
        (ulimit -v "$kib" && exec "$@")
    }
    worked=0 refused=0
    for kib in 4000 6000 8000 10000 12000 16000 24000 28000 32000 48000 64000 96000 128000 192000 400000; do
        ran="run with $kib KiB"
        code=0
        little "$CARNOT" run -m $model -p a -n 2 -c 4096 --kv f32 --temp 0 --meter none -t 4 \
            >"$scratch/out" 2>"$scratch/err" || code=$?
        case $code in
        0) worked=$((worked + 1)) ;;
        127) ;; # not even the loader, which says so or crashes: then --version ends as badly
        1)
            refused=$((refused + 1))
            [ "$(grep -vc warning "$scratch/err")" = 1 ] || grep -q 'loading shared libraries' "$scratch/err" ||
                fail "stderr is not one line"
            ;;
        *)
            started=0
            little "$CARNOT" --version >/dev/null 2>&1 || started=$?
            [ $started = "$code" ] || fail "neither worked nor said why"
            ;;
        esac
    done
    if [ $worked = 0 ] || [ $refused -lt 3 ]; then
        fail "$worked worked, $refused refused"
    fi
fi

# ---- cores and threads ---------------------------------------------------------------------------------

ids() {
    "$CARNOT" run -m $tiny -p "a b c" -n 40 -c 64 --temp 0 --ignore-eos --ids "$@"
}
expect 0 ids -t 1
mv "$scratch/out" "$scratch/one"
expect 0 ids -t 64
cmp -s "$scratch/out" "$scratch/one" || fail "64 threads give other tokens"
if command -v taskset >/dev/null; then
    core=$(taskset -pc $$ | sed 's/.*: *\([0-9]*\).*/\1/')
    on_one() {
        taskset -c "$core" "$@"
    }
    for t in "" "-t 8"; do
        # shellcheck disable=SC2086
        expect 0 on_one "$CARNOT" run -m $tiny -p "a b c" -n 40 -c 64 --temp 0 --ignore-eos --ids $t
        cmp -s "$scratch/out" "$scratch/one" || fail "one core gives other tokens"
    done
    # Cores taken away in the middle, as when they are unplugged.
    start "$CARNOT" run -m $model -p a -n 800 -c 900 --temp 0 --ignore-eos --ids -t 2
    wait_for "$scratch/out"
    taskset -apc "$core" $pid >/dev/null 2>&1
    ended 0
fi

# ---- the wall clock jumps ------------------------------------------------------------------------------

if ${CC:-cc} -shared -fPIC -o "$scratch/clock_step.so" tests/clock_step.c 2>/dev/null &&
    LD_PRELOAD=$scratch/clock_step.so "$CARNOT" --version >/dev/null 2>&1; then
    expect 0 env LD_PRELOAD="$scratch/clock_step.so" "$CARNOT" run -m $tiny -p "a b c" -n 40 -c 64 --temp 0 \
        --ignore-eos --ids --trace "$scratch/trace.jsonl"
    cmp -s "$scratch/out" "$scratch/one" || fail "another time gives other tokens"
    sed 's/.*"t0_ns":\([0-9]*\),"t1_ns":\([0-9]*\).*/\1 \2/' "$scratch/trace.jsonl" |
        awk '$1 > $2 || $2 - $1 > 6e11 { wrong = 1 } END { exit wrong || NR < 40 }' ||
        fail "phases that run backwards, or for an hour"
fi
