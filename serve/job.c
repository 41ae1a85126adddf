/* SPDX-License-Identifier: MIT */
#include "serve/job.h"

#include "base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_SEQUENCES = 256 };

static bool out_of_memory(struct cn_refusal *refusal)
{
    return cn_refuse(refusal, 500, NULL, "", "out of memory");
}

static void free_job(struct cn_job *job)
{
    for (size_t i = 0; i < job->n_sequences; i++) {
        cn_sampler_free(job->sequences[i].sampler);
        cn_speech_free(&job->sequences[i].speech);
        cn_token_notes_free(&job->sequences[i].notes);
    }
    for (size_t i = 0; i < job->n_prompts; i++) {
        free(job->prompts[i]);
        free(job->echoes[i]);
    }
    free(job->prompts);
    free(job->echoes);
    free(job->sequences);
    cn_account_free(&job->prefill);
    cn_account_free(&job->decode);
    cn_json_text_free(&job->out);
    cn_chat_free(job->own_chat);
    cn_request_free(&job->request);
    pthread_mutex_destroy(&job->lock);
    free(job);
}

void cn_job_release(struct cn_job *job)
{
    pthread_mutex_lock(&job->lock);
    const bool last = --job->n_holders == 0;
    pthread_mutex_unlock(&job->lock);
    if (last)
        free_job(job);
}

const struct cn_chat *cn_job_chat(const struct cn_job *job)
{
    return job->request.kind != CN_REQUEST_CHAT ? NULL
           : job->own_chat                      ? job->own_chat
                                                : job->service->chat;
}

/* ---- prompts --------------------------------------------------------------------------------- */

static bool open_chat(struct cn_job *job, struct cn_refusal *refusal)
{
    const struct cn_service *service = job->service;
    const struct cn_request *request = &job->request;
    struct cn_error err = { "" };
    if (!service->chat)
        return cn_refuse(refusal, 400, "unsupported", "messages", "%s", service->why_no_chat);
    if (!request->tools && request->n_arguments == 0)
        return true;
    const struct cn_chat_options o = { .template_name = service->template_name,
                                       .template_text = service->template_text,
                                       .n_template_text = service->n_template_text,
                                       .arguments = (const char *const *)request->arguments,
                                       .n_arguments = request->n_arguments,
                                       .tools = request->tools,
                                       .n_tools = request->n_tools };
    return cn_chat_create(service->model, &o, &job->own_chat, &err) == CN_OK ||
           cn_refuse(refusal, 400, NULL, request->tools ? "tools" : "chat_template_kwargs", "%s",
                     err.text);
}

static bool tokenise_chat(struct cn_job *job, int32_t **tokens, size_t *n,
                          struct cn_refusal *refusal)
{
    struct cn_chat_message *messages = NULL;
    size_t n_messages;
    struct cn_error err = { "" };
    if (!open_chat(job, refusal))
        return false;
    enum cn_status status = cn_chat_parse(job->request.messages, job->request.n_messages,
                                          "messages", &messages, &n_messages, &err);
    if (status == CN_OK)
        status = cn_chat_tokens(cn_job_chat(job), messages, n_messages, true, tokens, n, &err);
    free(messages);
    return status == CN_OK || cn_refuse(refusal, status == CN_ERR_MEMORY ? 500 : 400, NULL,
                                        "messages", "%s", err.text);
}

/* The ids that were sent, and with echo their text. */
static bool take_ids(struct cn_job *job, struct cn_request_prompt *prompt, size_t i,
                     struct cn_refusal *refusal)
{
    const int32_t n_vocab = cn_model_get_info(job->service->model)->n_vocab;
    struct cn_error err = { "" };
    size_t n_bytes;
    for (size_t k = 0; k < prompt->n_ids; k++)
        if (prompt->ids[k] >= n_vocab)
            return cn_refuse(refusal, 400, NULL, "prompt",
                             "prompt: token id %d: the model has %d tokens", prompt->ids[k],
                             n_vocab);
    job->prompts[i] = prompt->ids;
    prompt->ids = NULL;
    return !job->request.echo ||
           cn_detokenize(job->service->model, job->prompts[i], prompt->n_ids, false,
                         &job->echoes[i], &n_bytes, &err) == CN_OK ||
           cn_refuse(refusal, 500, NULL, "prompt", "%s", err.text);
}

/* Prompt i as tokens, *n of them. */
static bool tokenise(struct cn_job *job, size_t i, size_t *n, struct cn_refusal *refusal)
{
    struct cn_request *request = &job->request;
    struct cn_error err = { "" };
    const char *param = request->kind == CN_REQUEST_CHAT ? "messages" : "prompt";
    if (request->kind == CN_REQUEST_CHAT) {
        if (!tokenise_chat(job, &job->prompts[i], n, refusal))
            return false;
    } else if (request->prompts[i].text.p) {
        const struct cn_request_text text = request->prompts[i].text;
        if (cn_tokenize(job->service->model, text.p, text.n, CN_TOKENIZE_BOS | CN_TOKENIZE_PROMPT,
                        &job->prompts[i], n, &err) != CN_OK)
            return cn_refuse(refusal, 500, NULL, param, "%s", err.text);
    } else {
        *n = request->prompts[i].n_ids;
        if (!take_ids(job, &request->prompts[i], i, refusal))
            return false;
    }
    const int32_t n_ctx = job->service->n_ctx;
    if (*n == 0)
        return cn_refuse(refusal, 400, NULL, param, "%s: %s", param,
                         request->kind == CN_REQUEST_CHAT || request->prompts[i].text.p
                             ? "no tokens, and the model has no BOS"
                             : "a list of no token ids");
    if (*n > (size_t)n_ctx)
        return cn_refuse(refusal, 400, "context_length_exceeded", param,
                         "%s: %zu tokens, the context has room for %d", param, *n, n_ctx);
    return true;
}

static void set_sequence(struct cn_job *job, size_t prompt, size_t choice, size_t n)
{
    const struct cn_request *request = &job->request;
    const size_t i = prompt * (size_t)request->n_choices + choice;
    const int32_t room = job->service->n_ctx - (int32_t)n + 1;
    struct cn_sequence *s = &job->sequences[i];
    *s = (struct cn_sequence){ .job = job,
                               .index = (int32_t)i,
                               .prompt = job->prompts[prompt],
                               .n_prompt = (int32_t)n,
                               .n_most = room,
                               .all_logits = request->echo && request->n_logprobs >= 0,
                               .notes = { .n_top = request->n_logprobs } };
    if (request->max_tokens >= 0 && request->max_tokens < room)
        s->n_most = request->max_tokens;
    if (request->echo && job->echoes[prompt])
        s->echo = (struct cn_request_text){ job->echoes[prompt], strlen(job->echoes[prompt]) };
    else if (request->echo)
        s->echo = request->prompts[prompt].text;
}

static bool set_sequences(struct cn_job *job, struct cn_refusal *refusal)
{
    const struct cn_request *request = &job->request;
    const size_t n_choices = (size_t)request->n_choices;
    const size_t n_prompts = request->kind == CN_REQUEST_CHAT ? 1 : request->n_prompts;
    if (n_prompts * n_choices > MAX_SEQUENCES)
        return cn_refuse(refusal, 400, NULL, "n", "n: %zu answers in all, at most %d in a request",
                         n_prompts * n_choices, MAX_SEQUENCES);
    job->prompts = calloc(n_prompts, sizeof *job->prompts);
    job->echoes = calloc(n_prompts, sizeof *job->echoes);
    job->sequences = calloc(n_prompts * n_choices, sizeof *job->sequences);
    if (!job->prompts || !job->echoes || !job->sequences)
        return out_of_memory(refusal);
    job->n_prompts = n_prompts;
    for (size_t i = 0; i < n_prompts; i++) {
        size_t n = 0;
        if (!tokenise(job, i, &n, refusal))
            return false;
        for (size_t k = 0; k < n_choices; k++)
            set_sequence(job, i, k, n);
    }
    job->n_sequences = n_prompts * n_choices;
    return true;
}

/* ---- all ------------------------------------------------------------------------------------- */

static bool check(const struct cn_job *job, struct cn_refusal *refusal)
{
    const struct cn_request *request = &job->request;
    const struct cn_service *service = job->service;
    const int32_t n_vocab = cn_model_get_info(service->model)->n_vocab;
    if (request->model.p && (request->model.n != strlen(service->id) ||
                             memcmp(request->model.p, service->id, request->model.n) != 0))
        return cn_refuse_model(refusal, service->id);
    for (size_t i = 0; i < request->n_bias; i++)
        if (request->bias[i].token >= n_vocab)
            return cn_refuse(refusal, 400, NULL, "logit_bias",
                             "logit_bias: token id %d: the model has %d tokens",
                             request->bias[i].token, n_vocab);
    return true;
}

struct cn_job *cn_job_create(const struct cn_service *service, enum cn_request_kind kind,
                             const char *body, size_t n, struct cn_refusal *refusal)
{
    static _Atomic unsigned long long count;
    struct cn_job *job = calloc(1, sizeof *job);
    if (!job) {
        out_of_memory(refusal);
        return NULL;
    }
    pthread_mutex_init(&job->lock, NULL);
    job->service = service;
    job->n_holders = 1;
    job->arrived_ns = cn_now_ns(CLOCK_MONOTONIC);
    job->created = (int64_t)time(NULL);
    if (service->timeout_s > 0)
        job->deadline_ns = job->arrived_ns + (int64_t)(1e9 * service->timeout_s);
    snprintf(job->id, sizeof job->id, "%s-%llx-%llu", kind == CN_REQUEST_CHAT ? "chatcmpl" : "cmpl",
             (unsigned long long)service->created, atomic_fetch_add(&count, 1) + 1);
    if (cn_request_parse(kind, body, n, &job->request, refusal) && check(job, refusal) &&
        set_sequences(job, refusal)) {
        if (!job->request.has_seed)
            job->request.seed = (uint64_t)job->arrived_ns;
        return job;
    }
    free_job(job);
    return NULL;
}
