/* SPDX-License-Identifier: MIT
 *
 * The bodies of requests: JSON to a struct, or a refusal that names what it does not do. Nothing
 * here looks at a model, a file or a connection.
 */
#ifndef CN_REQUEST_H
#define CN_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/carnot.h"
#include "serve/refusal.h"

enum cn_request_kind { CN_REQUEST_COMPLETION, CN_REQUEST_CHAT };

enum {
    CN_REQUEST_MAX_PROMPTS = 256,
    CN_REQUEST_MAX_CHOICES = 16,
    CN_REQUEST_MAX_STOPS = 16,
    CN_REQUEST_MAX_LOGPROBS = 20,
    CN_REQUEST_MAX_ARGUMENTS = 16,
};

struct cn_request_text {
    const char *p;
    size_t n;
};

/* One prompt: a text or token ids. */
struct cn_request_prompt {
    struct cn_request_text text; /* p NULL: ids */
    int32_t *ids;                /* [n_ids], not looked at but for being >= 0 */
    size_t n_ids;
};

struct cn_request {
    enum cn_request_kind kind;
    struct cn_request_text model; /* p NULL: not said */

    struct cn_request_prompt *prompts; /* [n_prompts] of a completion */
    size_t n_prompts;
    char *messages; /* [n_messages] of a chat: a JSON list, as templates want it */
    size_t n_messages;
    char *tools; /* [n_tools] a JSON list; NULL: none */
    size_t n_tools;
    char *arguments[CN_REQUEST_MAX_ARGUMENTS]; /* [n_arguments] "NAME=JSON" for the template */
    size_t n_arguments;

    int32_t max_tokens; /* -1: as many as fit */
    int32_t n_choices;
    int32_t n_logprobs; /* alternatives told of each token; -1: no logprobs at all */
    bool echo, stream, include_usage, continuous_usage, ignore_eos, has_seed;
    bool one_call; /* of a tool, at most */
    double temperature, top_p, min_p, repeat_penalty;
    int32_t top_k;
    uint64_t seed;
    struct cn_request_text stops[CN_REQUEST_MAX_STOPS];
    size_t n_stops;
    struct cn_logit_bias *bias; /* [n_bias] */
    size_t n_bias;

    struct cn_json *json; /* what the texts above lie in */
};

/* Reads body[n]. *request is to be freed, also after a refusal (false). Any bytes are taken. */
bool cn_request_parse(enum cn_request_kind kind, const char *body, size_t n,
                      struct cn_request *request, struct cn_refusal *refusal);
void cn_request_free(struct cn_request *request);

#endif
