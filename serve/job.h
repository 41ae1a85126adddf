/* SPDX-License-Identifier: MIT
 *
 * A request on its way: what it asks for as sequences of tokens, and the answer as it comes.
 *
 * Two threads hold a job: that of the connection, which takes `out`, and the scheduler's, which
 * fills it. The last of both to let go frees it.
 */
#ifndef CN_JOB_H
#define CN_JOB_H

#include <pthread.h>

#include "serve/account.h"
#include "serve/service.h"
#include "serve/speech.h"
#include "serve/token_notes.h"

struct cn_lane;

/* One prompt and one answer to it. */
struct cn_sequence {
    struct cn_job *job;
    int32_t index;         /* of the choice in the answer */
    const int32_t *prompt; /* [n_prompt], the job's */
    int32_t n_prompt;
    struct cn_request_text echo; /* the prompt as text; p NULL: not wanted */
    int32_t n_most;              /* tokens of the answer */
    bool all_logits;             /* the prompt's tokens are noted, too */

    struct cn_lane *lane; /* NULL: none yet, or no more */
    int32_t n_cached;     /* tokens of the prompt that a lane held already */
    int32_t n_fed;        /* tokens of the prompt that were evaluated, and those */
    int32_t last;         /* the token that is to be evaluated next, once the prompt is */
    int32_t n_generated;
    struct cn_sampler *sampler;
    struct cn_speech speech;
    struct cn_token_notes notes;
    const char *finish; /* "stop", "length", "tool_calls"; NULL: not yet */

    size_t told_content, told_reasoning, told_notes; /* of what goes out in pieces */
    bool begun, told_finish;
};

struct cn_spent {
    int64_t prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens;
    struct cn_cost prefill, decode;
    bool shared; /* with other requests */
    const struct cn_meter_info *meter;
    double first_token_s; /* from the request's arrival to its first token; NaN: none yet */
};

/* Called by the scheduler's thread, the job's lock held. */
struct cn_listener {
    void *user;
    void (*ready)(void *user); /* there is more in `out`, or the job has ended */
    bool (*gone)(void *user);  /* whether nobody waits any more */
};

struct cn_job {
    const struct cn_service *service;
    struct cn_request request;
    char id[48];
    int64_t created, arrived_ns, deadline_ns; /* s since 1970; CLOCK_MONOTONIC; 0: none */
    struct cn_chat *own_chat;                 /* with the request's tools; NULL: the service's */
    int32_t **prompts;                        /* [n_prompts] token ids */
    char **echoes;                            /* [n_prompts] what was detokenised, or NULL */
    size_t n_prompts;
    struct cn_sequence *sequences; /* [n_sequences] */
    size_t n_sequences;

    /* The scheduler's. */
    struct cn_job *next;
    size_t n_started, n_finished;
    struct cn_account prefill, decode;
    int32_t pass_prefill, pass_decode; /* tokens in the pass at hand */
    int64_t first_token_ns, told_usage_ns;

    pthread_mutex_t lock;
    struct cn_json_text out; /* not yet taken */
    bool ended;              /* nothing more will come */
    bool gone;               /* nobody waits */
    int status;              /* of HTTP, once there is something to tell; 0 before */
    int n_holders;
    struct cn_listener listener;
};

/* Reads a body, and makes its prompts tokens. NULL with a refusal. The caller holds the job. */
struct cn_job *cn_job_create(const struct cn_service *service, enum cn_request_kind kind,
                             const char *body, size_t n, struct cn_refusal *refusal);
/* Lets go of it. */
void cn_job_release(struct cn_job *job);

/* What the answer's text and thinking are taken by. NULL: plain text. */
const struct cn_chat *cn_job_chat(const struct cn_job *job);

#endif
