#!/bin/sh
# carnot meters and carnot attribute: what a machine without, with and with unreadable meters says.
set -u

. tests/expect.sh

root=$scratch/root
mkdir "$root"
expect 0 "$CARNOT" meters --root "$root" -o jsonl
for key in name boundary unit period_ms status reason remedy; do
    out_has "\"$key\":"
done
out_has '"status": "unsupported"'
[ "$(wc -l <"$scratch/out")" -ge 3 ] || fail "expected a line for each meter"
expect 0 "$CARNOT" meters --root "$root"
out_has "remedy:"

zone=$root/sys/class/powercap/intel-rapl:0
mkdir -p "$zone"
echo package-0 >"$zone/name"
echo 1000 >"$zone/energy_uj"
echo 262143328850 >"$zone/max_energy_range_uj"
expect 0 env CARNOT_ROOT="$root" "$CARNOT" meters -o csv
out_has "powercap:package,package,uJ,1,measured,ok"
chmod 0 "$zone/energy_uj"
expect 0 "$CARNOT" meters --root="$root" -o jsonl
out_has "permission denied"
out_has "run as root"
chip=$root/sys/class/hwmon/hwmon5
mkdir -p "$chip"
echo ina3221 >"$chip/name"
echo VDD_IN >"$chip/in1_label"
echo 5000 >"$chip/in1_input"
echo 1000 >"$chip/curr1_input"
expect 0 "$CARNOT" meters --root "$root" -o csv
out_has "hwmon:ina3221:VDD_IN,board,uW,100,measured,ok"
out_has "model,machine (modelled),uJ,0.1,modelled,unsupported"
# A gauge that shows one value all through has measured nothing, and says how long it would take.
expect 0 "$CARNOT" bench -p 8 -n 8 -r 1 -t 1 --root "$root" --meter hwmon
out_has "J/token unresolved in 2 rows: too few new values of the gauge: it refreshes every "
# What other commands would watch: by name, or the best there is.
expect 0 "$CARNOT" meters --root "$root" --meter hwmon,battery -o csv
[ "$(wc -l <"$scratch/out")" = 3 ] || fail "two meters and a header expected"
out_has "hwmon:ina3221:VDD_IN,board,uW,100,measured,ok"
out_has "battery"
expect 0 "$CARNOT" meters --root "$root" --meter auto -o csv
[ "$(wc -l <"$scratch/out")" = 2 ] || fail "one meter and a header expected"
expect 1 "$CARNOT" meters --root "$root" --meter bogus
one_line_err
err_has 'no meter "bogus"'
expect 2 "$CARNOT" meters --root
expect 2 "$CARNOT" meters somewhere

cat >"$scratch/trace" <<END
{"phase":"prefill","index":0,"t0_ns":1000000000,"t1_ns":2000000000}
{"phase":"decode","index":0,"t0_ns":2000000000,"t1_ns":2010000000}
END
{
    echo t_ms,power_mw
    ms=800
    while [ $ms -le 2500 ]; do
        echo "$ms,$((12000 + ms / 20 % 2 * 2 - 1))" # of mW: one value all through is no measurement
        ms=$((ms + 20))
    done
} >"$scratch/samples"
expect 0 "$CARNOT" attribute --trace "$scratch/trace" --samples "$scratch/samples"
for key in phase index t0_ns t1_ns joules joules_net uncertainty updates status; do
    out_has "\"$key\":"
done
grep -Eq '"joules": (12|12[.]000[0-9]*|11[.]999[0-9]*),' "$scratch/out" || fail "12 J expected"
out_has '"status": "measured"'
out_has '"status": "unresolved"'
out_has '"joules": null'
expect 0 "$CARNOT" attribute --trace "$scratch/trace" --samples "$scratch/samples" --offset-ms 5 -o md
expect 1 "$CARNOT" attribute --trace "$scratch/trace" --samples "$scratch/samples" --offset-ms 1e8
err_has "no sample falls into the trace"
expect 1 "$CARNOT" attribute --trace "$scratch/absent" --samples "$scratch/samples"
err_has "No such file"
no_out
expect 2 "$CARNOT" attribute --trace "$scratch/trace"
err_has "--samples"

# A modelled joule says so wherever it is shown, and a command is ended with the run.
expect 0 "$CARNOT" run -p "One day" -n 4 --temp 0 --meter model:4,18 --trace "$scratch/modelled"
err_has "J/token modelled"
err_has "[model:4,18: machine (modelled)]"
grep -q '"status":"modelled","reason":null,"meter":"model:4,18","boundary":"machine (modelled)"' "$scratch/modelled" ||
    fail "the trace does not say that it is modelled"
expect 0 "$CARNOT" run -p "One day" -n 4 --temp 0 --meter "exec:echo \$\$ >$scratch/pid; while :; do echo 5 W; sleep 0.01; done"
err_has ": command]"
kill -0 "$(cat "$scratch/pid")" 2>/dev/null && fail "the command still runs"
# Beside a meter that is polled: the sampler has nothing to read of a command.
expect 0 "$CARNOT" run -p "One day" -n 4 --temp 0 --idle 0.3 --meter "exec:while :; do echo 5 W; sleep 0.01; done,model:4,18"
expect 0 "$CARNOT" run -p "One day" -n 4 --temp 0 --meter "exec:echo nothing"
err_has "no energy: the command ended (exit 0) without a reading; it said \"nothing\""
expect 2 "$CARNOT" run -p "One day" -n 4 --meter crystal-ball
err_has "no meter \"crystal-ball\""
# What is said to be usable here steps: some hypervisors show a counter and pass nothing on.
expect 0 "$CARNOT" meters -o csv
for name in $(sed -n 's/^\(perf:[a-z]*\),.*,ok,.*/\1/p' "$scratch/out"); do
    expect 0 "$CARNOT" bench -p 512 -n 0 -r 1 --meter "$name"
    grep -q "did not move" "$scratch/out" "$scratch/err" && fail "$name is no meter"
done
