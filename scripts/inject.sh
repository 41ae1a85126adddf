#!/bin/sh
# Makes system calls fail, one at a time, and looks at what the program does then:
#
#   scripts/inject.sh CARNOT [-j JOBS] [-s STEP] [-k DIR] [CASE...]
#
# For each case (a command line of the program; all of them if none is named) a first run under strace
# counts its system calls. Then it runs once for each STEPth call (1: each; its own step stands in the
# case's row) and each error in the table below, with that call failing in every process and thread that
# comes so far. Each run is judged:
#
#   - it ends by itself, in time, and by no signal
#   - exit 0: stdout and the outputs are what they are without the fault
#   - exit 1: one line says why, and it names no other reason than the one injected; warnings may
#     stand before it
#   - each output is whole (new, or what was there before) or not there, and nothing else is left
#
# What breaks one of these is a violation: it is printed, its files are kept under DIR, and the exit
# code is 1. The last line has the counts. Needs strace. It runs under nice.
set -u
usage="usage: scripts/inject.sh CARNOT [-j JOBS] [-s STEP] [-k DIR] [CASE...]"
limit_s=300

# The calls that are made to fail, and how. Not in it: what cannot fail (getpid), what the C library
# takes as its own end (futex), what ends a process, and brk, whose failure is no error code.
errors='
open EMFILE
openat EMFILE EACCES EIO ENOMEM EPERM
read EIO EACCES
pread64 EIO EACCES
readv EIO
write ENOSPC EIO
pwrite64 EIO ENOSPC
writev ENOSPC
close EIO ENOSPC
lseek EIO
fstat EIO
newfstatat EIO ENOENT EACCES ENOMEM
statx EIO
statfs EIO
access EACCES EIO
faccessat2 EACCES
readlink EACCES
getcwd ENOENT
getdents64 EIO
mkdir ENOSPC
rmdir EACCES
unlink EACCES
unlinkat EACCES
link EPERM EIO ENOSPC
rename EACCES EIO ENOSPC
symlink ENOSPC
ftruncate ENOSPC
fallocate ENOSPC
fsync EIO ENOSPC
fdatasync EIO
fchmod EPERM
fcntl ENOLCK
ioctl ENOTTY EIO
dup EMFILE
dup2 EMFILE
dup3 EMFILE
pipe2 EMFILE
memfd_create EMFILE
mmap ENOMEM EPERM EAGAIN
mremap ENOMEM
mprotect ENOMEM
munmap ENOMEM EINVAL
madvise EINVAL
clone EAGAIN
clone3 EAGAIN
vfork EAGAIN
fork EAGAIN
execve ENOMEM
wait4 ECHILD
waitid ECHILD
kill EPERM
poll ENOMEM
nanosleep EINTR
clock_nanosleep EINTR
perf_event_open EACCES
sched_getaffinity EINVAL
sched_setaffinity EINVAL
getrandom ENOSYS
uname EFAULT
sysinfo EFAULT
prlimit64 EPERM
geteuid EPERM
'

# One case a row: name, step, whether stdout is the same each time, outputs, then the command. Files
# that all cases may read lie in the folder above the one it runs in.
cases='
run        1 same t.jsonl,r.json run -m ../m.gguf -p abc -n 6 -c 32 --temp 0 --ignore-eos --ids --meter none -t 2 --trace t.jsonl --record r.json
session    1 same s.session run -m ../m.gguf -p abcd -n 6 -c 32 --temp 0 --ignore-eos --ids --meter none -t 1 --session s.session
bench     12 other b.csv bench -m ../m.gguf -p 8 -n 2 -r 1 -t 1 --meter none --explain --save b.csv
quantize   1 same q.gguf quantize ../f16.gguf q.gguf Q8_0 --imatrix ../m.imatrix -t 2 --force
split      1 same p-00001-of-00003.gguf,p-00002-of-00003.gguf,p-00003-of-00003.gguf quantize ../tiny-00001-of-00003.gguf p Q8_0 --keep-split -t 2 --force
auto       2 same q.gguf quantize ../f16.gguf q.gguf auto --bpw 9 --sensitivity error -t 1 --force
imatrix    1 same o.imatrix imatrix -m ../f16.gguf -f ../text -o o.imatrix -c 32 --chunks 3 -t 1 --force
perplexity 1 same o.base perplexity -m ../f16.gguf -f ../text -c 32 --chunks 2 --save-base o.base -t 1 -o json --force
divergence 1 same - perplexity -m ../f16.gguf -f ../text -c 32 --chunks 2 --base ../m.base -t 1 -o json
score      2 same - score -m ../f16.gguf --task hellaswag -f ../tasks -t 1 -o json
logits     1 same o.f32 logits -m ../m.gguf --tokens 1,2,3 --out o.f32 -t 1 --force
tokenize   1 same - tokenize -m ../m.gguf -f ../text --lines
inspect    1 same - inspect ../f16.gguf --tensors -o json
synth      1 same - synth --shape llama-3.2-1b --layers 1 --type Q2_K --seed 1 --dry-run s.gguf
dequantize 1 same o.f32 dequantize --type q8_0 ../blocks o.f32 --force
kernels    4 same k.csv kernels --format q4_0 --check --job dequantize --tier ref --save k.csv
machine    1 other - machine --seconds 0 -o json
meters     1 other - meters -o json
tune     300 other - tune -m ../m.gguf --for time -p 8 -n 8 -t 1 -r 2 --seconds 0.001 --meter none -o json
attribute  1 same - attribute --trace ../trace.jsonl --samples ../samples.csv --offset-ms 3700
compare    1 same - compare ../a.csv ../b.csv -o json
study      2 study s.db study run ../tiny.plan --db s.db --work w
export     1 same - study export ../done.db -o csv
status     1 same - study status ../done.db
merge      1 merge all.db study merge all.db ../shard1.db ../shard2.db
report     3 page r.html report ../done.db -o r.html --force
'

die() {
    echo "inject.sh: $*" >&2
    exit 2
}
row_of() {
    printf '%s\n' "$cases" | awk -v name="$1" '$1 == name'
}

# ---- one run ------------------------------------------------------------------------------------------

# What errno means, for those in the table, as the C library says it.
meaning() {
    case $1 in
    EMFILE) echo "Too many open files" ;;
    EACCES) echo "Permission denied" ;;
    EIO) echo "Input/output error" ;;
    ENOSPC) echo "No space left on device" ;;
    ENOENT) echo "No such file or directory" ;;
    EPERM) echo "Operation not permitted" ;;
    ENOMEM) echo "Cannot allocate memory" ;;
    EAGAIN) echo "Resource temporarily unavailable" ;;
    ECHILD) echo "No child processes" ;;
    EINVAL) echo "Invalid argument" ;;
    ENOLCK) echo "No locks available" ;;
    EFAULT) echo "Bad address" ;;
    ENOSYS) echo "Function not implemented" ;;
    *) echo "-" ;;
    esac
}

# What depends on the time or the machine, taken out.
plain() { # file
    sed -E 's/[0-9]+\.[0-9]+(e[-+]?[0-9]+)?/T/g; s/"(t0_ns|t1_ns|[a-z_]*_ns|[a-z_]*_s|[a-z_]*bytes|rss[a-z_]*)" ?: ?[-0-9.e+]+/"\1":T/g; s/-?[0-9]{9,}/T/g' "$1" 2>/dev/null
}
keys() { # file
    grep -oE '"[a-z_]+":' "$1"
}
same() { # name of a file here and, of the run without faults, in the reference
    cmp -s "$1" "$reference/$1" && return 0
    case $1 in
    *.gguf | *.f32 | *.base | *.imatrix | *.session) return 1 ;;
    t.jsonl) # a run that the fault ends has the phases up to there
        [ "$code" = 1 ] && ! grep -qv '^{.*}$' "$1" && return 0
        ;;
    r.json) # what could not be read of the machine is null in it; of a run that ends early, more is
        [ "$code" = 1 ] && [ "$(tail -c 2 "$1")" = ']' ] && return 0
        keys "$1" | cmp -s - "$reference/plain/$1"
        return
        ;;
    esac
    plain "$1" | cmp -s - "$reference/plain/$1"
}
violated() {
    echo "VIOLATION $name $call $error $nth: $*"
    if [ "$keep" ]; then
        mkdir -p "$keep" && cp -r . "$keep/$name-$call-$error-$nth" 2>/dev/null
    fi
    verdict=bad
}

# A study that the fault ended, or its database: it goes on without the fault, and nothing is lost.
resume_study() {
    [ -e s.db ] || return 0
    "$CARNOT" study run ../tiny.plan --db s.db --work w --retry-failed >resumed.out 2>resumed.err ||
        violated "the study does not go on: $(tail -n 1 resumed.err)"
    "$CARNOT" study export s.db -o csv >resumed.csv
    [ "$(grep -c ',done,' resumed.csv)" = 2 ] || violated "the study is not whole after it went on"
    rm -f resumed.*
    [ ! -e s.db-wal ] || violated "a log is left"
}

judge() { # exit code
    case $1 in
    0 | 1) ;;
    124 | 137) violated "runs on after $limit_s s" && return ;;
    127) # the loader's own calls, before the program begins
        grep -q 'error while loading shared libraries' err || violated "exit 127"
        echo before
        return
        ;;
    *) # the loader's own calls once more, which it does not take well
        code=0
        strace -f --seccomp-bpf -qq -o /dev/null -e trace="$call" -e inject="$call:error=$error:when=$nth" \
            "$CARNOT" --version >/dev/null 2>&1 || code=$?
        [ $code = "$1" ] || violated "exit $1: $(tail -n 1 err)"
        echo before
        return
        ;;
    esac
    # The lines that say why; other lines; of the former the last one.
    said=0 other=0 line="" warned=""
    while IFS= read -r l; do
        case $l in
        "strace: "*) # it could not start the program
            echo before
            return
            ;;
        carnot*": warning: "*) warned=$l ;;
        "carnot run: no energy: "*) ;;
        carnot*) said=$((said + 1)) line=$l ;;
        *) other=$((other + 1)) ;;
        esac
    done <err
    if [ "$1" = 1 ]; then
        # A fault of writing hits each process of a study at its own nth write: the child's result, and the
        # line of the parent that tells of it, or its table.
        if [ "$kind-$call" = study-write ] && [ $said -le 2 ]; then
            :
        elif [ $said != 1 ] || [ $other -gt 2 ]; then
            violated "exit 1 with $said lines: $(head -n 3 err | tr '\n' '|')"
        fi
        own=$(meaning "$error")
        for wrong in "Too many open files" "Permission denied" "Input/output error" "No space left on device" \
            "No such file or directory" "Operation not permitted" "Resource temporarily unavailable" "No child processes" \
            "Invalid argument" "No locks available" "Bad address" "Success" "out of memory"; do
            case $line in *"$wrong"*) ;; *) continue ;; esac
            case $call-$error-$wrong in
            *-"$own") ;;
            # What pthread_create makes of a stack that it cannot have, and C libraries of short resources.
            mmap-*-"Resource temporarily unavailable" | mprotect-*-"Resource temporarily unavailable") ;;
            *-ENOMEM-"out of memory" | *-EAGAIN-"out of memory" | *-EMFILE-"out of memory" | mmap-*-"out of memory") ;;
            *) violated "says '$wrong': $line" ;;
            esac
        done
    fi
    if [ "$1" = 0 ] && [ "$kind" = same ]; then
        same out || violated "exit 0 with another result"
    fi
    for output in $outputs; do
        if [ ! -e "$output" ]; then
            [ "$1" = 1 ] || violated "exit 0 without $output"
            [ ! -e "$reference/old/$output" ] || violated "$output is gone"
            continue
        fi
        case $kind in
        study) continue ;;
        merge)
            "$CARNOT" study export "$output" -o csv 2>/dev/null | cmp -s - "$reference/merged" ||
                violated "$output is another study"
            ;;
        page)
            grep -q '</html>' "$output" || violated "half a page"
            grep -q 'is missing' "$output" && [ -z "$warned" ] && violated "plots are missing, and nobody says so"
            ;;
        *)
            if [ -e "$reference/old/$output" ] && cmp -s "$output" "$reference/old/$output"; then
                [ "$1" = 1 ] || violated "exit 0 with the old $output"
            else
                case $kind in
                same) same "$output" || violated "$output is not whole" ;;
                *) [ "$(wc -l <"$output")" = "$(wc -l <"$reference/$output")" ] || violated "$output is not whole" ;;
                esac
            fi
            ;;
        esac
    done
    left=""
    for file in * .[!.]*; do
        case " out err w s.db s.db-wal s.db-shm s.db-journal $outputs " in
        *" $file "*) continue ;;
        esac
        [ ! -e "$file" ] || left="$left $file"
    done
    case $call in
    unlink* | rmdir) ;; # what was to be removed stays
    *) [ -z "$left" ] || violated "left $left" ;;
    esac
    [ "$kind" != study ] || resume_study
}

one() { # case call error nth
    name=$1 call=$2 error=$3 nth=$4
    verdict=ok
    reference=$top/reference/$name
    read -r kind outputs command <"$reference/row"
    IFS=,
    # shellcheck disable=SC2086 # words
    set -- $outputs
    unset IFS
    outputs=$*
    [ "$outputs" != - ] || outputs=""
    # shellcheck disable=SC2086 # words
    set -- $command
    folder=$top/runs/$name-$call-$error-$nth
    mkdir "$folder" && cd "$folder" || exit 2
    # The shared inputs are one folder up.
    [ ! -e "$reference/replaces" ] || cp "$reference"/old/* .
    code=0
    timeout -k 5 $limit_s strace -f --seccomp-bpf -qq -o /dev/null -e trace="$call" -e inject="$call:error=$error:when=$nth" \
        "$CARNOT" "$@" >out 2>err </dev/null || code=$?
    judge $code
    [ $verdict = bad ] || echo "ok $code"
    cd "$top" || exit 2
    rm -rf "$folder"
}

if [ "${1-}" = --one ]; then
    shift
    CARNOT=$INJECT_CARNOT top=$INJECT_TOP keep=${INJECT_KEEP-}
    one "$@"
    exit 0
fi

# ---- all of them --------------------------------------------------------------------------------------

[ -x "${1-}" ] || die "$usage"
CARNOT=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
CARNOT=$(readlink -f "$CARNOT")
shift
jobs=2 step="" keep=""
while getopts j:s:k: option; do
    case $option in
    j) jobs=$OPTARG ;;
    s) step=$OPTARG ;;
    k) mkdir -p "$OPTARG" && keep=$(cd "$OPTARG" && pwd) ;;
    *) die "$usage" ;;
    esac
done
shift $((OPTIND - 1))
command -v strace >/dev/null || { echo "SKIPPED: strace is missing (apt-get install strace)"; exit 77; }
self=$(readlink -f "$0")
root=$(cd "$(dirname "$self")/.." && pwd)
# shellcheck disable=SC2046 # words
[ $# -gt 0 ] || set -- $(printf '%s\n' "$cases" | awk 'NF { print $1 }')
for name; do
    [ "$(row_of "$name")" ] || die "no case is called '$name'; there are: $(printf '%s\n' "$cases" | awk 'NF { printf "%s ", $1 }')"
done

top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT
trap 'exit 130' INT TERM
# CARNOT_TIERS and the like would change what is tested; TMPDIR is looked at like any other folder.
unset CARNOT_MODEL CARNOT_ROOT CARNOT_TIERS
strace -qq -o /dev/null true 2>/dev/null || { echo "SKIPPED: strace may not trace here"; exit 77; }

inputs() {
    mkdir -p "$top/runs" "$top/reference" && cd "$top/runs" || exit 2
    fixtures=$root/tests/fixtures
    cp "$fixtures/bad/good.gguf" m.gguf
    cp "$fixtures/bad/good-f16.gguf" f16.gguf
    cp "$fixtures"/split/tiny-*.gguf .
    yes 'a b c, and d' | head -n 200 >text
    printf '%s\n' "a b c" 1 "b a" "c d" "d e" "a a" >tasks
    head -c 3400 m.gguf >blocks
    awk 'BEGIN {
        split("idle prefill decode idle", kind, " "); split("0 500 900 1600 2100", at, " ")
        for (i = 1; i <= 4; i++)
            printf "{\"phase\":\"%s\",\"index\":0,\"t0_ns\":%d000000,\"t1_ns\":%d000000,\"realtime_offset_ns\":1700000000000000000}\n",
                kind[i], 100 + at[i], 100 + at[i + 1] >"trace.jsonl"
        print "timestamp_ms,power_w" >"samples.csv"
        for (ms = 0; ms <= 2100; ms += 10)
            printf "%.0f,%s\n", 1700000100000 + ms - 3700 - 100000, ms < 500 ? 2 : ms < 900 ? 10 : 6 >"samples.csv"
    }'
    for f in a b; do
        awk -v shift="$f" 'BEGIN { print "model,test,tps"; for (i = 0; i < 12; i++) print "m,decode," 100 + i % 5 + (shift == "b") }' >$f.csv
    done
    cat >tiny.plan <<END
name tiny
seed 7
repetitions 2
warmup 0
file tiny A m.gguf
threads 1
ids p 5 9 3 7
output 3
context 32
traces keep
meter none
idle 0
limits none
checks off
END
    mkdir once && cd once || exit 2
    "$CARNOT" imatrix -m ../f16.gguf -f ../text -o ../m.imatrix -c 32 --chunks 2 -t 1 >/dev/null 2>&1 || die "no importance matrix"
    "$CARNOT" perplexity -m ../f16.gguf -f ../text -c 32 --chunks 2 --save-base ../m.base -t 1 >/dev/null 2>&1 || die "no base"
    "$CARNOT" run -m ../m.gguf -p abc -n 3 -c 32 --temp 0 --ignore-eos --meter none -t 1 --session ../s.session \
        >/dev/null 2>&1 || die "no session"
    for s in 1 2; do
        "$CARNOT" study run ../tiny.plan --db ../shard$s.db --shard $s/2 >/dev/null 2>&1 || die "no shard"
    done
    "$CARNOT" study run ../tiny.plan --db ../done.db >/dev/null 2>&1 || die "no study"
    cd .. && rm -rf once ./*.work
}

# A run without faults: what it gives, and its calls. Half of the outputs are there before.
refer() { # case
    name=$1
    # shellcheck disable=SC2046 # words
    set -- $(row_of "$name")
    kind=$3 outputs=$4
    shift 4
    reference=$top/reference/$name
    mkdir -p "$reference/old" "$top/runs/first" && cd "$top/runs/first" || exit 2
    case $kind in
    same)
        for output in $(printf '%s\n' "$outputs" | tr ',' ' '); do
            [ "$output" = - ] || echo "what was there before" >"$reference/old/$output"
            [ ! -e "$top/runs/$output" ] || cp "$top/runs/$output" "$reference/old/$output"
        done
        ;;
    esac
    [ "$(ls "$reference/old")" ] && touch "$reference/replaces"
    cp -r "$reference/old/." .
    strace -f -qq -o "$reference/calls" "$CARNOT" "$@" >out 2>err </dev/null || {
        cat err >&2
        die "$name fails by itself"
    }
    cp -r . "$reference/"
    echo "$kind $outputs $*" >"$reference/row"
    mkdir "$reference/plain"
    for file in *; do
        case $file in
        r.json) keys "$file" >"$reference/plain/$file" ;;
        *) [ -d "$file" ] || plain "$file" >"$reference/plain/$file" ;;
        esac
    done
    [ "$kind" != merge ] || "$CARNOT" study export all.db -o csv >"$reference/merged" || die "$name: no merged study"
    cd "$top" && rm -rf "$top/runs/first"
    awk '$2 ~ /^[a-z0-9_]+\(/ { call = $2; sub(/\(.*/, "", call); n = ++count[$1, call]; if (n > most[call]) most[call] = n }
        END { for (call in most) print call, most[call] }' "$reference/calls" >"$reference/counts"
    printf '%s\n' "$errors" | awk -v name="$name" -v counts="$reference/counts" '
        BEGIN { while ((getline line < counts) > 0) { split(line, f, " "); most[f[1]] = f[2] } }
        NF { for (e = 2; e <= NF; e++) for (n = 1; n <= most[$1]; n++) print name, $1, $e, n }'
}

inputs
for name; do
    own=$(row_of "$name" | awk '{ print $2 }')
    (refer "$name") >"$top/calls" || exit 2
    awk -v step="${step:-$own}" 'NR % step == 0 || step == 1' "$top/calls" >>"$top/list"
done
INJECT_CARNOT=$CARNOT INJECT_TOP=$top INJECT_KEEP=$keep
export INJECT_CARNOT INJECT_TOP INJECT_KEEP
nice -n 19 xargs -r -P "$jobs" -L 1 sh "$self" --one <"$top/list" >"$top/verdicts"
grep '^VIOLATION' "$top/verdicts"
for name; do
    awk -v name="$name" '$1 == name' "$top/list" | wc -l | xargs printf '%-10s %6d injections\n' "$name"
done
awk '$1 == "ok" { n[$2]++ } $1 == "before" { before++ }
    $1 == "VIOLATION" && !(($2, $3, $4, $5) in seen) { seen[$2, $3, $4, $5] = 1; bad++ }
    END { printf "%d injections: %d told in one line, %d without effect, %d before the program began, %d violations\n",
        n[0] + n[1] + before + bad, n[1], n[0], before, bad; exit bad > 0 }' "$top/verdicts"
