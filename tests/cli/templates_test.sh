#!/bin/sh
# The templates of models: carnot run --messages with what a file or an argument says.
set -u
. tests/expect.sh
has_command run || exit 77

m=$scratch/m.json
t=$scratch/t.jinja
cat >"$m" <<'END'
[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f"}}]},
 {"role": "tool", "content": [{"type": "text", "text": "42"}]}]
END
cat >"$t" <<'END'
{{- bos_token }}{% for m in messages %}<|{{ m.role }}|>{{ m.content if m.content is string else m|tojson }}{% endfor %}
{{- tools|length if tools else "no tools" }} {{ effort }} {{ strftime_now("%d %B %Y") }}
{%- if add_generation_prompt %}<|assistant|>{% endif %}
END
echo '[{"type": "function"}]' >"$scratch/tools.json"

# Without a model the template stands alone; arguments win.
expect 0 "$CARNOT" run --template-file "$t" --messages "$m" --print-prompt --template-time 2026-11-29T13:05:09 \
    --template-arg effort='"low"' --template-arg effort=1.0 --tools "$scratch/tools.json"
no_err
printf '%s' '<|user|>Hi<|assistant|>{"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f"}}]}<|tool|>{"role": "tool", "content": [{"type": "text", "text": "42"}]}1 1.0 29 November 2026<|assistant|>' >"$scratch/expected"
cmp -s "$scratch/out" "$scratch/expected" || fail "not what the template gives"
expect 0 "$CARNOT" run --template-file "$t" --messages "$m" --print-prompt --no-generation-prompt \
    --template-arg bos_token='"<s>"' --template-time 2026-11-29T13:05:09
grep -q '^<s><|user|>.*no tools  29 November 2026$' "$scratch/out" || fail "not the argument's BOS"
# With one, its tokens.
expect 0 "$CARNOT" run -m models/prose-8m-f16.gguf --template-file "$t" \
    --messages "$m" --print-prompt
grep -q '^<|endoftext|><|user|>' "$scratch/out" || fail "the model's BOS is missing"
expect 0 "$CARNOT" run --template-file "$t" --messages "$m" -n 2 --ids
err_has "2 generated"

# What is wrong is said in one line, with the file.
printf "a\n{{ raise_exception('Roles must\nalternate') }}" >"$t"
expect 1 "$CARNOT" run --template-file "$t" --messages "$m" --print-prompt
one_line_err
err_has "line 2"
err_has "Roles must alternate"
no_out
printf '{%% nosuch %%}' >"$t"
expect 1 "$CARNOT" run --template-file "$t" --messages "$m" --print-prompt
one_line_err
err_has "t.jinja"
err_has "nosuch"
echo hello >"$t"
expect 1 "$CARNOT" run --template-file "$t" --messages "$m" --print-prompt --template-arg x=
one_line_err
expect 1 "$CARNOT" run --template-file "$t" --messages "$m" --print-prompt --template-time noon
one_line_err
err_has "noon"
echo '{}' >"$scratch/tools.json"
expect 1 "$CARNOT" run --template-file "$t" --messages "$m" --print-prompt --tools "$scratch/tools.json"
one_line_err
err_has "tools.json"
expect 1 "$CARNOT" run --template-file "$scratch/none" --messages "$m" --print-prompt
one_line_err
expect 2 "$CARNOT" run --template-file "$t" --template chatml --messages "$m"
expect 2 "$CARNOT" run --template-file "$t" -p hello
err_has "--template-file goes with"
expect 2 "$CARNOT" run --tools "$t" -p hello

# Thinking is shown apart and counted. The bias makes the model say one token again and again: the
# template says that it is inside its thinking.
cat >"$t" <<'END'
{% for m in messages %}{{ m.content }}{{ m.reasoning_content }}{% endfor %}{# </think> #}<think>
END
printf 'hello\r\n' | "$CARNOT" run --chat --template-file "$t" --meter none --temp 0 -n 5 --ignore-eos \
    --trace "$scratch/trace" >"$scratch/out" 2>"$scratch/err" || fail "a chat that thinks"
err_has "thinking: "
err_has "5 of 5 tokens were thinking"
[ "$(wc -c <"$scratch/out")" = 1 ] || fail "thinking on stdout"
grep -q '"reasoning_tokens":5' "$scratch/trace" || fail "no reasoning_tokens in the trace"
# CR LF at the end of a line is no part of it.
printf 'hello\n' | "$CARNOT" run --chat --template chatml --meter none --temp 0 -n 5 --ids >"$scratch/lf" 2>/dev/null
printf 'hello\r\n' | "$CARNOT" run --chat --template chatml --meter none --temp 0 -n 5 --ids >"$scratch/crlf" 2>/dev/null
cmp -s "$scratch/lf" "$scratch/crlf" || fail "CR LF changes the answer"

shared=${CARNOT_SHARED:-../shared}
engine=$shared/cases/engine
if [ -r "$engine/granite3.gguf" ]; then
    prompt() { # model, conversation, the whole text as printf writes it
        # shellcheck disable=SC2059
        printf "$3" >"$scratch/expected"
        expect 0 "$CARNOT" run -m "$engine/$1.gguf" --messages "$engine/$2.json" --print-prompt
        cmp -s "$scratch/out" "$scratch/expected" || fail "$1, $2: not what its template gives"
    }
    prompt phi4-mini u '<|user|>Hello<|end|><|assistant|>'
    prompt mistral-small-2503 suau '<s>[SYSTEM_PROMPT]Be terse.[/SYSTEM_PROMPT][INST]Hello[/INST]Hi there</s>[INST]Bye[/INST]'
    prompt llama2-chat uau '<s>[INST] Hello [/INST] Hi there </s><s>[INST] Bye [/INST]'
    prompt mixtral-v0.1-new suau '<s> [INST] Be terse.\n\nHello [/INST] Hi there</s> [INST] Bye [/INST]'
    prompt qwq u '<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n<think>\n'
    expect 0 "$CARNOT" run -m "$engine/addeos.gguf" --messages "$engine/hello.json" --template chatml -n 2 --temp 0 --ids
else
    echo "SKIPPED: no $engine (CARNOT_SHARED names the folder of shared test data)"
fi

# Some of the vectors by the command line; the unit test of the interpreter has all.
cases=$shared/fixtures/chat2/cases.jsonl
if [ -r "$cases" ] && command -v python3 >/dev/null; then
    python3 - "$shared/fixtures/chat2" "$CARNOT" "$scratch" >"$scratch/out" 2>"$scratch/err" <<'END' || fail "a real template"
import json, subprocess, sys
root, carnot, scratch = sys.argv[1:]
wrong = 0
for i, line in enumerate(open(root + "/cases.jsonl")):
    if i % 97:
        continue
    case = json.loads(line)
    json.dump(case["messages"], open(scratch + "/m.json", "w"))
    args = [carnot, "run", "--template-file", "%s/templates/%s.jinja" % (root, case["template"]),
            "--messages", scratch + "/m.json", "--template-time", "2026-11-29T13:05:09", "--print-prompt"]
    for key, value in case["kwargs"].items():
        if key == "tools":
            json.dump(value, open(scratch + "/tools.json", "w"))
            args += ["--tools", scratch + "/tools.json"]
        else:
            args += ["--template-arg", key + "=" + json.dumps(value)]
    if not case["add_generation_prompt"]:
        args.append("--no-generation-prompt")
    run = subprocess.run(args, capture_output=True)
    if "error" in case:
        ok = run.returncode == 1
    else:
        ok = run.returncode == 0 and run.stdout.decode() == case["expected"]
    if not ok:
        wrong += 1
        print(case["template"], case["case"], run.stderr.decode())
sys.exit(wrong > 0)
END
else
    echo "SKIPPED: no $cases, or no python3"
fi
