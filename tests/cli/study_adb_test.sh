#!/bin/sh
# carnot study on adb:SERIAL: the real adb client, and devices that speak the protocol of adb's daemon
# (tests/cli/adb_device.c) and run the program for arm64 under qemu.
set -u
. tests/expect.sh
has_command study || exit 77
"$CARNOT" study status "$scratch/none.db" 2>&1 | grep -q "without" && { echo "SKIPPED: built without SQLite"; exit 77; }
command -v adb >/dev/null || { echo "SKIPPED: no adb (apt-get install adb)"; exit 77; }
device=$(dirname "$CARNOT")/tests/cli/adb_device
preload=$(dirname "$CARNOT")/tests/cli/arm64_exec.so
[ -x "$device" ] || fail "the test device is not built (make tests)"
device=$(readlink -f "$device") preload=$(readlink -f "$preload")
model=$PWD/tests/fixtures/arch/llama-f32.gguf prose=$PWD/models/prose-8m-f16.gguf

commit() { "$@" --version 2>/dev/null | sed -n 's/^commit *//p'; }
arm64=$PWD/build/aarch64-linux-gnu/carnot
if [ -x "$arm64" ] && [ -x /usr/bin/qemu-aarch64 ] && [ "$(commit qemu-aarch64 "$arm64")" = "$(commit "$CARNOT")" ]; then
    binary=$arm64 machine=aarch64 step_ms=1
else
    echo "SKIPPED: the program for arm64: it or qemu is not there, or it is of another commit; the devices run this machine's"
    binary=$(readlink -f "$CARNOT") machine=$(uname -m) step_ms=0.02
fi

cd "$scratch" || exit 1
export HOME="$scratch" TMPDIR="$scratch" ANDROID_ADB_SERVER_PORT=$((20000 + $$ % 20000))
unset ADB_SERVER_SOCKET ANDROID_SERIAL CARNOT_ADB CARNOT_TARGET_WAIT_S
export CARNOT_ADB_FOLDER=data/local/tmp # below the folder that stands for the device
pids=""
end() {
    for pid in $pids; do kill "$pid" && wait "$pid"; done 2>/dev/null
    adb kill-server >/dev/null 2>&1
    rm -rf "$scratch"
}
trap end EXIT
trap 'exit 130' INT TERM
until adb start-server >/dev/null 2>&1; do
    ANDROID_ADB_SERVER_PORT=$((ANDROID_ADB_SERVER_PORT + 7))
    [ $ANDROID_ADB_SERVER_PORT -lt 60000 ] || fail "adb's server does not start"
done

# plug NAME SPACE [unauthorized]: a device; $pid is its process, $serial how adb calls it.
plug() {
    mkdir -p "$1/bin"
    [ "$machine" != aarch64 ] || cp "$preload" "$1/bin/sh-preload.so"
    printf '#!/bin/sh\necho Test %s\n' "$1" >"$1/bin/getprop"
    # shellcheck disable=SC2016
    printf '#!/bin/sh\n[ $1 = -m ] && echo %s || echo Linux 6.1.0-test %s\n' "$machine" "$machine" >"$1/bin/uname"
    chmod +x "$1/bin/getprop" "$1/bin/uname"
    "$device" "$scratch/$1" "$2" "$1.port" ${3:+"$3"} &
    pid=$!
    pids="$pids $pid"
    until_true "[ -s $1.port ]"
    serial=127.0.0.1:$(cat "$1.port")
}
until_true() { # a condition, for a minute; machines may be slow
    tries=0
    until eval "$1"; do
        tries=$((tries + 1))
        [ $tries -lt 3000 ] || fail "waited in vain until $1"
        sleep 0.02
    done
}

plan() { # repetitions, idle seconds, more lines
    cat <<END
name tiny
seed 5
repetitions $1
warmup 0
file tiny A $model
threads 1 2
ids p 5 9 3 7
output 4
idle $2
limits none
$3
END
}
study() { # exit code, database, options
    expected=$1 db=$2
    shift 2
    expect "$expected" "$CARNOT" study run tiny.plan --db "$db" --device-binary "$binary" "$@"
}
all_done() { # DB N: so many runs, each begun once
    "$CARNOT" study export "$1" --table runs -o jsonl >runs.jsonl
    [ "$(grep -c '"status": "done".*"attempts": 1,' runs.jsonl)" = "$2" ] || fail "$2 runs done at once expected: $(cut -c1-120 runs.jsonl)"
    [ "$(wc -l <runs.jsonl)" = "$2" ] || fail "$2 runs expected"
}

# ---- from plan to table -----------------------------------------------------------------------------
plug one 100000000
one=$pid one_serial=$serial
tree=one/tree
mkdir -p $tree/sys/class/powercap/intel-rapl:0 $tree/sys/class/thermal/thermal_zone0
echo package-0 >$tree/sys/class/powercap/intel-rapl:0/name
echo 1000 >$tree/sys/class/powercap/intel-rapl:0/energy_uj
echo 262143328850 >$tree/sys/class/powercap/intel-rapl:0/max_energy_range_uj
echo cpu-0-0 >$tree/sys/class/thermal/thermal_zone0/type
echo 41000 >$tree/sys/class/thermal/thermal_zone0/temp
plan 2 0 "meter powercap
traces keep
cooldown below 42 limit 5
checks warn" >tiny.plan
study 0 first.db --target "adb:$serial" --root "$scratch/$tree"
err_has "copying $binary"
err_has "copying $model"
all_done first.db 4
"$CARNOT" study export first.db -o jsonl >rows
grep -c '"device": "Test one".*"output_tokens": 4,.*"meter": "powercap:package", "boundary": "package", "energy_status": "unresolved".*"joules": null.*"celsius_before": 41,.*"cooldown_status": "cool"' rows | grep -qx 4 ||
    fail "device, meter, temperature expected: $(cat rows)"
ls one/data/local/tmp/carnot-jobs-*/*run-* 2>/dev/null && fail "a job was left on the device"
"$CARNOT" study export first.db --table traces -o jsonl | grep -c 'decode' | grep -qx 4 || fail "4 traces expected"
"$CARNOT" study export first.db --table devices -o jsonl | grep -q "\"kernel\": \"Linux 6.1.0-test $machine\"" || fail "the device's kernel expected"
[ "$machine" != aarch64 ] || grep -q '"tiers": "ref,neon' rows || fail "the program for arm64 did not run"
# Kernels are run there as well as models, on the cores that the plan names.
cat >kernels.plan <<END
name kernels
repetitions 2
warmup 0
kernels q4_0 q8_0
tiers ref
shape 16x64
cores 0
job gemv gemm
tokens 1 2
meter none
limits none
checks off
END
expect 0 "$CARNOT" study run kernels.plan --db kernels.db --device-binary "$binary" --target "adb:$serial" --root "$scratch/$tree"
all_done kernels.db 4
grep -c 'kernels --bench --format q[48]_0 --shape 16x64 -t 1 --tier ref --cores 0 --job gemv,gemm --tokens 1,2 --meter none' runs.jsonl |
    grep -qx 4 || fail "the command: $(cat runs.jsonl)"
"$CARNOT" study export kernels.db --table kernel_results -o jsonl >kernels.rows
[ "$(wc -l <kernels.rows)" = 16 ] || fail "2 formats, 2 jobs, 2 of the tokens, 2 blocks: $(cat kernels.rows)"
grep -c '"device": "Test one".*"cores": "0".*"format": "q4_0", "tier": "ref", "job": "gemm", "rows": 16, "cols": 64, "tokens": 2, "threads": 1, "cache": "memory", "gbps": [0-9]' kernels.rows |
    grep -qx 2 || fail "gemm of q4_0 in two blocks: $(cat kernels.rows)"
# A meter that the device lacks, though this machine may have it, ends the study before a run.
plan 2 0 "meter hwmon" >lacking.plan
expect 1 "$CARNOT" study run lacking.plan --db lacking.db --device-binary "$binary" --target "adb:$serial" --root "$scratch/$tree"
err_has "adb:$serial: the plan's meter hwmon cannot be read there: "
"$CARNOT" study export lacking.db -o jsonl | grep -c '"status": "pending"' | grep -qx 4 || fail "a run was begun"

# Joules from what another meter recorded: 2 W all the time, samples dense enough for the shortest run.
"$CARNOT" study export first.db --table runs -o csv | awk -F, -v step=$step_ms '
NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
{ a = $at["started_s"]; b = $at["ended_s"]; if (!lo || a < lo) lo = a; if (b > hi) hi = b }
END { print "time_ms,power_w"; for (t = lo * 1000 - 500; t < hi * 1000 + 500; t += step) printf "%.2f,%s\n", t, n++ % 2 ? 1.99999 : 2.00001 }' >samples.csv
expect 0 "$CARNOT" study import-samples samples.csv --db first.db --target "adb:$serial"
"$CARNOT" study export first.db -o jsonl >rows
grep -cE '"energy_status": "measured".*"watts": (2|2[.]0000|1[.]9999)' rows | grep -qx 4 || fail "4 runs of 2 W expected: $(cat rows)"
expect 1 "$CARNOT" study import-samples samples.csv --db first.db --offset-ms 1e9
one_line_err
err_has "no sample falls into the trace"
expect 1 "$CARNOT" study import-samples "$model" --db first.db
one_line_err
expect 1 "$CARNOT" study import-samples samples.csv --db first.db --target local
err_has "no finished run of local has a trace"
"$CARNOT" study export first.db -o jsonl | cmp -s - rows || fail "samples of another time changed something"

# ---- what can go wrong at the start -------------------------------------------------------------------
plan 2 0 "meter none
checks off" >tiny.plan
study 1 second.db --target adb:R5CXNONE
one_line_err
err_has "adb:R5CXNONE: no such device is connected (adb devices shows $one_serial)"
CARNOT_ADB=./none study 1 second.db --target "adb:$one_serial"
one_line_err
err_has "there is no program ./none"
study 1 second.db --target adb:
one_line_err
err_has "a serial expected"
expect 1 "$CARNOT" study run tiny.plan --db second.db --target "adb:$one_serial" --device-binary "$model"
err_has "does not run there"
plug shy 0 unauthorized
study 1 second.db --target "adb:$serial"
one_line_err
err_has "has not allowed this computer"
# It goes on with the right one, to which nothing has to be copied again.
study 0 second.db --target "adb:$one_serial"
grep -q copying "$scratch/err" && fail "copied once more"
all_done second.db 4

# ---- no space left ------------------------------------------------------------------------------------
plug two 100000
study 1 third.db --target "adb:$serial"
err_has "adb:$serial: no space left there for $(basename "$binary")"
find two -name '*.part' | grep -q . && fail "half a file was left on the device"
kill $pid
wait $pid 2>/dev/null
plug two 100000000
study 0 third.db --target "adb:$serial"
all_done third.db 4

# ---- the cable ------------------------------------------------------------------------------------------
# Pulled while a run is under way, which goes on and ends; plugged in again, it is collected.
plan 2 0.5 "meter none
checks off" >tiny.plan
"$CARNOT" study run tiny.plan --db fourth.db --device-binary "$binary" --target "adb:$one_serial" >fourth.out 2>fourth.err &
study=$!
until_true "ls one/data/local/tmp/carnot-jobs-*/*run-[34]/pid >/dev/null 2>&1"
kill -USR1 "$one"
until_true "ls one/data/local/tmp/carnot-jobs-*/*run-[34]/exit >/dev/null 2>&1"
until_true "grep -q 'the connection is lost' fourth.err"
kill -USR2 "$one"
wait $study || fail "the study did not survive: $(cat fourth.err)"
grep -q "the connection is back" fourth.err || fail "nothing said about the connection: $(cat fourth.err)"
all_done fourth.db 4
# Not plugged in again in time: it ends, and goes on later.
CARNOT_TARGET_WAIT_S=0 "$CARNOT" study run tiny.plan --db fifth.db --device-binary "$binary" --target "adb:$one_serial" >fifth.out 2>fifth.err &
study=$!
until_true "ls one/data/local/tmp/carnot-jobs-*/*run-[34]/pid >/dev/null 2>&1"
kill -USR1 "$one"
ran="study with the cable pulled" code=0
wait $study || code=$?
[ $code = 1 ] || fail "exit 1 expected: $(cat fifth.err)"
tail -n 1 fifth.err | grep -q "adb:$one_serial: .*; 'carnot study run' goes on where it stopped" || fail "a clear message expected: $(cat fifth.err)"
kill -USR2 "$one"
study 0 fifth.db --target "adb:$one_serial"
"$CARNOT" study export fifth.db --table runs -o jsonl | grep -c '"status": "done"' | grep -qx 4 || fail "4 runs done expected"

# ---- two devices, blocks spread over them --------------------------------------------------------------
plan 5 0.1 "meter none
checks off" >tiny.plan
study 0 both.db --target "adb:$one_serial" --target "adb:$serial"
all_done both.db 10
"$CARNOT" study export both.db -o csv >both.csv
awk -F, -v one="adb:$one_serial" -v two="adb:$serial" '
NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
{ target = $at["target"]; block = $at["block"]; n[target]++
  if (block in of && of[block] != target) { print "block " block " ran on two devices"; bad = 1 }
  of[block] = target }
END { if (!n[one] || !n[two] || n[one] + n[two] != 10) { print "runs: " n[one] + 0 " and " n[two] + 0; bad = 1 }
      exit bad }' both.csv >spread || fail "$(cat spread)"
# One of the two is not there: the other works on, and what is left is done when both are.
plan 2 0 "meter none
checks off" >tiny.plan
study 1 half.db --target "adb:$one_serial" --target adb:R5CXNONE
err_has "adb:R5CXNONE: no such device"
err_has "1 of 2 targets failed"
all_done half.db 4

# ---- a phone that refuses sysfs to the shell, and answers dumpsys battery -------------------------------
# 450 to 550 mA and back in 6 s, at 4 V; what a run truly took is the integral of that over its phases.
tree=one/phone
mkdir -p $tree/sys/class/power_supply/battery $tree/system/bin
echo Battery >$tree/sys/class/power_supply/battery/type
echo System >$tree/sys/class/power_supply/battery/scope
for file in current_now voltage_now status; do
    echo 1 >$tree/sys/class/power_supply/battery/$file
    chmod 0 $tree/sys/class/power_supply/battery/$file
done
cat >$tree/system/bin/dumpsys <<'END'
#!/bin/sh
[ "$1" = battery ] || exit 1
x=$(($(date +%s%N) / 1000000 % 6000))
[ $x -le 3000 ] || x=$((6000 - x))
cat <<SAID
Current Battery Service state:
  AC powered: false
  USB powered: false
  Wireless powered: false
  status: 3
  voltage: 4000
  temperature: 251
  current now: -$((450 + x / 30))
SAID
END
chmod +x $tree/system/bin/dumpsys
# Ten seconds of tokens, as fast as this machine makes them: long enough for a gauge of half a second.
run_binary() { if [ "$machine" = aarch64 ] && [ "$(uname -m)" != aarch64 ]; then qemu-aarch64 "$binary" "$@"; else "$binary" "$@"; fi; }
begun=$(date +%s%N)
CARNOT_TIERS=ref run_binary run -m "$prose" --tokens 5,9,3,7 -n 20 -t 1 --ignore-eos >/dev/null 2>&1 || fail "a run of 20 tokens"
tokens=$((20 * 10000000000 / ($(date +%s%N) - begun)))
cat >tiny.plan <<END
name phone
seed 5
repetitions 2
warmup 0
file prose F16 $prose
threads 1
tiers ref
ids p 5 9 3 7
output $tokens
idle 0
limits none
traces keep
checks off
END
plug slow 1000000000
study 0 phone.db --target "adb:$serial" --root "$scratch/$tree"
"$CARNOT" study export phone.db -o jsonl >phone.rows
grep -c '"meter": "dumpsys", "boundary": "battery", "energy_status": "measured"' phone.rows | grep -qx 2 ||
    fail "2 runs measured by dumpsys, unasked, expected: $(cat phone.rows)"
"$CARNOT" study export phone.db --table traces -o jsonl >phone.traces
awk 'FNR == NR {
    n++
    gsub(/\\"/, "\"")
    from = 0
    for (s = $0; match(s, /"t0_ns":[0-9]+,"t1_ns":[0-9]+/); s = substr(s, RSTART + RLENGTH)) {
        split(substr(s, RSTART, RLENGTH), part, /[:,]/)
        from = from ? from : part[2]
        to = part[4]
    }
    match($0, /"realtime_offset_ns":[0-9]+/)
    offset = substr($0, RSTART + 21, RLENGTH - 21)
    for (t = from; t < to; t += 1e6) {
        x = (t + offset) / 1e6 % 6000
        truth[n] += 4e-6 * (450 + int((x > 3000 ? 6000 - x : x) / 30))
    }
    next
}
{
    match($0, /"joules": [0-9.]+/); joules = substr($0, RSTART + 10, RLENGTH - 10)
    match($0, /"joules_uncertainty": [0-9.]+/); within = substr($0, RSTART + 22, RLENGTH - 22)
    k++
    off = joules - truth[k]
    print joules " J +- " within ", truth " truth[k]
    bad += off * off > (1.3 * within) ^ 2 && off * off > (0.03 * truth[k]) ^ 2
}
END { exit bad || k != 2 }' phone.traces phone.rows >joules || fail "joules within their interval expected: $(cat joules)"
cat joules
