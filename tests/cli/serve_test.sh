#!/bin/sh
# carnot serve: every endpoint with curl, refusals, limits, clients that hang up, and how it ends.
set -u
. tests/expect.sh
. tests/serving.sh

model=models/prose-8m-f16.gguf
[ -f "$model" ] || { echo "SKIPPED: no $model"; exit 77; }
serving || exit 77
serve -m "$model" --template chatml --meter none -t 1 --sleep --lanes 2 --queue 2 --max-body 64

# ---- what there is ------------------------------------------------------------------------------
get 200 /health
out_has '"status": "ok"'
get 200 /v1/models
out_has '"id": "prose-8m-f16"'
out_has '"n_vocab": 8192'
get 200 /v1/models/prose-8m-f16
out_has '{"id": "prose-8m-f16", "object": "model"'
get 404 /v1/models/other
out_has 'model_not_found'
get 200 /
out_has '<!doctype html>'
get 200 /metrics
out_has 'carnot_answers_total{code="200"} '
out_has 'carnot_lanes{state="all"} 2'
get 200 /health -X GET -d '{}'
get 200 /health -I

# ---- completions: the words that run says -------------------------------------------------------
said=$("$CARNOT" run -m "$model" -p "The old man" -n 8 -t 1 --temp 0 --meter none 2>/dev/null)
post 200 /v1/completions '{"prompt": "The old man", "max_tokens": 8, "temperature": 0}'
text=$(value text)
[ "The old man$text" = "$said" ] || fail "run says '$said'"
out_has '"finish_reason": "length"'
out_has '"prompt_tokens": 4, "completion_tokens": 8'
out_has '"joules": null'
out_has '"status": "unsupported"'
ids=$("$CARNOT" tokenize -m "$model" "The old man" | tr ' ' ',')
post 200 /v1/completions "{\"model\": \"prose-8m-f16\", \"prompt\": [$ids], \"max_tokens\": 8, \"temperature\": 0, \"echo\": true}"
[ "$(value text)" = "$said" ] || fail "echo of ids: not '$said'"
out_has '"cached_tokens": 3'
post 200 /v1/completions '{"prompt": ["The old man", "She"], "max_tokens": 8, "temperature": 0, "n": 2}'
[ "$(grep -o '"index"' "$scratch/out" | wc -l)" = 4 ] || fail "not 2 answers to each of 2 prompts"
[ "$(value text)" = "$text" ] || fail "another answer beside others"
post 200 /v1/completions '{"prompt": "The old man", "max_tokens": 30, "seed": 7}'
cp "$scratch/out" "$scratch/seeded"
one=$(value text)
post 200 /v1/completions '{"prompt": "The old man", "max_tokens": 30, "seed": 7}'
[ "$(value text)" = "$one" ] || fail "one seed, two answers"
post 200 /v1/completions '{"prompt": "The old man", "max_tokens": 8, "temperature": 0, "stop": ["of about", "zzz"]}'
out_has '"text": " was a man ", '
out_has '"finish_reason": "stop"'
post 200 /v1/completions '{"prompt": "The old man sat", "max_tokens": 0, "echo": true, "logprobs": 1}'
out_has '"text": "The old man sat"'
out_has '"token_logprobs": [null, -'
out_has '"text_offset": [0, 0, 3, 7, 11]'
post 200 /v1/completions '{"prompt": "The old man", "max_tokens": 3, "temperature": 0, "stream": true, "stream_options": {"include_usage": true}}'
[ "$(sed -n 's/.*"text": "\([^"]*\)".*/\1/p' "$scratch/out" | tr -d '\n')" = " was a man" ] ||
    fail "the pieces do not make the answer"
out_has 'data: [DONE]'
out_has '"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 3'

# What is null is as if it were not there.
post 200 /v1/completions '{"prompt": "The old man", "max_tokens": 8, "temperature": 0, "model": null, "echo": null, "ignore_eos": null, "logprobs": null, "stop": null, "seed": null, "n": null, "suffix": null, "stream": null}'
[ "$(value text)" = "$text" ] || fail "another answer with fields that are null"

# ---- chats --------------------------------------------------------------------------------------
post 200 /v1/chat/completions '{"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 6, "temperature": 0}'
out_has '"object": "chat.completion"'
out_has '"role": "assistant", "content": "'
out_has '"cached_tokens": 0'
answer=$(value content)
# One turn more pays for what is new.
post 200 /v1/chat/completions "{\"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}, {\"role\": \"assistant\", \"content\": \"$answer\"}, {\"role\": \"user\", \"content\": \"And?\"}], \"max_tokens\": 6, \"temperature\": 0}"
cached=$(sed 's/.*"cached_tokens": \([0-9]*\).*/\1/' "$scratch/out")
[ "$cached" -gt 35 ] || fail "only $cached tokens of the conversation were kept"
post 200 /v1/chat/completions '{"messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}], "max_completion_tokens": 6, "temperature": 0, "stream": true, "logprobs": true, "top_logprobs": 2}'
out_has '"object": "chat.completion.chunk"'
out_has '"delta": {"role": "assistant", "content": "'
out_has '"top_logprobs": [{"token": '
out_has 'data: [DONE]'

# ---- refusals name what they are about ----------------------------------------------------------
refused() { # status, path, body, text
    post "$1" "$2" "$3"
    out_has '{"error": {"message": "'
    out_has "$4"
}
refused 400 /v1/completions '{"prompt": "a"' 'line 1'
refused 400 /v1/completions '[]' 'an object expected'
refused 400 /v1/completions '{}' '\"prompt\" is missing'
refused 400 /v1/completions '{"prompt": null}' '\"prompt\" is missing'
refused 400 /v1/completions '{"prompt": "a", "prompt": "b"}' '\"prompt\" is there twice'
refused 400 /v1/completions '{"prompt": [[]]}' 'a list of no token ids'
refused 400 /v1/completions '{"prompt": "a", "seed": 1.5}' 'seed: a whole number'
refused 400 /v1/completions '{"prompt": "a", "max_tokens": -1}' 'max_tokens: 0 to 2147483647 expected, -1 found'
refused 400 /v1/completions '{"prompt": "a", "max_tokens": 1.5}' 'a whole number'
refused 400 /v1/completions '{"prompt": "a", "promt": 1}' 'unknown field \"promt\"'
refused 400 /v1/completions '{"prompt": [8192]}' 'the model has 8192 tokens'
refused 400 /v1/completions '{"prompt": [1, "a"]}' 'token id 1'
refused 400 /v1/completions '{"prompt": "a", "suffix": "b"}' 'suffix is not supported'
refused 400 /v1/completions '{"prompt": "a", "n": 17}' '"param": "n"'
refused 404 /v1/completions '{"prompt": "a", "model": "other"}' 'model_not_found'
refused 400 /v1/chat/completions '{"messages": []}' 'an empty one'
refused 400 /v1/chat/completions '{"messages": [{"content": "x"}]}' 'message 1'
refused 400 /v1/chat/completions '{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}' 'image_url'
refused 400 /v1/chat/completions '{"messages": [{"role": "user", "content": "x"}], "response_format": {"type": "json_schema"}}' '"param": "response_format"'
refused 400 /v1/chat/completions '{"messages": [{"role": "user", "content": "x"}], "response_format": "json"}' 'an object with a \"type\" expected'
refused 400 /v1/chat/completions '{"messages": [{"role": "user", "content": "x"}], "tools": [{"type": "function", "function": {"name": "f"}}]}' 'tools'
refused 400 /v1/chat/completions '{"messages": [{"role": "user", "content": "x"}], "tools": [{"type": "function"}]}' 'a function with a'
refused 501 /v1/embeddings '{"input": "a"}' 'embeddings are not supported'
refused 400 /v1/completions "{\"prompt\": [$(yes 5 | head -n 2000 | tr '\n' ',')5]}" 'context_length_exceeded'
head -c 100000 /dev/zero | tr '\0' ' ' >"$scratch/large"
ran="a body of 100000 bytes"
curl -sS -m 20 -o "$scratch/out" -w '%{http_code}' --data-binary @"$scratch/large" "$url/v1/completions" >"$scratch/code" 2>/dev/null
[ "$(cat "$scratch/code")" = 413 ] || fail "413 expected, got $(cat "$scratch/code")"
curl -sS -m 20 -o "$scratch/out" -w '%{http_code}' -H 'Transfer-Encoding: chunked' --data-binary @"$scratch/large" "$url/v1/completions" >"$scratch/code" 2>/dev/null
[ "$(cat "$scratch/code")" = 413 ] || fail "413 expected of chunks, got $(cat "$scratch/code")"
get 404 /completions
out_has 'nothing is at /completions; there are /v1/completions, '
get 405 /v1/completions -D "$scratch/headers"
grep -q '^Allow: POST' "$scratch/headers" || fail "405 does not say what is allowed"
post 405 /health '{}' -D "$scratch/headers"
grep -q '^Allow: GET, HEAD' "$scratch/headers" || fail "405 does not say what is allowed"

# ---- pages from elsewhere -----------------------------------------------------------------------
get 403 /v1/models -H 'Host: evil.example'
get 400 /v1/models -H 'Host:'
get 403 /v1/models -H 'Origin: https://evil.example'
get 200 /v1/models -H "Origin: $url"
get 405 /v1/models -X OPTIONS -H "Origin: $url"
post 403 /v1/completions '{"prompt": "a"}' -H 'Origin: null'

# ---- clients that hang up leave their lanes; the queue has an end -----------------------------------
long='{"prompt": "The old man", "max_tokens": 1000, "ignore_eos": true, "stream": true}'
for i in 1 2 3 4; do
    curl -sS -N -o "$scratch/long.$i" -d "$long" "$url/v1/completions" 2>/dev/null &
    echo $! >>"$scratch/clients"
    sleep 0.1
done
post 429 /v1/completions '{"prompt": "a"}' -D "$scratch/headers"
grep -qi '^retry-after: ' "$scratch/headers" || fail "no Retry-After"
out_has 'queue_full'
# Those that wait in vain make room while others are still being answered.
kill "$(sed -n 3p "$scratch/clients")" "$(sed -n 4p "$scratch/clients")"
sleep 0.5
get 200 /metrics
out_has 'carnot_lanes{state="busy"} 2'
out_has 'carnot_waiting 0'
kill "$(sed -n 1p "$scratch/clients")" "$(sed -n 2p "$scratch/clients")"
post 200 /v1/completions '{"prompt": "The old man", "max_tokens": 8, "temperature": 0}'
[ "$(value text)" = "$text" ] || fail "another answer after others"
sleep 0.3
get 200 /metrics
out_has 'carnot_lanes{state="busy"} 0'
out_has 'carnot_waiting 0'

# ---- a slow reader holds nobody: its lane is free long before it has read all ------------------------
curl -sS -N --limit-rate 1k -o "$scratch/slow" -d '{"prompt": "The old man", "max_tokens": 300, "ignore_eos": true, "stream": true}' "$url/v1/completions" 2>/dev/null &
slow=$!
tries=0
sleep 0.5
until get 200 /metrics && grep -qF 'carnot_lanes{state="busy"} 0' "$scratch/out"; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || fail "the lane of a slow reader is busy"
    sleep 0.1
done
kill $slow 2>/dev/null || fail "the slow reader was too quick"

# ---- the end: what is under way is finished ---------------------------------------------------------
curl -sS -N -o "$scratch/last" -d '{"prompt": "The old man", "max_tokens": 60, "ignore_eos": true, "stream": true}' "$url/v1/completions" &
client=$!
sleep 0.2
ends 0
wait $client || fail "the last answer was cut off"
grep -q 'DONE' "$scratch/last" || fail "the last answer has no end"

# ---- who may ask --------------------------------------------------------------------------------
serve -m "$model" --meter none -t 1 --sleep --lanes 1 --ctx 512 --api-key secret --name carnot.example --cors https://chat.example --timeout 0.1 --id prose
get 401 /v1/models
get 401 /v1/models -H 'Authorization: Bearer secre'
post 401 /v1/completions '{"prompt": "a"}'
out_has '"code": "invalid_api_key"'
get 200 /v1/models -H 'Authorization: Bearer secret' -H 'Host: carnot.example:80'
out_has '"id": "prose"'
get 200 /health
get 204 /v1/models -X OPTIONS -H 'Origin: https://chat.example'
get 204 /v1/chat/completions -X OPTIONS -H 'Origin: https://chat.example' -H 'Access-Control-Request-Headers: authorization,x-stainless-os' -D "$scratch/headers"
grep -q 'Access-Control-Allow-Headers: authorization,x-stainless-os' "$scratch/headers" || fail "the client's own headers are not allowed"
get 200 /v1/models -H 'Authorization: Bearer secret' -H 'Origin: https://chat.example' -D "$scratch/headers"
grep -q 'Access-Control-Allow-Origin: https://chat.example' "$scratch/headers" || fail "no CORS"
post 400 /v1/chat/completions '{"messages": [{"role": "user", "content": "x"}]}' -H 'Authorization: Bearer secret'
out_has 'chat template'
post 504 /v1/completions '{"prompt": "The old man", "max_tokens": 1000, "ignore_eos": true}' -H 'Authorization: Bearer secret'
out_has 'longer than 0.1 s'
ends 0

# ---- reached from elsewhere -----------------------------------------------------------------------
serve -m "$model" --meter none -t 1 --sleep --host 0.0.0.0
grep -q 'warning: 0.0.0.0 can be reached from other machines' "$scratch/serve" || fail "no warning"
get 200 /health
ends 0

# ---- wrong use -------------------------------------------------------------------------------------
expect 2 "$CARNOT" serve --api-key ''
expect 2 "$CARNOT" serve --port 65536
expect 1 "$CARNOT" serve -m "$model" --host nowhere --meter none
one_line_err
expect 1 "$CARNOT" serve -m "$scratch/none.gguf" --port 0
one_line_err
