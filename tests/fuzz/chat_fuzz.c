/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a conversation in JSON, put through every chat template; and as a model's template.
 */
#include <string.h>

#include "engine/text/chat.h"
#include "tests/fuzz/fuzz.h"

static void format_all(const struct cn_chat_message *messages, size_t n)
{
    const char *name;
    for (size_t i = 0; (name = cn_chat_template_name(i)) != NULL; i++) {
        char *text;
        size_t n_bytes;
        struct cn_error err;
        if (cn_chat_format(NULL, name, messages, n, i % 2, &text, &n_bytes, &err) == CN_OK) {
            expect(text[n_bytes] == 0);
            free(text);
        } else {
            expect(err.text[0] && !strchr(err.text, '\n'));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct cn_chat_message hello[] = {
        {"system", "Be brief.", 9},
        { "user",  "Hello",     5}
    };
    struct cn_chat_message *messages;
    size_t n_messages;
    struct cn_error err;
    struct cn_chat_style style;
    struct cn_chat_text text;
    if (cn_chat_parse((const char *)data, n, "fuzz", &messages, &n_messages, &err) == CN_OK) {
        format_all(messages, n_messages);
        free(messages);
    } else {
        expect(strncmp(err.text, "fuzz: ", 6) == 0 && !strchr(err.text, '\n'));
    }
    if (cn_chat_style_detect((struct cn_str){ (const char *)data, n }, &style) &&
        cn_chat_render(&style, hello, 2, true, &text, &err) == CN_OK)
        cn_chat_text_free(&text);
    return 0;
}
