#!/bin/sh
# Frequency, governor and power limit of a run: set, put back, and put back by the next start after a
# program that was killed.
set -u
. tests/expect.sh
has_command run || exit 77
unset CARNOT_TIERS CARNOT_ROOT
root=$scratch/root
cpus=$root/sys/devices/system/cpu
zone=$root/sys/class/powercap/intel-rapl:0
n=$(getconf _NPROCESSORS_CONF)
i=0
while [ $i -lt "$n" ]; do
    mkdir -p "$cpus/cpu$i/cpufreq"
    echo 3600000 >"$cpus/cpu$i/cpufreq/scaling_max_freq"
    echo performance >"$cpus/cpu$i/cpufreq/scaling_governor"
    i=$((i + 1))
done
mkdir -p "$zone"
echo package-0 >"$zone/name"
echo short_term >"$zone/constraint_0_name"
echo 44000000 >"$zone/constraint_0_power_limit_uw"
echo long_term >"$zone/constraint_1_name"
echo 28000000 >"$zone/constraint_1_power_limit_uw"
# The cores that a run may use.
first=$(taskset -pc $$ 2>/dev/null | sed 's/.*: //; s/[,-].*//')
first=${first:-0}
frequency=$cpus/cpu$first/cpufreq/scaling_max_freq
governor=$cpus/cpu$first/cpufreq/scaling_governor
limit=$zone/constraint_1_power_limit_uw

is() { # file, value
    [ "$(cat "$1")" = "$2" ] || fail "$1: '$2' expected, '$(cat "$1")' found"
}
as_before() {
    is "$frequency" 3600000
    is "$governor" performance
    is "$limit" 28000000
    is "$zone/constraint_0_power_limit_uw" 44000000
    [ ! -e "$root/run/carnot-settings" ] || fail "the journal is still there"
}
tell() { # waits for a run that has begun to generate
    tries=0
    until [ -s "$scratch/text" ]; do
        tries=$((tries + 1))
        [ $tries -lt 600 ] || fail "the run does not begin"
        sleep 0.05
    done
}
start() { # a long run in the background
    : >"$scratch/text"
    "$CARNOT" run -p x -n -1 -c 4096 --ignore-eos -t 1 --root "$root" --meter none --frequency 1200 \
        --governor powersave --power-limit 15 >"$scratch/text" 2>"$scratch/err" &
    pid=$!
    tell
    is "$frequency" 1200000
    is "$governor" powersave
    is "$limit" 15000000
}

# While it runs, and after it was told to end.
start
expect 1 "$CARNOT" run -p x -n 1 --root "$root" --meter none --frequency 900
err_has "another program has settings in force"
expect 0 "$CARNOT" run -p x -n 1 -t 1 --root "$root" --meter none # asks for none
is "$frequency" 1200000
kill -TERM $pid
wait $pid 2>/dev/null
as_before

# Killed: the next start puts them back, whatever it does.
start
kill -KILL $pid
wait $pid 2>/dev/null
is "$frequency" 1200000
[ -s "$root/run/carnot-settings" ] || fail "no journal"
expect 0 "$CARNOT" run -p x -n 1 -t 1 --root "$root" --meter none
err_has "put back"
as_before

# Killed, and then somebody else set one of them: that one is theirs.
start
kill -KILL $pid
wait $pid 2>/dev/null
echo ondemand >"$governor"
expect 0 "$CARNOT" run -p x -n 1 -t 1 --root "$root" --meter none --frequency 1000
is "$governor" ondemand
is "$frequency" 3600000
echo performance >"$governor"
as_before

# What cannot be set is said in one line, and nothing has changed.
expect 1 "$CARNOT" run -p x -n 1 --root "$scratch" --meter none --frequency 1000
one_line_err
err_has "cpufreq: none"
expect 1 "$CARNOT" run -p x -n 1 --root "$scratch" --meter none --power-limit 10
one_line_err
err_has "no package"
expect 1 "$CARNOT" run -p x -n 1 --root "$root" --meter none --governor 'a b'
one_line_err
err_has "a word expected"
expect 2 "$CARNOT" run -p x -n 1 --frequency 0
mkdir -p "$root/run"
echo "sys/devices/system/cpu/../../../../etc/passwd	a	b" >"$root/run/carnot-settings"
expect 1 "$CARNOT" run -p x -n 1 -t 1 --root "$root" --meter none
one_line_err
err_has "damaged"
rm "$root/run/carnot-settings"
as_before

# A study's runs have them one by one, and nothing is left of them.
"$CARNOT" study status "$scratch/none.db" 2>&1 | grep -q "without" && exit 0
cat >"$scratch/frequency.plan" <<PLAN
name f
repetitions 2
warmup 0
model prose-8m default
quant Q4_0
threads 1
frequency none 1200
lookup none 3
prompt sea The old man looked at the
output 4
idle 0
limits none
cooldown none
PLAN
expect 0 "$CARNOT" study run "$scratch/frequency.plan" --db "$scratch/f.db" --work "$scratch/work" \
    --root "$root"
as_before
expect 0 "$CARNOT" study export --db "$scratch/f.db" -o csv
for lever in '"lookup 3, 1200 MHz"' 'lookup 3' '1200 MHz' '--frequency 1200' '--lookup 3'; do
    out_has "$lever"
done
[ "$(grep -c -- '--frequency 1200' "$scratch/out")" = 4 ] || fail "4 runs at 1200 MHz expected"
grep -q ',failed,' "$scratch/out" && fail "a run failed"
exit 0
