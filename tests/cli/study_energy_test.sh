#!/bin/sh
# carnot study on a machine with a meter (tests/simulated_machine.c): joules from a counter that moves
# while the runs read it, up to the page.
set -u
. tests/expect.sh
unset CARNOT_TIERS
needs_simulated_machine
model=$PWD/models/prose-8m-f16.gguf
cd "$scratch" || exit 1

"$CARNOT" quantize "$model" k.gguf Q4_K_S >/dev/null 2>&1 || fail "no Q4_K_S"
"$CARNOT" quantize "$model" iq.gguf IQ4_XS >/dev/null 2>&1 || fail "no IQ4_XS"
cat >energy.plan <<END
name energy
seed 11
repetitions 6
warmup 0
file prose Q4_K_S k.gguf
file prose IQ4_XS iq.gguf
threads 1
ids p 5 9 3 7
output 300
idle 0.1
limits none
checks off
END

# Busy or not it takes 7 W: then the joules of each run are 7 times its seconds, and net nothing is left.
expect 0 "$machine" rest 7 0 -- "$CARNOT" study run energy.plan --db rest.db --root rest
"$CARNOT" study export rest.db -o jsonl >rest.jsonl
# shellcheck disable=SC2016
value='function value(key) { return match($0, "\"" key "\": -?[0-9.e-]+") ? substr($0, RSTART + length(key) + 4, RLENGTH - length(key) - 4) + 0 : "none" }'
awk "$value"'
{ w = value("watts"); net = value("joules_net"); gross = value("joules"); n++
  print w " W, " net " J of " gross " J"
  good += w > 6.6 && w < 7.4 && net > -0.06 * gross && net < 0.06 * gross && /"energy_status": "measured"/ }
END { print good + 0 " of " n " runs of 7 W"; exit !(n == 12 && good >= 10) }' rest.jsonl >watts || fail "$(cat watts)"
tail -n 1 watts

# Nothing but work costs anything, with IQ three times as much: what the runs were told lies within what
# their processes took, which has the beginning and the end of a process besides.
expect 0 "$machine" busy 0 5 iq.gguf=15 -- "$CARNOT" study run energy.plan --db busy.db --root "$PWD/busy"
"$CARNOT" study export busy.db -o jsonl >busy.jsonl
awk -F, "$value"'
FNR == NR { if (/ run -m /) { iq = /iq[.]gguf/; cpu[iq] += $2; truth[iq] += $3 } next }
{ joules[/"quant": "IQ4_XS"/ ? 1 : 0] += value("joules") }
END {
    for (iq = 0; iq < 2; iq++) {
        printf "%s: %.3f J of %.3f J, %.3f s\n", iq ? "IQ4_XS" : "Q4_K_S", joules[iq], truth[iq], cpu[iq]
        w = truth[iq] / cpu[iq]
        bad += !(w > (iq ? 14 : 4.9) && w < (iq ? 15.1 : 5.1) && joules[iq] < 1.05 * truth[iq] && joules[iq] > 0.4 * truth[iq])
    }
    exit bad }' busy/truth.csv busy.jsonl >joules || fail "$(cat joules)"
cat joules

# The page takes them for what they are.
if has_command report; then
    expect 0 "$CARNOT" report busy.db -o page.html
    grep -q "In 12 of these runs the meters were read below a folder that stood for /" page.html || fail "nothing says whose joules these are"
    grep -q "Energy of a run (package by powercap:package, measured), " page.html || fail "no finding about joules"
    grep -q "prose: IQ4_XS needs [0-9.]* times the energy for a whole run of Q4_K_S (" page.html || fail "another finding about joules"
    grep -q "Energy is .unsupported" page.html && fail "the joules are not there"
fi
exit 0
