#!/bin/sh
# carnot study: a study from plan to export; killed at random moments; in shards; wrong use.
set -u
. tests/expect.sh
has_command study || exit 77
unset CARNOT_TIERS
"$CARNOT" study status "$scratch/none.db" 2>&1 | grep -q "without" && { echo "SKIPPED: built without SQLite"; exit 77; }
model=$PWD/tests/fixtures/arch/llama-f32.gguf

# A plan of tiny runs: 2 files x 2 thread counts x 3 blocks.
plan=$scratch/tiny.plan
cat >"$plan" <<END
name tiny
seed 7
repetitions 3
warmup 0
file tiny A "$model"
file tiny B $model   # the same file under another name
threads 1 2
ids p 5 9 3 7
output 4
meter none
idle 0
limits none
checks off
END

# rows DB: what does not depend on time.
rows() {
    "$CARNOT" study export "$1" -o jsonl >"$scratch/rows.jsonl" || return 1
    sed -E 's/.*"run": ([0-9]+), "block": ([0-9]+), "position": ([0-9]+), "cell": ([0-9]+), "status": "([a-z]+)".*"model": ("[^"]*"), "quant": ("[^"]*").*"sha256": ("[^"]*").*"threads": ([0-9]+).*"input_tokens": ([0-9]+), "output_tokens": ([0-9]+).*"response_ids": ("[^"]*").*/\1 \2 \3 \4 \5 \6 \7 \8 \9/; ' "$scratch/rows.jsonl"
    sed -E 's/.*("run": [0-9]+),.*("input_tokens": [0-9]+, "output_tokens": [0-9]+).*("response": .*)/\1 \2 \3/' "$scratch/rows.jsonl"
}

cd "$scratch" || exit 1
expect 0 "$CARNOT" study run "$plan" --db whole.db
out_has "| tiny  | A     |"
rows whole.db >whole.rows
[ "$(grep -c ' done ' whole.rows)" = 12 ] || fail "12 runs done expected"
[ "$(cut -d' ' -f2,4 whole.rows | head -n 12 | sort -u | wc -l)" = 12 ] || fail "a cell twice in a block"
[ "$(head -n 12 whole.rows | cut -d' ' -f4 | tr '\n' ' ')" != "1 2 3 4 1 2 3 4 1 2 3 4 " ] || fail "not in random order"
# Nothing is left to do.
expect 0 "$CARNOT" study run --db whole.db
rows whole.db | cmp -s - whole.rows || fail "a second call changed something"

# Killed at 20 random moments while it has work, it goes on each time; no run is lost or done twice.
# A machine may be quick or slow: a study that is finished before its death is followed by another.
moment() { # seed: seconds
    awk -v seed="$1" 'BEGIN { srand(seed); printf "%.3f", rand() * 0.4 }'
}
unfinished() { # DB
    [ ! -e "$1" ] || "$CARNOT" study export "$1" --table runs -o csv | grep -qE '^[0-9]+,[0-9]+,[0-9]+,[0-9]+,(pending|running),'
}
sound() { # DB
    command -v sqlite3 >/dev/null || return 0
    expect 0 sqlite3 "$1" "PRAGMA integrity_check; PRAGMA foreign_key_check"
    [ "$(cat "$scratch/out")" = ok ] || fail "$1 is damaged"
}
kills=0 round=1 calls=0
while [ $kills -lt 20 ] && [ $calls -lt 200 ]; do
    calls=$((calls + 1))
    "$CARNOT" study run "$plan" --db killed$round.db --work work >/dev/null 2>&1 &
    pid=$!
    sleep "$(moment $$$calls)"
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
    if unfinished killed$round.db; then
        kills=$((kills + 1))
        [ ! -e killed$round.db ] || sound killed$round.db
    else
        round=$((round + 1))
    fi
done
[ $kills = 20 ] || fail "killed only $kills times in $calls calls"
echo "killed $kills times, in $round studies"
for db in killed*.db; do
    expect 0 "$CARNOT" study run "$plan" --db "$db" --work work
    rows "$db" >killed.rows
    cmp -s killed.rows whole.rows || fail "$db differs: $(diff killed.rows whole.rows | head -n 4)"
    sound "$db"
done
ls killed*.db-* killed*.db.new 2>/dev/null && fail "files are left over"

# Shards, each on its own as a scheduler would start them, make the same table when they are merged.
seq 1 4 >shards
if command -v parallel >/dev/null; then
    expect 0 parallel --will-cite -j 2 "$CARNOT" study run "$plan" --db shard{}.db --work work --shard {}/4 :::: shards
else
    while read -r i; do
        expect 0 "$CARNOT" study run "$plan" --db "shard$i.db" --work work --shard "$i/4"
    done <shards
fi
expect 0 "$CARNOT" study merge all.db shard1.db shard2.db shard3.db shard4.db
rows all.db >all.rows
cmp -s all.rows whole.rows || fail "merged shards differ: $(diff all.rows whole.rows | head -n 4)"
sound all.db
for table in study files prompts tokens cells; do # all but the times
    "$CARNOT" study export whole.db --table $table -o jsonl | sed 's/"created_s": [0-9.]*//' >whole.$table
    "$CARNOT" study export all.db --table $table -o jsonl | sed 's/"created_s": [0-9.]*//' >all.$table
    cmp -s whole.$table all.$table || fail "table $table differs in the merged shards"
done
# The order does not matter; what was done twice is refused.
expect 0 "$CARNOT" study merge other.db shard3.db shard1.db shard4.db shard2.db
rows other.db | cmp -s - whole.rows || fail "merging in another order differs"
expect 1 "$CARNOT" study merge twice.db whole.db shard1.db
one_line_err
err_has "done in two"
[ ! -e twice.db ] && [ ! -e twice.db.new ] || fail "a failed merge left a file"
expect 1 "$CARNOT" study merge all.db shard1.db
err_has "exists already"
# A shard stays what it is; a database stays of its plan.
expect 1 "$CARNOT" study run "$plan" --db shard1.db --shard 2/4
err_has "shard 1/4"
sed 's/seed 7/seed 8/' "$plan" >seed.plan
expect 1 "$CARNOT" study run seed.plan --db whole.db
err_has "differ from line 2"
expect 0 "$CARNOT" study run seed.plan --db seed.db --work work
rows seed.db | cmp -s - whole.rows && fail "another seed gives the same order"
expect 1 "$CARNOT" study merge seeds.db seed.db whole.db
err_has "another plan"

# A run that dies fails alone and says why; what a plan cannot have is skipped and says why. The last
# line counts them, now and when nothing is left to do.
echo "no model" >none.gguf
grep -v '^file tiny B' "$plan" >bad.plan
cat >>bad.plan <<END
file tiny B none.gguf
tiers all ref
context 8
input all 6
END
expect 1 "$CARNOT" study run bad.plan --db bad.db
err_has "none.gguf"
out_has "| tiny  | A     |"
err_has "12 of 48 runs failed and 24 were skipped; "
expect 1 "$CARNOT" study run bad.plan --db bad.db --shard 1/1
err_has "12 of 48 runs failed and 24 were skipped; 'carnot study export' has the reasons, --retry-failed tries once more"
"$CARNOT" study export bad.db -o csv >bad.csv
[ "$(grep -c ',skipped,.*no model file' bad.csv)" = 24 ] || fail "24 runs skipped expected"
[ "$(grep -c ',failed,.*context' bad.csv)" = 12 ] || fail "12 runs failed expected"
[ "$(grep -c ',done,' bad.csv)" = 12 ] || fail "12 runs done expected"

# More threads than there are CPUs: these are skipped, and the limits are of what there is. Divergence on
# a text that is given tells the perplexity there as well.
cat >wide.plan <<END
name wide
repetitions 1
model tiny "$model"
quant F32 Q8_0
threads 1 1000
ids p 5 9 3 7
output 4
meter none
idle 0
limits 0.01
checks off
quality divergence text.txt ctx 16 chunks 2
END
yes "a b c" | head -n 400 >text.txt
expect 1 "$CARNOT" study run wide.plan --db wide.db --work work
err_has "0 of 4 runs failed and 2 were skipped; 'carnot study export' has the reasons"
"$CARNOT" study export wide.db -o csv >wide.csv
[ "$(grep -c ',skipped,.*CPUs' wide.csv)" = 2 ] || fail "2 runs skipped expected"
[ "$(grep -c ',done,' wide.csv)" = 2 ] || fail "2 runs done expected"
"$CARNOT" study export wide.db --table limits -o csv >limits.csv
grep -q '^1,1,' limits.csv || fail "no limits of 1 thread"
grep -q '^1,1000,' limits.csv && fail "limits of 1000 threads"
"$CARNOT" study export wide.db --table quality -o jsonl >quality.jsonl
[ "$(grep -c '"text": "[^"]*text.txt", .*"status": "done".*"ppl": [0-9].*"kld_mean": -\{0,1\}[0-9]' quality.jsonl)" = 2 ] || fail "perplexity and divergence expected"

# Energy of a tree that stands still: unresolved, and never 0.
zone=root/sys/class/powercap/intel-rapl:0
mkdir -p $zone
echo package-0 >$zone/name
echo 1000 >$zone/energy_uj
echo 262143328850 >$zone/max_energy_range_uj
sed -e 's/meter none/meter powercap/' -e 's/repetitions 3/repetitions 1/' "$plan" >metered.plan
expect 0 "$CARNOT" study run metered.plan --db metered.db --root "$PWD/root"
expect 0 "$CARNOT" study export metered.db --table phases -o jsonl
out_has '"boundary": "package"'
out_has '"joules": null'
out_has '"status": "unresolved"'
grep -q '"joules": 0[,}]' "$scratch/out" && fail "an unknown energy is 0"

# Ctrl-C ends the run under way and the study; both can be had again.
interrupted() {
    env --default-signal=INT "$CARNOT" study run long.plan --db long.db --work work &
    pid=$!
    tries=0
    while ! "$CARNOT" study export long.db --table runs -o csv 2>/dev/null | grep -q ',done,' && [ $tries -lt 300 ]; do
        tries=$((tries + 1))
        sleep 0.05
    done
    kill -INT $pid
    wait $pid
}
sed -e 's/repetitions 3/repetitions 500/' "$plan" >long.plan
expect 1 interrupted
err_has "interrupted; 'carnot study run --db long.db' goes on"
"$CARNOT" study export long.db --table runs -o csv >long.csv
grep -qE ',(running|failed),' long.csv && fail "an interrupted run is running or failed"
grep -q ',pending,' long.csv || fail "nothing is left to do"

# What spoils a measurement is said, or refused; --force goes on. Here stands for the machine a tree.
mkdir -p tree/sys/class/power_supply/BAT0 tree/sys/class/power_supply/AC tree/sys/class/thermal/thermal_zone0 tree/proc
echo Battery >tree/sys/class/power_supply/BAT0/type
echo 80 >tree/sys/class/power_supply/BAT0/capacity
echo Mains >tree/sys/class/power_supply/AC/type
echo 1 >tree/sys/class/power_supply/AC/online
echo x86_pkg_temp >tree/sys/class/thermal/thermal_zone0/type
echo 55000 >tree/sys/class/thermal/thermal_zone0/temp
echo "3.20 1.00 0.50 1/100 4242" >tree/proc/loadavg
sed -e 's/repetitions 3/repetitions 1/' -e 's/checks off/checks warn/' -e '/^meter/d' -e 's/^threads.*/threads 1/' "$plan" >checked.plan
echo "cooldown below 40 limit 1" >>checked.plan
(cat checked.plan; echo "meter battery") >battery.plan
# A meter that the plan names and the machine lacks ends the study before it begins; where none is
# named, a warning says that joules will be missing.
expect 1 "$CARNOT" study run battery.plan --db battery.db --root "$PWD/tree"
one_line_err
err_has "local: the plan's meter battery cannot be read there: "
[ ! -e battery.db ] && [ ! -e battery.db.work ] || fail "a refused study left something behind"
echo 1000000 >tree/sys/class/power_supply/BAT0/current_now
echo 4000000 >tree/sys/class/power_supply/BAT0/voltage_now
expect 1 "$CARNOT" study run battery.plan --db battery.db --root "$PWD/tree"
one_line_err
err_has "a charger is plugged in"
err_has "--force"
# The gate: too hot until the limit, then cool at once.
expect 0 "$CARNOT" study run battery.plan --db battery.db --root "$PWD/tree" --force
err_has "the charger is plugged in"
err_has "(forced)"
err_has "the load is 3.2"
"$CARNOT" study export battery.db --table runs -o jsonl >runs.jsonl
[ "$(grep -c '"cooldown_status": "limit"' runs.jsonl)" = 2 ] || fail "two cool-downs to the limit expected"
out_has "tiny"
echo 30000 >tree/sys/class/thermal/thermal_zone0/temp
expect 0 "$CARNOT" study run checked.plan --db cool.db --root "$PWD/tree"
err_has "local: no energy meter was found, so the runs will have no joules: "
err_has "the load is 3.2"
# A file whose types are not what the plan calls them.
sed -e 's/^file tiny B/file tiny Q4_K_M/' -e 's/repetitions 3/repetitions 1/' "$plan" >named.plan
expect 0 "$CARNOT" study run named.plan --db named.db
err_has "tiny Q4_K_M: the plan calls it Q4_K_M, it calls itself F32; 100% of its weights are F32"
"$CARNOT" study export named.db --table files -o jsonl | grep -q '"quant": "Q4_K_M".*"reason": "the plan calls it Q4_K_M' ||
    fail "the database does not say what the file is"
[ "$(grep -c . "$scratch/err")" = 1 ] || fail "one line expected: A is no file type and promises nothing"
"$CARNOT" study export cool.db --table runs -o jsonl >runs.jsonl
[ "$(grep -c '"cooldown_status": "cool"' runs.jsonl)" = 2 ] || fail "two cool-downs that were cool expected"
grep -q '"celsius_before": 30' runs.jsonl || fail "the temperature is not in the record"
grep -q '"charger": 1' runs.jsonl || fail "the charger is not in the record"
sed 's/checks warn/checks refuse/' checked.plan >strict.plan
expect 1 "$CARNOT" study run strict.plan --db strict.db --root "$PWD/tree"
err_has "the load is 3.2: other programs run; end them (refused)"

# Every format; each line of jsonl is an object.
for format in md csv json jsonl sql; do
    expect 0 "$CARNOT" study export whole.db -o $format
    out_has "response"
done
expect 2 "$CARNOT" study export whole.db --table nonsense
one_line_err
expect 1 "$CARNOT" study status none.db
one_line_err
err_has "none.db"
expect 1 "$CARNOT" study status "$plan"
one_line_err

# Wrong plans: one line that names file, line and what was expected.
wrong() { # plan text, message
    printf '%s\n' "$1" >wrong.plan
    expect 1 "$CARNOT" study run wrong.plan --db wrong.db
    one_line_err
    err_has "$2"
    [ ! -e wrong.db ] || fail "a wrong plan made a database"
    [ ! -e wrong.db.work ] || fail "a wrong plan made a folder"
}
wrong "colour red" "wrong.plan:1: unknown key 'colour'"
wrong "seed x" "a number from 0"
wrong "seed 1
seed 2" "wrong.plan:2: seed: there is such a line already"
wrong "repetitions 0" "a number from 1 to 10000 expected, '0' found"
wrong "model m" "too little"
wrong "model ../m x.gguf" "letters, digits"
wrong "model m \${NO_SUCH_VARIABLE}/x.gguf" "NO_SUCH_VARIABLE is not set"
wrong "kv f64" "f32, f16 or q8_0"
wrong "tiers sse9" "sse9"
wrong "threads 1 1" "twice"
wrong "file \"m A x.gguf" "closing quote"
wrong "prompt p @none.txt" "none.txt"
wrong "cooldown 30" "time S"
wrong "quality magic" "divergence"
wrong "quant Q4_K_M Q99" "wrong.plan:1: quant: a file type like Q4_K_M or IQ4_XS expected, 'Q99' found"
wrong "meter powercap,bogus" "wrong.plan:1: meter: no meter \"bogus\"; there are powercap, "
wrong "prompt p a
file m A nowhere.gguf" "wrong.plan:2: file: "
err_has "/nowhere.gguf: No such file"
wrong "prompt p a
quant Q8_0
model m $model imatrix nowhere.imatrix" "wrong.plan:3: model: "
wrong "prompt p a
file m A $model
quality perplexity nowhere.txt" "wrong.plan:3: quality: "
echo "no database" >refused.db
expect 1 "$CARNOT" study run "$plan" --db refused.db
one_line_err
[ ! -e refused.db.work ] || fail "a refused database made a folder"
expect 1 "$CARNOT" study run seed.plan --db whole.db --work refused.work
err_has "differ from line 2"
[ ! -e refused.work ] || fail "another plan made a folder"
wrong "ids p 1 -2" "'-2' found"
wrong "" "a line 'model' or 'file' expected"
wrong "file m A x.gguf" "'prompt' or 'ids' expected"
wrong "model m x.gguf
prompt p a" "'quant' expected"
expect 1 "$CARNOT" study run none.plan --db wrong.db
one_line_err
expect 1 "$CARNOT" study run --db wrong.db
err_has "name a plan"
expect 2 "$CARNOT" study run "$plan" --shard 5/4
expect 2 "$CARNOT" study run "$plan" --shard 1/4x
expect 2 "$CARNOT" study frobnicate
one_line_err
expect 2 "$CARNOT" study merge one.db
expect 2 "$CARNOT" study status --db ""
err_has "--db"
expect 1 "$CARNOT" study run "$plan" --db wrong.db --target moon:1
err_has "moon:1"

# The plan for a first try, on the model that comes along, up to the page.
root=$(dirname "$(dirname "$(dirname "$model")")")/..
expect 0 "$CARNOT" study run "$root/bench/plans/smoke.plan"
expect 0 "$CARNOT" study status -o jsonl
[ "$(grep -c '"runs": 5, "done": 5' "$scratch/out")" = 4 ] || fail "4 files x 5 runs expected"
[ "$(grep -c '"quality": 1' "$scratch/out")" = 4 ] || fail "the quality of 4 files expected"
expect 0 "$CARNOT" study export --table quality -o csv
grep -qE '^1,divergence,"",done,' "$scratch/out" || fail "no divergence"
expect 0 "$CARNOT" study export -o csv
out_has "Q4_K_M"
out_has "IQ4_XS"
# All got the same prompt.
[ "$("$CARNOT" study export -o jsonl | grep -o '"input_tokens": [0-9]*' | sort -u | wc -l)" = 1 ] || fail "different prompts"
if has_command report; then
    expect 0 "$CARNOT" report
    [ -s report.html ] || fail "no report"
fi
