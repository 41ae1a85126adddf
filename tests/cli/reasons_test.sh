#!/bin/sh
# What is said when the system refuses: the reason that it gave, once, of the file that it is about.
set -u
. tests/expect.sh

model=models/prose-8m-f16.gguf
tiny=$PWD/tests/fixtures/bad/good.gguf

# ---- the result that nobody reads, or that does not fit -----------------------------------------------

# The text comes token by token: the reader goes in the middle.
{ code=0; "$CARNOT" run -m $model -p "a b c" -n 240 -c 256 --temp 0 --ignore-eos --ids --meter none 2>"$scratch/err" || code=$?
    echo $code >"$scratch/code"; } | head -c 5 >"$scratch/out"
ran="run | head -c 5" code=$(cat "$scratch/code")
[ "$code" = 1 ] || fail "expected exit 1"
no_err
awk 'BEGIN { print "model,test,tps"; for (i = 0; i < 40; i++) print "m,decode," 100 + i % 7 }' >"$scratch/t.csv"
to_full() {
    "$@" >/dev/full
}
for command in "meters -o json" "inspect $tiny --tensors -o json" "kernels --check --format q4_0 --job dequantize" "machine --seconds 0" \
    "tokenize -m $tiny abc" "compare $scratch/t.csv $scratch/t.csv"; do
    # shellcheck disable=SC2086 # words
    expect 1 to_full "$CARNOT" $command
    one_line_err
    err_has "cannot write the result to stdout: No space left on device"
done

# ---- outputs ------------------------------------------------------------------------------------------

# A page of more than 4 kB where no file may be larger: at a write in the middle, not at the end.
small() {
    (ulimit -f 8 && exec "$@")
}
awk 'BEGIN { print "model,test,tps"; for (i = 0; i < 900; i++) print "m,decode," 100 + i % 7 }' >"$scratch/long.csv"
expect 1 small "$CARNOT" report "$scratch/long.csv" -o "$scratch/r.html"
grep -v warning: "$scratch/err" >"$scratch/last"
mv "$scratch/last" "$scratch/err"
one_line_err
err_has "File too large"

# Names of files in status lines do not drive the terminal.
odd=$(printf '%s/a\033[31mb\nc.html' "$scratch")
expect 0 "$CARNOT" quantize "$tiny" "$odd" Q8_0 --allow-requantize
one_line_err
err_has 'a\x1b[31mb\nc.html: '

# ---- pictures -----------------------------------------------------------------------------------------

# gnuplot is there, and cannot draw: both the page and the terminal say so.
if command -v gnuplot >/dev/null; then
    mkdir "$scratch/bin"
    # shellcheck disable=SC2016 # for the other shell
    printf '#!/bin/sh\n[ "$2" = --version ] && exit 0\necho "line 1: no room" >&2\nexit 1\n' >"$scratch/bin/gnuplot"
    chmod +x "$scratch/bin/gnuplot"
    awk 'BEGIN { print "model,file_type,test,bpw,tps_median,tps_lo,tps_hi"; print "m,Q4_K,decode,4.5,10,9,11"; print "m,Q8_0,decode,8.5,8,7,9" }' >"$scratch/speed.csv"
    expect 0 env PATH="$scratch/bin:$PATH" "$CARNOT" report "$scratch/speed.csv" -o "$scratch/r.html"
    one_line_err
    err_has "a plot is missing: Decode speed: gnuplot failed: exit 1: line 1: no room"
    grep -q 'this plot is missing' "$scratch/r.html" || fail "the page does not say that a plot is missing"
    # It is there, and no process can be had for it; a supervisor ignores its children.
    expect 0 env --ignore-signal=CHLD "$CARNOT" report "$scratch/speed.csv" -o "$scratch/r.html"
    no_err
    grep -q '<svg' "$scratch/r.html" || fail "no plots where SIGCHLD was ignored"
else
    echo "SKIPPED plots: no gnuplot"
fi

# ---- threads and memory ---------------------------------------------------------------------------------

if ! grep -qa __asan_init "$CARNOT" && ! grep -qa __tsan_init "$CARNOT"; then
    # Threads have stacks of a megabyte, whatever the limit for the first one.
    deep() {
        # shellcheck disable=SC3045 # dash and bash have it
        (ulimit -s 1000000 && ulimit -v 2000000 && exec "$@")
    }
    # shellcheck disable=SC3045
    if (ulimit -s 1000000) 2>/dev/null; then
        expect 0 deep "$CARNOT" run -m "$tiny" -p a -n 2 -c 16 --temp 0 --meter none -t 8
    else
        echo "SKIPPED deep stacks: the limit may not be raised"
    fi
    # No more processes: not "out of memory".
    if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null && command -v prlimit >/dev/null; then
        mkdir "$scratch/open" && cp "$CARNOT" "$tiny" "$scratch/open/" && chmod 755 "$scratch" "$scratch/open"
        expect 1 prlimit --nproc=1:1 setpriv --reuid 65534 --regid 65534 --clear-groups "$scratch/open/carnot" \
            run -m "$scratch/open/good.gguf" -p a -n 2 -c 16 --meter none -t 4
        one_line_err
        err_has "cannot start 4 threads: Resource temporarily unavailable"
    else
        echo "SKIPPED threads refused: not root"
    fi
    # A check of kernels that has no memory says nothing of the kernels, and saves nothing.
    little() {
        # shellcheck disable=SC3045 # dash and bash have it
        (ulimit -v "$kib" && exec "$@")
    }
    refused=0
    for kib in 8000 9000 10000 11000 12000 13000 14000 16000 18000 20000; do
        echo before >"$scratch/k.csv"
        code=0 ran="kernels --check with $kib KiB"
        little "$CARNOT" kernels --check --format q4_0 --save "$scratch/k.csv" >"$scratch/out" 2>"$scratch/err" || code=$?
        grep -q "wrong" "$scratch/err" && fail "kernels are called wrong"
        if [ $code = 1 ] && grep -q '^carnot' "$scratch/err"; then
            refused=$((refused + 1))
            [ "$(cat "$scratch/k.csv")" = before ] || fail "the saved table was replaced"
        fi
    done
    [ $refused -gt 0 ] || echo "SKIPPED kernels without memory: no limit was the right one"
fi

# ---- what cannot be read --------------------------------------------------------------------------------

# /proc/self/mem opens, is a regular file, and cannot be read at its beginning.
printf '{"phase":"prefill","index":0,"t0_ns":100,"t1_ns":200}\n' >"$scratch/trace"
unread() { # command line
    expect 1 "$CARNOT" "$@"
    one_line_err
    err_has "Input/output error"
}
unread attribute --trace "$scratch/trace" --samples /proc/self/mem
unread attribute --trace /proc/self/mem --samples "$scratch/trace"
unread run -m "$tiny" -f /proc/self/mem
unread compare /proc/self/mem "$scratch/trace"
unread dequantize --type q8_0 /proc/self/mem "$scratch/x.f32"
yes 'a b c d' | head -n 200 >"$scratch/text"
unread perplexity -m "$tiny" -f "$scratch/text" -c 32 --chunks 1 --base /proc/self/mem

# The longest name leaves room for what is wrong with it.
long=$scratch/$(printf '%0250d/%0250d/%0250d/%0250d' 1 2 3 4)
for command in "inspect $long" "run -m $long -p a" "attribute --trace $long --samples x" "study run $long" "report $long"; do
    # shellcheck disable=SC2086 # words
    expect 1 "$CARNOT" $command
    one_line_err
    err_has "No such file or directory"
done
