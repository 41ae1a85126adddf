#!/bin/sh
# carnot attribute: samples in the forms in which instruments and programs write them, with their joules.
set -u
. tests/expect.sh
has_command attribute || exit 77
TZ=UTC export TZ

# Idle 20 J, prefill 48 J, decode 90 J, idle 20 J.
awk -v dir="$scratch" 'BEGIN {
    split("idle prefill decode idle", kind)
    split("0 5 9 19 24", at)
    for (i = 1; i <= 4; i++)
        printf "{\"phase\":\"%s\",\"index\":0,\"t0_ns\":%d000000000,\"t1_ns\":%d000000000,\"realtime_offset_ns\":1764000000000000000}\n",
            kind[i], 1000 + at[i], 1000 + at[i + 1] >(dir "/trace")
}'
# form NAME HEADER FORMAT: a line each 0.1 s from 999 to 1025 s; in FORMAT E is the time since 1970, T the
# monotonic one, R the one since the begin, D a date, W, M, U the power in W, mW, uW; A, I, N the amperes of 4 V as
# uA; C, K, Q the joules so far, as Wh, as kWh; L those of the line.
form() {
    awk -v head="$2" -v form="$3" 'BEGIN {
        if (head != "") print head
        for (i = 0; i < 260; i++) {
            t = 999 + i / 10
            w = t >= 1005 && t < 1009 ? 12 : t >= 1009 && t < 1019 ? 9 : 4
            line = form
            gsub(/<E>/, sprintf("1764%06d.%d", int(t), i % 10), line)
            gsub(/<T>/, sprintf("%.1f", t), line)
            gsub(/<R>/, sprintf("%.1f", i / 10), line)
            second = 39 + int(i / 10)
            gsub(/<D>/, sprintf("16:%02d:%02d", 16 + int(second / 60), second % 60), line)
            gsub(/<F>/, i % 10, line)
            gsub(/<W>/, w, line); gsub(/<M>/, w * 1000, line); gsub(/<U>/, w * 1000000, line)
            gsub(/<A>/, w / 4, line); gsub(/<I>/, w * 250, line); gsub(/<N>/, w * 250000, line)
            gsub(/<C>/, sprintf("%.6f", joules), line); gsub(/<K>/, sprintf("%.9f", joules / 3600), line)
            gsub(/<Q>/, sprintf("%.12f", joules / 3600000), line)
            gsub(/<L>/, sprintf("%.3f", w / 10), line)
            gsub(/<B>/, "\n", line)
            print line
            joules += w / 10
        }
    }' >"$scratch/$1"
}
# joules NAME [OPTION...]: what it gives.
wanted="prefill=48 decode=90"
joules() {
    name=$1
    shift
    expect 0 "$CARNOT" attribute --trace "$scratch/trace" --samples "$scratch/$name" "$@"
    for want in $wanted; do
        got=$(sed -n "s/.*\"phase\": \"${want%=*}\".*\"joules\": \([0-9.]*\),.*\"status\": \"measured\".*/\1/p" "$scratch/out")
        awk -v a="$got" -v b="${want#*=}" 'BEGIN { exit !(a > 0.97 * b && a < 1.03 * b) }' ||
            fail "$name: ${want%=*} of ${want#*=} J expected, '$got' found"
    done
}
told() { # NAME, words, options: one line that holds the words
    name=$1 words=$2
    shift 2
    expect 1 "$CARNOT" attribute --trace "$scratch/trace" --samples "$scratch/$name" "$@"
    one_line_err
    err_has "$words"
}

form joulescope '#time(s),current(A),voltage(V),power(W)' '<T>,<A>,4,<W>' && joules joulescope
form monsoon 'Time (s),Main Avg Current (mA),Main Avg Voltage (V),Main Avg Power (mW)' '<T>,<I>,4,<M>' && joules monsoon
form otii 'Timestamp,Main current (A),Main voltage (V),Main power (W)' '<R>,<A>,4,<W>' && joules otii --offset-ms 999000
told otii "which counts from their begin"
form ppk2 'Timestamp(ms),Current(uA),D0-D7' '<R>00,<N>,0'
sed -i '2,$s/^\([0-9]*\)[.]\([0-9]\)00,/\1\200,/' "$scratch/ppk2"
joules ppk2 --volts 4 --offset-ms 999000
told ppk2 "--volts V" --offset-ms 999000
form energibridge 'Delta,Time,DRAM_ENERGY (J),PACKAGE_ENERGY (J),USED_MEMORY' '100,<E>,0,<C>,1'
joules energibridge --column "energy=PACKAGE_ENERGY (J)"
joules energibridge --column energy=PACKAGE_ENERGY
told energibridge "DRAM_ENERGY (J), PACKAGE_ENERGY (J); --column energy=NAME"
form codecarbon 'timestamp,run_id,emissions,cpu_power,ram_power,energy_consumed' '2025-11-24T<D>.<F>Z,x,0.1,1,1,<Q>'
joules codecarbon
form ina 'time,Bus Voltage (V),Shunt Voltage (mV),Current (mA),Power (mW)' '<T>,4,1,<I>,<M>' && joules ina
form turbostat 'Time_Of_Day_Seconds	PkgWatt	CorWatt' '<E>	<W>	1' && joules turbostat
form tegrastats '' '11-24-2025 <D> RAM 2462/7620MB (lfb 8x4MB) CPU [0%@1510] VDD_IN <M>mW/4940mW VDD_SOC 600mW/600mW'
wanted=decode=90 joules tegrastats # its dates are of whole seconds
wanted="prefill=48 decode=90"
form powermetrics '' '*** Sampled system activity (Mon Nov 24 <D> 2025 +0000) (100.00ms elapsed) ***<B>CPU Power: 1000 mW<B>Combined Power (CPU + GPU + ANE): <M> mW'
joules powermetrics
form perf '# started on Mon' '     <R>00,<L>,Joules,power/energy-pkg/,100,100.00,,' && joules perf --offset-ms 999000
form dumpsys '' '<E>00<B>Current Battery Service state:<B>  AC powered: false<B>  status: 3<B>  current now: -<I><B>  voltage: 4000'
joules dumpsys
form termux '' '{"timestamp": <E>, "plugged": "UNPLUGGED", "status": "DISCHARGING", "current": -<N>, "voltage": 4000}' && joules termux
form plug 'timestamp,power,energy' '<E>,<W>,<K>' && joules plug
err_has "energy as Wh agrees"
form iso 'timestamp,power_w' '2025-11-24T<D>.<F>+00:00,<W>' && joules iso
printf '\377\376t\000' >"$scratch/utf16"
told utf16 "UTF-16"
form three '' '<E>,4,<A>'
told three "3 columns without a header"
form milli 'timestamp,power' '<E>,<M>'
told milli "power has no unit"
form channels 'timestamp,channel,power_w' '<E>,cpu,<W><B><E>,gpu,50'
told channels "told apart by column \"channel\""

# A gauge that is new every 20 s, in rows of 0.5 s, has measured none of these phases.
awk 'BEGIN { print "timestamp,power_w"
    for (i = 0; i < 240; i++) printf "%.1f,%.3f\n", 1764000940 + i / 2, 4 + int(i / 40) % 3 / 10 }' >"$scratch/stale"
expect 0 "$CARNOT" attribute --trace "$scratch/trace" --samples "$scratch/stale"
grep -q '"measured"' "$scratch/out" && fail "a gauge of 20 s was taken for a measurement"
out_has "measure 200 s"

# The clock was stepped by 5 s before the decode phase: each phase is joined by its own offset.
sed '3,$s/"realtime_offset_ns":1764000000/"realtime_offset_ns":1764000005/' "$scratch/trace" >"$scratch/stepped"
form step 'timestamp,power_w' '<E>,<W>'
awk -F, -v OFS=, 'NR > 1 && $1 >= 1764001009 { $1 = sprintf("%.1f", $1 + 5) } { print }' "$scratch/step" >"$scratch/step2"
mv "$scratch/stepped" "$scratch/trace"
joules step2
exit 0
