/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a conversation in JSON, put through every built-in chat template and a Jinja one.
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

/* All that a message can have. */
static void format_jinja(const struct cn_chat_message *messages, size_t n)
{
    static const char jinja[] = "{% for m in messages %}<|{{ m.role }}|>{{ m.content|string|trim }}"
                                "{{ m|tojson }}{{ m.tool_calls }}{% endfor %}";
    const struct cn_chat_options o = { .template_text = jinja,
                                       .n_template_text = sizeof jinja - 1 };
    struct cn_chat *chat;
    struct cn_error err;
    char *text;
    size_t n_bytes;
    if (cn_chat_create(NULL, &o, &chat, &err) != CN_OK)
        return;
    if (cn_chat_text(chat, messages, n, true, &text, &n_bytes, &err) == CN_OK)
        free(text);
    else
        expect(err.text[0] && !strchr(err.text, '\n'));
    cn_chat_free(chat);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct cn_chat_message *messages;
    size_t n_messages;
    struct cn_error err;
    if (cn_chat_parse((const char *)data, n, "fuzz", &messages, &n_messages, &err) == CN_OK) {
        format_all(messages, n_messages);
        format_jinja(messages, n_messages);
        free(messages);
    } else {
        expect(strncmp(err.text, "fuzz: ", 6) == 0 && !strchr(err.text, '\n'));
    }
    return 0;
}
