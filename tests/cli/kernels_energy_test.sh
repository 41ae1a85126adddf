#!/bin/sh
# carnot kernels --meter: joules by weight from a simulated meter whose truth is known, and why there are none.
set -u
. tests/expect.sh
has_command kernels || { echo "SKIPPED: not built in"; exit 77; }
machine=$(dirname "$CARNOT")/tests/simulated_machine
[ -x "$machine" ] || { echo "SKIPPED: no simulated machine (make tests)"; exit 77; }

# A tree without meters.
mkdir "$scratch/none"
kernels="--bench --tier ref --job gemv --seconds 0.02"
# shellcheck disable=SC2086
expect 0 "$CARNOT" kernels --format q4_0 $kernels --meter auto --root "$scratch/none" -o jsonl
out_has '"pj_per_weight": null'
out_has '"energy_status": "unsupported"'
# shellcheck disable=SC2086
expect 2 "$CARNOT" kernels --format q4_0 $kernels --meter none-such
one_line_err

value() { # key
    sed -n "s/.*\"$1\": \\([0-9.e+-]*\\)[,}].*/\\1/p" "$scratch/out"
}
# 3 W at rest, and for each busy core 7 W, or 11 W where the other format is at work. What is measured net has to
# be the watts put in, for the time that the cores were busy; gross, rest on top for the time that passed.
for run in q4_0=7 q8_0=11; do
    format=${run%=*} watts=${run#*=}
    # shellcheck disable=SC2086
    expect 0 "$machine" "$scratch/$format" 3 7 q8_0=11 -- "$CARNOT" kernels --format "$format" $kernels \
        --meter powercap --root "$scratch/$format" -o jsonl
    out_has '"energy_status": "measured"'
    out_has '"boundary": "package"'
    awk -v w="$watts" -v net="$(value pj_per_weight_net)" -v gross="$(value pj_per_weight)" -v n="$(value energy_weights)" \
        -v cpu="$(value energy_cpu_s)" -v s="$(value energy_s)" 'BEGIN {
            true_net = 1e12 * w * cpu / n; true_gross = true_net + 1e12 * 3 * s / n
            printf "net %.1f pJ of %.1f, gross %.1f of %.1f\n", net, true_net, gross, true_gross
            exit !(n > 0 && net > 0.97 * true_net && net < 1.03 * true_net && gross > 0.97 * true_gross && gross < 1.03 * true_gross) }' ||
        fail "$format: joules are off by more than 3%"
done
