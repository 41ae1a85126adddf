#!/bin/sh
# carnot serve: the joules of answers are those of the machine, of one alone and of eight together.
set -u
. tests/expect.sh
. tests/serving.sh

model=models/prose-8m-f16.gguf
[ -f "$model" ] || { echo "SKIPPED: no $model"; exit 77; }
machine=$(dirname "$(readlink -f "$CARNOT")")/tests/simulated_machine
[ -x "$machine" ] || { echo "SKIPPED: no $machine"; exit 77; }
case $(make -s print-SAN) in
*thread* | *address*) echo "SKIPPED: a sanitizer's own work would be counted"; exit 77 ;;
esac
serving || exit 77

root=$scratch/root
mkdir "$root"
counter=$root/sys/class/powercap/intel-rapl:0/energy_uj
serve_under "$machine" "$root" 0.5 20 -- -m "$model" -t 1 --sleep --lanes 4 --root "$root"
sleep 0.6 # idle, for the baseline

# The sum of a key of usage over the files.
sum() {
    key=$1
    shift
    cat "$@" | grep -o "\"$key\": [-0-9.e]*" | awk '{ s += $2 } END { printf "%.6f", s }'
}
# near A B PERCENT
near() {
    awk -v a="$1" -v b="$2" -v p="$3" 'BEGIN { d = a / b - 1; exit !(d < p / 100 && d > -p / 100) }' ||
        fail "answers say $1 J, the machine $2 J"
}
joules() {
    awk '{ printf "%.6f", $1 / 1e6 }' "$counter"
}

# Long enough for the meter to say what a prompt cost, on a fast machine too.
prompt="The old man$(printf ' looked at the sea, and the sea looked at him%.0s' 1 2 3 4 5 6 7 8 9 10 11 12)"
ask="{\"prompt\": \"$prompt\", \"max_tokens\": 700, \"ignore_eos\": true, \"temperature\": 0}"
before=$(joules)
post 200 /v1/completions "$ask"
out_has '"meter": "powercap:package", "boundary": "package"'
out_has '"shared": false'
out_has '"status": "measured"'
machine_j=$(awk -v a="$(joules)" -v b="$before" 'BEGIN { print a - b }')
grep -q '"joules": null' "$scratch/out" && fail "a phase whose joules are not known"
# What is above rest, too: the machine rests at half a watt.
net=$(sum joules_net "$scratch/out") gross=$(sum joules "$scratch/out")
rest=$(awk -v s="$(sum seconds "$scratch/out")" 'BEGIN { print 0.5 * s }')
awk -v n="$net" -v g="$gross" -v r="$rest" 'BEGIN { d = g - r - n; exit !(d < 0.03 * g && d > -0.03 * g) }' ||
    fail "net $net J of $gross J, at rest it would have been $rest J"
echo "alone: answers $gross J, machine $machine_j J"
near "$gross" "$machine_j" 1

before=$(joules)
for i in 1 2 3 4 5 6 7 8; do
    curl -sS -m 60 -o "$scratch/out.$i" -d "{\"prompt\": \"$i. $prompt\", \"max_tokens\": $((20 + 10 * i)), \"ignore_eos\": true}" \
        "$url/v1/completions" &
    clients="${clients:-} $!"
done
# shellcheck disable=SC2086
wait $clients
machine_j=$(awk -v a="$(joules)" -v b="$before" 'BEGIN { print a - b }')
gross=$(sum joules "$scratch"/out.[1-8])
grep -q '"shared": true' "$scratch/out.8" || fail "not shared"
echo "together: answers $gross J, machine $machine_j J"
near "$gross" "$machine_j" 2

get 200 /metrics
out_has 'carnot_joules_total{phase="decode",boundary="package",meter="powercap:package"} '
# Every sample is of a family that was announced, help first; counters, and they alone, end with _total.
awk '/^# HELP / { help[$3] = NF > 3 }
    /^# TYPE / {
        type[$3] = $4
        if (!help[$3] || ($4 == "counter") != ($3 ~ /_total$/)) print "family", $3
    }
    /^[^#]/ {
        name = $1
        sub(/[{].*/, "", name)
        if (type[name] != "counter" && type[name] != "gauge") sub(/_(sum|count)$/, "", name)
        if (!type[name] || $NF !~ /^-?[0-9.e+-]+$/ || NF != 2) print "sample", $0
    }' "$scratch/out" >"$scratch/odd"
[ ! -s "$scratch/odd" ] || fail "metrics: $(cat "$scratch/odd")"
ends 0
