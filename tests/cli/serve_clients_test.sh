#!/bin/sh
# carnot serve: the npm package openai talks to it, and the page at / in a headless browser.
set -u
. tests/expect.sh
. tests/serving.sh

model=models/prose-8m-f16.gguf
[ -f "$model" ] || { echo "SKIPPED: no $model"; exit 77; }
command -v node >/dev/null 2>&1 || { echo "SKIPPED: no node (nodejs)"; exit 77; }
serving || exit 77

# Thinking aside, what a template with tools does.
cat >"$scratch/template" <<'END'
{%- if tools %}<|im_start|>system
{{ tools | tojson }}<|im_end|>
{% endif -%}
{%- for m in messages %}<|im_start|>{{ m.role }}
{{ m.content or '' }}{% for c in m.tool_calls or [] %}<tool_call>
{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}
</tool_call>{% endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}
END
serve -m "$model" --meter none -t 1 --sleep --template-file "$scratch/template"
get 200 /v1/models
out_has '"tools": true'

# The folder that .ci/run has put the package into.
npm=${CARNOT_NPM:-build/npm}
if [ -d "$npm/node_modules/openai" ]; then
    expect 0 node tests/clients/openai.mjs "$url" "$npm"
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
