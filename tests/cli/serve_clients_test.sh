#!/bin/sh
# carnot serve: the npm package openai talks to it, and the page at / in a headless browser.
set -u
. tests/expect.sh
. tests/serving.sh

model=models/prose-8m-f16.gguf
[ -f "$model" ] || { echo "SKIPPED: no $model"; exit 77; }
command -v node >/dev/null 2>&1 || { echo "SKIPPED: no node (nodejs)"; exit 77; }
serving || exit 77

# A model whose answers are known calls tools, on a server of its own.
parrot="" parrot_server=""
if command -v python3 >/dev/null 2>&1; then
    expect 0 python3 tests/clients/parrot.py "$scratch/parrot.gguf"
    serve -m "$scratch/parrot.gguf" --meter none -t 1 --sleep
    get 200 /v1/models
    out_has '"tools": true'
    parrot=$url parrot_server=$server
    # A client that sends all before it reads is not cut off: it is told what was wrong.
    expect 0 python3 -c 'import http.client, sys
connection = http.client.HTTPConnection(sys.argv[1])
for body in "x" * 4000000, "{}":
    connection.request("POST", "/v1/completions", body)
    answer = connection.getresponse()
    print(answer.status, answer.read())' "${url#http://}"
    out_has '413 '
    out_has '400 '
    # Marks that are control tokens have no text of their own, neither before calls nor in them.
    cat >"$scratch/fields.jinja" <<'END'
{%- for m in messages %}{{ m.content or '' }}{% for c in m.tool_calls or [] -%}
[CALL]{{ c.function.name }}{% for k, v in c.function.arguments.items() %}[KEY]{{ k }}[VALUE]{{ v }}[END]{% endfor -%}
{% endfor %}{% endfor -%}
{%- if add_generation_prompt %}<|fields|>{% endif %}
END
    serve -m "$scratch/parrot.gguf" --meter none -t 1 --sleep --template-file "$scratch/fields.jinja"
    post 200 /v1/chat/completions '{"messages": [{"role": "user", "content": "Cold?"}], "temperature": 0, "tools": [{"type": "function", "function": {"name": "weather"}}]}'
    out_has '"function": {"name": "weather", "arguments": "{\"city\": \"Bergen\"}"}'
    out_has '"finish_reason": "tool_calls"'
    ends 0
fi
serve -m "$model" --meter none -t 1 --sleep --template chatml

# The folder that .ci/run has put the package into.
npm=${CARNOT_NPM:-build/npm}
if [ -d "$npm/node_modules/openai" ]; then
    expect 0 node tests/clients/openai.mjs "$url" "$npm" "$parrot"
    out_has "all is well"
else
    echo "SKIPPED: no npm package openai in $npm (npm install --prefix $npm openai)"
fi

if command -v chromium >/dev/null 2>&1; then
    expect 0 node tests/clients/page.mjs "$url" "$scratch"
    out_has "all is well"
else
    echo "SKIPPED: the page: no chromium"
fi
sleep 0.2
get 200 /metrics
out_has 'carnot_lanes{state="busy"} 0'
ends 0
if [ "$parrot_server" ]; then
    server=$parrot_server asked=$parrot_server
    ends 0
fi
