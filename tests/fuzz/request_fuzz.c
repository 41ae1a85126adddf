/* SPDX-License-Identifier: MIT
 *
 * Any bytes as the body of a completion and of a chat; what is taken is asked again as messages for
 * a template would be.
 */
#include <string.h>

#include "base/json.h"
#include "serve/request.h"
#include "tests/fuzz/fuzz.h"

static void look(const struct cn_request *r)
{
    expect(r->n_choices >= 1 && r->n_choices <= CN_REQUEST_MAX_CHOICES);
    expect(r->max_tokens >= -1 && r->n_logprobs >= -1 && r->n_logprobs <= CN_REQUEST_MAX_LOGPROBS);
    expect(r->temperature >= 0 && r->top_p >= 0 && r->top_p <= 1);
    for (size_t i = 0; i < r->n_prompts; i++) {
        expect(r->prompts[i].text.p || r->prompts[i].ids);
        for (size_t k = 0; k < r->prompts[i].n_ids; k++)
            expect(r->prompts[i].ids[k] >= 0);
    }
    for (size_t i = 0; i < r->n_stops; i++)
        expect(r->stops[i].n > 0);
    for (size_t i = 0; i < r->n_arguments; i++)
        expect(strchr(r->arguments[i], '=') != NULL);
}

/* What was written anew is sound, and whole. */
static void look_at_messages(const struct cn_request *r)
{
    struct cn_chat_message *messages;
    struct cn_json *json;
    size_t n;
    expect(cn_json_parse(r->messages, r->n_messages, "messages", &json, NULL) == CN_OK);
    expect(cn_json_root(json)->type == CN_JSON_ARRAY && cn_json_root(json)->n_children > 0);
    cn_json_free(json);
    if (cn_chat_parse(r->messages, r->n_messages, "messages", &messages, &n, NULL) == CN_OK)
        free(messages);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const enum cn_request_kind kinds[] = { CN_REQUEST_COMPLETION, CN_REQUEST_CHAT };
    for (size_t i = 0; i < 2; i++) {
        struct cn_request request;
        struct cn_refusal refusal;
        if (cn_request_parse(kinds[i], (const char *)data, n, &request, &refusal)) {
            look(&request);
            if (kinds[i] == CN_REQUEST_CHAT)
                look_at_messages(&request);
        } else {
            expect(refusal.status >= 400 && refusal.message[0] && !strchr(refusal.message, '\n'));
        }
        cn_request_free(&request);
    }
    return 0;
}
