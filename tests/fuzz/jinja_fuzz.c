/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a chat template, rendered for a conversation with everything in it.
 */
#include <string.h>

#include "engine/jinja/jinja.h"
#include "tests/fuzz/fuzz.h"

static const char conversation[] =
    "{\"messages\": [{\"role\": \"system\", \"content\": \"Be brief.\"}, {\"role\": \"user\","
    " \"content\": \" Hi \\u00e4\\ud83c\\udf0d\\n<|im_end|> \"}, {\"role\": \"assistant\","
    " \"content\": null, \"reasoning_content\": \"hm\", \"tool_calls\": [{\"type\": \"function\","
    " \"id\": \"a1\", \"function\": {\"name\": \"f\", \"arguments\": {\"x\": 1, \"y\": 1.5}}}]},"
    " {\"role\": \"tool\", \"content\": [{\"type\": \"text\", \"text\": \"42\"}]}],"
    " \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\", \"parameters\": {}}}],"
    " \"bos_token\": \"<s>\", \"eos_token\": \"</s>\", \"add_generation_prompt\": true,"
    " \"d\": {\"b\": 1, \"A\": [true, false, null]}, \"l\": [3, 1, 2], \"s\": \"a b,c\"}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct cn_json *doc;
    struct cn_error err = { "" };
    struct cn_jinja *jinja;
    struct cn_jinja_variable variables[16];
    struct cn_jinja_text out;
    const struct tm now = { .tm_year = 126, .tm_mon = 10, .tm_mday = 29, .tm_yday = 332 };
    struct cn_jinja_options options = { .variables = variables, .now = &now };
    if (!doc)
        expect(cn_json_parse(conversation, sizeof conversation - 1, "fuzz", &doc, &err) == CN_OK);
    for (const struct cn_json_value *v = cn_json_root(doc)->first; v; v = v->next)
        variables[options.n_variables++] = (struct cn_jinja_variable){
            .name = v->key, .value = v, .messages = !strcmp(v->key, "messages")
        };
    if (cn_jinja_compile((struct cn_str){ (const char *)data, n }, &jinja, &err) != CN_OK) {
        expect(err.text[0] && !strchr(err.text, '\n'));
        return 0;
    }
    if (cn_jinja_render(jinja, &options, &out, &err) == CN_OK) {
        size_t covered = 0;
        for (size_t i = 0; i < out.n_spans; i++) {
            expect(out.spans[i].n > 0);
            expect(i == 0 || out.spans[i].markup != out.spans[i - 1].markup);
            covered += out.spans[i].n;
        }
        expect(covered == out.n && out.text[out.n] == 0);
        cn_jinja_text_free(&out);
    } else {
        expect(err.text[0] && !strchr(err.text, '\n'));
    }
    cn_jinja_free(jinja);
    return 0;
}
