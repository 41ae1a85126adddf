#!/bin/sh
# carnot run: text and ids, limits, wrong flags, interruption, traces, meters, conversations.
set -u
. tests/expect.sh
has_command run || exit 77
unset CARNOT_TIERS
arch=tests/fixtures/arch
model=models/prose-8m-f16.gguf
prompt="The old man"

# The same seed gives the same text, whatever the number of threads; another one another.
expect 0 "$CARNOT" run -p "$prompt" -n 24 --seed 3 -t 1
cp "$scratch/out" "$scratch/one"
err_has "24 generated"
for part in "TTFT" "prefill" "decode" "tokens/s" "peak RSS"; do
    err_has "$part"
done
expect 0 "$CARNOT" run -m $model -p "$prompt" -n 24 --seed 3 -t 2 --sleep
cmp -s "$scratch/out" "$scratch/one" || fail "2 threads wrote another text"
expect 0 "$CARNOT" run -p "$prompt" -n 24 --seed 4 -t 1
! cmp -s "$scratch/out" "$scratch/one" || fail "another seed wrote the same text"
case $(cat "$scratch/one") in "$prompt"*) ;; *) fail "the text does not read on from the prompt" ;; esac

# Several samples at once are those of the next seeds alone; each stops where it would.
expect 0 "$CARNOT" run -p "$prompt" -n 12 --seed 5 --lanes 3 --ids -t 2
err_has "36 generated in 3 samples"
err_has "tokens/s of all"
cp "$scratch/out" "$scratch/three"
for seed in 5 6 7; do
    expect 0 "$CARNOT" run -p "$prompt" -n 12 --seed $seed --ids -t 2
    cat "$scratch/out" >>"$scratch/alone"
done
cmp -s "$scratch/three" "$scratch/alone" || fail "samples together are not those of one at a time"
expect 0 "$CARNOT" run -p "$prompt" -n 3 --seed 5 --lanes 2
[ "$(grep -c "^$prompt" "$scratch/out")" = 2 ] || fail "two texts expected, which read on from the prompt"
out_has "--- 1 of 2, seed 5"
out_has "--- 2 of 2, seed 6"
expect 0 "$CARNOT" run -p "$prompt" -n -1 --lanes 2 -c 8 --ignore-eos
err_has "context of 8 tokens is full"
expect 0 "$CARNOT" run -p "$prompt" -n 0 --lanes 2
expect 1 "$CARNOT" run -p "$prompt" --lanes 2 -c 2
err_has "context of 2 tokens is full"
expect 2 "$CARNOT" run -p "$prompt" --lanes 17
# Their record is of all: 3 x 5 tokens, of which each sample's last was not evaluated.
expect 0 "$CARNOT" run -p "$prompt" -n 5 --seed 5 --lanes 3 --ignore-eos --record "$scratch/lanes.json"
for fact in '"output_tokens": 15' '"decoded_tokens": 12' '"passes": 4'; do
    grep -q "$fact" "$scratch/lanes.json" || fail "no $fact in the record of lanes"
done
for other in --chat --print-prompt "--session $scratch/s" "--lookup 2"; do
    # shellcheck disable=SC2086
    case $other in
    --chat) expect 2 "$CARNOT" run --lanes 2 $other ;;
    *) expect 2 "$CARNOT" run -p a --lanes 2 $other ;;
    esac
    err_has "--lanes does not go with"
done

# A past that is filled in: 8 tokens at its beginning are evaluated, and 8 at its end, which are the prefill; a
# token behind it reads as many bytes of the cache as behind a real one. A shorter prompt is evaluated whole.
bytes_read() { # record: of the cache, for a token
    sed -n 's/.*"token_kv_bytes": \([0-9.]*\).*/\1/p' "$1"
}
ids=$(seq -s , 5 104)
expect 0 "$CARNOT" run --tokens "$ids" -n 4 --temp 0 --ignore-eos --meter none --record "$scratch/real.json"
expect 0 "$CARNOT" run --tokens "$ids" -n 4 --temp 0 --ignore-eos --meter none --fill 8 --record "$scratch/filled.json"
err_has "100 prompt tokens (92 of them filled in), 4 generated"
grep -q '"input_tokens": 8,' "$scratch/filled.json" || fail "what was filled in counts as prefill"
[ "$(bytes_read "$scratch/real.json")" ] || fail "no bytes of the cache in the record"
[ "$(bytes_read "$scratch/real.json")" = "$(bytes_read "$scratch/filled.json")" ] || fail "the past is not as deep"
expect 0 "$CARNOT" run --tokens "$ids" -n 4 --temp 0 --ignore-eos --meter none --fill 50 --record "$scratch/filled.json"
grep -q '"input_tokens": 100,' "$scratch/filled.json" || fail "a short prompt is not evaluated whole"
for other in --chat --print-prompt "--session $scratch/s" "--lookup 2" "--lanes 2"; do
    # shellcheck disable=SC2086
    case $other in
    --chat) expect 2 "$CARNOT" run --fill 8 $other ;;
    *) expect 2 "$CARNOT" run -p a --fill 8 $other ;;
    esac
    err_has "--fill does not go with ${other%% *}"
done

# The same prompt from a file and from stdin, and as ids.
printf %s "$prompt" >"$scratch/prompt"
expect 0 "$CARNOT" run -f "$scratch/prompt" -n 8 --temp 0 --ids
cp "$scratch/out" "$scratch/ids"
[ "$(wc -w <"$scratch/ids")" = 8 ] || fail "8 ids expected"
from_stdin() {
    "$CARNOT" run -f - -n 8 --temp 0 --ids <"$scratch/prompt"
}
expect 0 from_stdin
cmp -s "$scratch/out" "$scratch/ids" || fail "stdin differs from a file"
"$CARNOT" tokenize "$prompt" >"$scratch/tokens" || fail "tokenize"
expect 0 "$CARNOT" run --tokens "@$scratch/tokens" -n 8 --temp 0 --ids
cmp -s "$scratch/out" "$scratch/ids" || fail "--tokens @FILE differs from -p"
expect 0 "$CARNOT" run --tokens "$(tr ' ' , <"$scratch/tokens")" -n 8 --temp 0 --ids
cmp -s "$scratch/out" "$scratch/ids" || fail "--tokens 1,2,3 differs from -p"
# Batches and tiers do not change what is greedily chosen here.
expect 0 "$CARNOT" run --tokens "@$scratch/tokens" -n 8 --temp 0 --ids -b 1 --tiers ref --kv f32
cmp -s "$scratch/out" "$scratch/ids" || fail "reference kernels choose differently"

# Limits.
expect 0 "$CARNOT" run -p "$prompt" -n 0 --ids
[ -z "$(tr -d ' \n' <"$scratch/out")" ] || fail "-n 0 printed ids"
err_has "0 generated"
expect 0 "$CARNOT" run -p "$prompt" -n -1 -c 32 --ignore-eos --ids
err_has "the context of 32 tokens is full"
n=$(wc -w <"$scratch/tokens")
[ "$(wc -w <"$scratch/out")" = $((32 - n + 1)) ] || fail "not as many ids as the context takes"
expect 0 "$CARNOT" run -p "" -n 3 --ids
err_has "1 prompt tokens, 3 generated"
expect 0 "$CARNOT" run -n 3 --ids
expect 1 "$CARNOT" run -p "$prompt is far too long for this" -c 4
one_line_err
err_has "context 4"
no_out

# What is wrong is said in one line.
expect 2 "$CARNOT" run -p a -f "$scratch/prompt"
one_line_err
expect 2 "$CARNOT" run --chat -p a
one_line_err
expect 2 "$CARNOT" run --print-prompt --tokens 1
one_line_err
expect 2 "$CARNOT" run --no-generation-prompt -p a
one_line_err
expect 2 "$CARNOT" run -p a --kv f64
err_has "f32, f16 or q8_0"
expect 2 "$CARNOT" run -p a --precision double
expect 2 "$CARNOT" run -p a --top-p 1.5
err_has "--top-p"
expect 2 "$CARNOT" run -p a -t 0
expect 2 "$CARNOT" run -p a -n -2
expect 2 "$CARNOT" run -p a --temp nan
expect 2 "$CARNOT" run -p a --logit-bias 5
err_has "ID=BIAS"
expect 2 "$CARNOT" run -p a --logit-bias 5=x
expect 2 "$CARNOT" run -p a --nonsense
one_line_err
expect 1 "$CARNOT" run -p a --logit-bias 999999=1
err_has "999999"
expect 2 "$CARNOT" run -p a --meter nonsense
one_line_err
for ids in 1,x abc -1; do
    expect 2 "$CARNOT" run "--tokens=$ids" -n 1
    one_line_err
done
echo 1 x >"$scratch/wrong"
expect 1 "$CARNOT" run --tokens "@$scratch/wrong" -n 1
one_line_err
err_has "$scratch/wrong: token 2"
expect 2 "$CARNOT" run -p a --template chatml
err_has "--template goes with"
expect 2 "$CARNOT" run -p a --template nosuch
err_has "nosuch"
expect 2 "$CARNOT" run -p a --seed 9223372036854775808
err_has "from 0 to 9223372036854775807"
expect 0 "$CARNOT" run -p a -n 1 --seed 9223372036854775807
expect 1 "$CARNOT" run --tokens 99999999 -n 1
err_has "99999999"
expect 1 "$CARNOT" run --tokens "@$scratch/none" -n 1
one_line_err
# No ids at all, in the argument or in a file.
printf ' \n\t, ' >"$scratch/blanks"
: >"$scratch/empty"
for ids in "" "@$scratch/blanks" "@$scratch/empty"; do
    expect 1 "$CARNOT" run --tokens "$ids" -n 1
    one_line_err
    err_has "no token ids"
    no_out
done
expect 1 "$CARNOT" run -f "$scratch/none"
one_line_err
expect 1 "$CARNOT" run -m "$scratch/none.gguf" -p a
one_line_err
err_has "none.gguf"
expect 1 "$CARNOT" run -m $arch/llama-keylen.gguf --tokens 5 --kv q8_0
err_has "multiples of 32"

# A forbidden token does not come; the likeliest otherwise does.
first=$(cut -d' ' -f1 "$scratch/ids")
expect 0 "$CARNOT" run -p "$prompt" -n 1 --temp 0 --ids --logit-bias "$first=-inf"
[ "$(cut -d' ' -f1 "$scratch/out")" != "$first" ] || fail "a forbidden token was chosen"

# Ctrl-C in the middle: what there is, a summary, exit 1.
# Programs that a script starts with & ignore SIGINT unless told otherwise.
interrupted() {
    env --default-signal=INT "$CARNOT" run -p "$prompt" -n -1 --ignore-eos --ids -c 100000 --trace "$scratch/cut.jsonl" &
    pid=$!
    tries=0
    while [ "$(wc -c <"$scratch/out")" -lt 60 ] && [ $tries -lt 600 ]; do
        tries=$((tries + 1))
        sleep 0.05
    done
    kill -INT $pid
    wait $pid
}
expect 1 interrupted
err_has "interrupted"
err_has "generated |"
grep -q '"phase":"decode"' "$scratch/cut.jsonl" || fail "no trace of what was done"

# ... and while it waits for its prompt.
mkfifo "$scratch/typed"
waits() {
    env --default-signal=INT "$CARNOT" run -f - <"$scratch/typed" &
    pid=$!
    exec 9>"$scratch/typed" # opens once it reads
    sleep 0.5
    kill -INT $pid
    exec 9>&-
    wait $pid
}
expect 1 waits
one_line_err
err_has "interrupted"
! grep -q "system call" "$scratch/err" || fail "speaks of system calls"

# A reader that goes away ends it without a word; a full disk with one.
gone() {
    { code=0; "$CARNOT" run -p "$prompt" -n -1 --ignore-eos -c 2000 || code=$?; echo $code >"$scratch/code"; } | head -c 20 >/dev/null
    return "$(cat "$scratch/code")"
}
expect 1 gone
full() {
    "$CARNOT" run -p "$prompt" -n 100 >/dev/full
}
expect 1 full
err_has "cannot write the result"

# The trace: a line of JSON per phase, stamps in order.
expect 0 "$CARNOT" run -p "$prompt" -n 5 --temp 0 --ignore-eos --meter none --trace "$scratch/trace.jsonl"
err_has "prefill unsupported"
for phase in load prefill decode sample; do
    grep -q "\"phase\":\"$phase\"" "$scratch/trace.jsonl" || fail "no phase $phase in the trace"
done
[ "$(grep -c '"phase":"decode"' "$scratch/trace.jsonl")" = 4 ] || fail "4 decode phases expected"
[ "$(grep -vc '^{.*}$' "$scratch/trace.jsonl")" = 0 ] || fail "a line of the trace is no object"
if command -v python3 >/dev/null; then
    python3 - "$scratch/trace.jsonl" <<'END' || fail "the trace is not valid JSON lines"
import json, sys
last = 0
for line in open(sys.argv[1]):
    o = json.loads(line)
    assert last <= o["t0_ns"] <= o["t1_ns"], o
    last = o["t1_ns"]
    assert o["joules"] is None and o["status"] == "unsupported", o
END
fi
expect 1 "$CARNOT" run -p a -n 1 --trace "$scratch/no/such/folder"
err_has "no/such/folder"

# A record of the run in one row; idle phases for the baseline.
expect 0 "$CARNOT" run -p "$prompt" -n 5 --temp 0 --ignore-eos --meter none --idle 0.05 --record "$scratch/record.json" --trace "$scratch/trace.jsonl"
for key in '"output_tokens": 5' '"energy_status": "unsupported"' '"joules": null' '"response": "' '"peak_bytes": ' '"kernel": "Linux'; do
    grep -q "$key" "$scratch/record.json" || fail "the record lacks $key"
done
[ "$(grep -c '"phase":"idle"' "$scratch/trace.jsonl")" = 2 ] || fail "2 idle phases expected"
expect 0 "$CARNOT" run -p "$prompt" -n 5 --record "$scratch/record.csv"
[ "$(head -n 1 "$scratch/record.csv" | cut -d, -f1)" = architecture ] || fail "no csv"
expect 1 "$CARNOT" run -p "$prompt" -n 5 --record "$scratch/no/such/folder.json"
err_has "no/such/folder.json"
expect 2 "$CARNOT" run --chat --record "$scratch/record.json"
one_line_err

# A meter of a tree: its boundary is named; a counter that stands still resolves nothing.
zone=$scratch/root/sys/class/powercap/intel-rapl:0
mkdir -p "$zone"
echo package-0 >"$zone/name"
echo 1000 >"$zone/energy_uj"
echo 262143328850 >"$zone/max_energy_range_uj"
expect 0 "$CARNOT" run -p "$prompt" -n 5 --meter powercap --root "$scratch/root"
err_has "package"
err_has "unresolved"
expect 0 env CARNOT_ROOT="$scratch/root" "$CARNOT" run -p "$prompt" -n 5
err_has "unresolved"

# Conversations.
cat >"$scratch/messages.json" <<'END'
[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi <|im_end|>\n"}]
END
expect 0 "$CARNOT" run --messages "$scratch/messages.json" --template chatml --print-prompt
no_err
printf '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi <|im_end|>\n<|im_end|>\n<|im_start|>assistant\n' >"$scratch/expected"
cmp -s "$scratch/out" "$scratch/expected" || fail "not chatml"
expect 0 "$CARNOT" run --messages "$scratch/messages.json" --template chatml --print-prompt --no-generation-prompt
printf '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi <|im_end|>\n<|im_end|>\n' | cmp -s - "$scratch/out" ||
    fail "--no-generation-prompt"
expect 0 "$CARNOT" run --messages "$scratch/messages.json" --template chatml -n 3 --ids
err_has "3 generated"
expect 2 "$CARNOT" run --messages "$scratch/messages.json" --template nosuch
err_has "nosuch"
expect 1 "$CARNOT" run --messages "$scratch/messages.json"
err_has "template"
echo '[{"role": "user"}]' >"$scratch/messages.json"
expect 1 "$CARNOT" run --messages "$scratch/messages.json" --template chatml
one_line_err
err_has "messages.json"

# Every case of the shared data whose template is built in.
shared=${CARNOT_SHARED:-../shared}/fixtures/chat/cases.json
if [ -r "$shared" ] && command -v python3 >/dev/null; then
    ran="the chat cases"
    python3 - "$shared" "$CARNOT" "$scratch" >"$scratch/out" 2>"$scratch/err" <<'END' || fail "a conversation is rendered otherwise"
import json, subprocess, sys
data = json.load(open(sys.argv[1]))
n = 0
for case in data["cases"]:
    name = data["templates"][case["family"]]["builtin_name"]
    if not name:
        continue
    with open(sys.argv[3] + "/case.json", "w") as f:
        json.dump(case["messages"], f)
    args = [sys.argv[2], "run", "--messages", f.name, "--template", name, "--print-prompt"]
    if not case["add_generation_prompt"]:
        args.append("--no-generation-prompt")
    run = subprocess.run(args, capture_output=True)
    if run.returncode or run.stdout.decode() != case["expected"]:
        print(case["family"], case["case"], repr(case["expected"]), repr(run.stdout.decode()),
              run.stderr.decode())
        sys.exit(1)
    n += 1
assert n > 10, n
END
else
    echo "SKIPPED: no $shared, or no python3 to read it (CARNOT_SHARED names the folder of shared test data)"
fi
