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
expect 2 "$CARNOT" meters --root
expect 2 "$CARNOT" meters somewhere

cat >"$scratch/trace" <<END
{"phase":"prefill","index":0,"t0_ns":1000000000,"t1_ns":2000000000}
{"phase":"decode","index":0,"t0_ns":2000000000,"t1_ns":2010000000}
END
{
    echo t_ms,power_w
    ms=800
    while [ $ms -le 2500 ]; do
        echo $ms,12
        ms=$((ms + 20))
    done
} >"$scratch/samples"
expect 0 "$CARNOT" attribute --trace "$scratch/trace" --samples "$scratch/samples"
for key in phase index t0_ns t1_ns joules joules_net uncertainty updates status; do
    out_has "\"$key\":"
done
out_has '"joules": 12'
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
