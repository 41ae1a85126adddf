/* SPDX-License-Identifier: MIT */
#include "serve/answer.h"

#include "base/utf8.h"
#include "serve/tool_calls.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void put_text(struct cn_json_text *out, const char *text)
{
    cn_json_text_string(out, text, text ? strlen(text) : 0);
}

void cn_answer_refusal(const struct cn_refusal *refusal, struct cn_json_text *out)
{
    cn_json_text_say(out, "{\"error\": {\"message\": ");
    put_text(out, refusal->message);
    cn_json_text_say(out, ", \"type\": \"%s\", \"param\": ", refusal->type);
    put_text(out, refusal->param[0] ? refusal->param : NULL);
    cn_json_text_say(out, ", \"code\": ");
    put_text(out, refusal->code);
    cn_json_text_say(out, "}}");
}

void cn_answer_model(const struct cn_service *service, struct cn_json_text *out)
{
    const struct cn_model_info *info = cn_model_get_info(service->model);
    cn_json_text_say(out, "{\"id\": ");
    put_text(out, service->id);
    cn_json_text_say(out,
                     ", \"object\": \"model\", \"created\": %" PRId64 ", \"owned_by\": "
                     "\"carnot\", \"meta\": {\"architecture\": ",
                     service->created);
    put_text(out, info->architecture);
    cn_json_text_say(out, ", \"file_type\": ");
    put_text(out, info->file_type);
    cn_json_text_say(out,
                     ", \"n_params\": %" PRId64 ", \"bpw\": %.4g, \"n_vocab\": %d, \"n_ctx\": %d, "
                     "\"n_ctx_train\": %d, \"chat\": %s, \"tools\": %s}}",
                     info->n_params, info->bpw, info->n_vocab, service->n_ctx, info->n_ctx_train,
                     service->chat ? "true" : "false",
                     service->chat && service->marks.form != CN_CALL_NONE ? "true" : "false");
}

void cn_answer_models(const struct cn_service *service, struct cn_json_text *out)
{
    cn_json_text_say(out, "{\"object\": \"list\", \"data\": [");
    cn_answer_model(service, out);
    cn_json_text_say(out, "]}");
}

/* ---- usage ----------------------------------------------------------------------------------- */

static void put_number(struct cn_json_text *out, const char *key, double number)
{
    cn_json_text_say(out, "\"%s\": ", key);
    cn_json_text_number(out, number);
}

static void put_cost(struct cn_json_text *out, const char *phase, const struct cn_cost *cost)
{
    const struct cn_energy *e = &cost->energy;
    cn_json_text_say(out, "\"%s\": {\"tokens\": %" PRId64 ", \"seconds\": %.6f, ", phase,
                     cost->n_tokens, cost->seconds);
    put_number(out, "joules", e->joules);
    cn_json_text_say(out, ", ");
    put_number(out, "joules_net", e->joules_net);
    cn_json_text_say(out, ", ");
    put_number(out, "uncertainty", e->uncertainty);
    cn_json_text_say(out, ", ");
    put_number(out, "uncertainty_net", e->uncertainty_net);
    cn_json_text_say(out,
                     ", \"updates\": %" PRId64 ", \"status\": \"%s\", \"reason\": ", e->updates,
                     cn_energy_status_name(e->status));
    put_text(out, e->reason);
    cn_json_text_say(out, "}");
}

static void put_usage(struct cn_json_text *out, const struct cn_spent *u)
{
    const bool metered = u->meter->ok;
    cn_json_text_say(
        out,
        "{\"prompt_tokens\": %" PRId64 ", \"completion_tokens\": %" PRId64
        ", \"total_tokens\": %" PRId64 ", \"prompt_tokens_details\": {\"cached_tokens\": %" PRId64
        "}, \"completion_tokens_details\": {\"reasoning_tokens\": %" PRId64 "}, ",
        u->prompt_tokens, u->completion_tokens, u->prompt_tokens + u->completion_tokens,
        u->cached_tokens, u->reasoning_tokens);
    put_number(out, "first_token_s", u->first_token_s);
    cn_json_text_say(out, ", \"energy\": {\"meter\": ");
    put_text(out, metered ? u->meter->name : NULL);
    cn_json_text_say(out, ", \"boundary\": ");
    put_text(out, metered ? u->meter->boundary : NULL);
    cn_json_text_say(out, ", \"shared\": %s, ", u->shared ? "true" : "false");
    put_cost(out, "prefill", &u->prefill);
    cn_json_text_say(out, ", ");
    put_cost(out, "decode", &u->decode);
    cn_json_text_say(out, "}}");
}

/* ---- logarithms of probabilities ------------------------------------------------------------- */

static bool is_text(const char *p, size_t n)
{
    size_t length;
    for (size_t at = 0; at < n; at += length)
        if (cn_utf8_next(p + at, n - at, &length) == CN_UTF8_INVALID)
            return false;
    return true;
}

/* A token's text; of one that is a part of a character its bytes. */
static void put_token(struct cn_json_text *out, const struct cn_model *model, int32_t token)
{
    size_t n;
    const char *p = cn_token_bytes(model, token, true, &n);
    if (is_text(p, n)) {
        cn_json_text_string(out, p, n);
        return;
    }
    cn_json_text_say(out, "\"bytes:");
    for (size_t i = 0; i < n; i++)
        cn_json_text_say(out, "\\\\x%02x", (unsigned char)p[i]);
    cn_json_text_say(out, "\"");
}

static size_t n_characters(const char *p, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)p[i] & 0xc0) != 0x80;
    return count;
}

static bool same_text(const struct cn_model *model, int32_t a, int32_t b)
{
    size_t n_a, n_b;
    const char *p_a = cn_token_bytes(model, a, true, &n_a);
    const char *p_b = cn_token_bytes(model, b, true, &n_b);
    return n_a == n_b && memcmp(p_a, p_b, n_a) == 0;
}

/* {"text": -1.5, ...}: of tokens with one text the likeliest. */
static void put_top(struct cn_json_text *out, const struct cn_model *model,
                    const struct cn_likely *top, int32_t n)
{
    if (n == 0 || top[0].token < 0) {
        cn_json_text_say(out, "null");
        return;
    }
    for (int32_t i = 0; i < n && top[i].token >= 0; i++) {
        int32_t k = 0;
        while (k < i && !same_text(model, top[k].token, top[i].token))
            k++;
        if (k < i)
            continue;
        cn_json_text_say(out, i ? ", " : "{");
        put_token(out, model, top[i].token);
        cn_json_text_say(out, ": ");
        cn_json_text_number(out, top[i].log_prob);
    }
    cn_json_text_say(out, "}");
}

/* Of notes from..n, as completions have them: four lists. */
static void put_notes(struct cn_json_text *out, const struct cn_sequence *s, size_t from)
{
    const struct cn_token_notes *notes = &s->notes;
    const struct cn_model *model = s->job->service->model;
    size_t n_bytes, offset = 0;
    cn_json_text_say(out, "{\"tokens\": [");
    for (size_t i = from; i < notes->n; i++) {
        cn_json_text_say(out, i > from ? ", " : "");
        put_token(out, model, notes->tokens[i].token);
    }
    cn_json_text_say(out, "], \"token_logprobs\": [");
    for (size_t i = from; i < notes->n; i++) {
        cn_json_text_say(out, i > from ? ", " : "");
        cn_json_text_number(out, notes->tokens[i].log_prob);
    }
    cn_json_text_say(out, "], \"top_logprobs\": ");
    for (size_t i = from; notes->n_top > 0 && i < notes->n; i++) {
        cn_json_text_say(out, i > from ? ", " : "[");
        put_top(out, model, notes->top + i * (size_t)notes->n_top, notes->n_top);
    }
    cn_json_text_say(out, notes->n_top == 0 ? "null" : notes->n > from ? "]" : "[]");
    cn_json_text_say(out, ", \"text_offset\": [");
    if (!s->all_logits && s->echo.p)
        offset = n_characters(s->echo.p, s->echo.n);
    for (size_t i = 0; i < notes->n; i++) {
        if (i >= from)
            cn_json_text_say(out, "%s%zu", i > from ? ", " : "", offset);
        const char *p = cn_token_bytes(model, notes->tokens[i].token, false, &n_bytes);
        offset += n_characters(p, n_bytes);
    }
    cn_json_text_say(out, "]}");
}

static void put_likely(struct cn_json_text *out, const struct cn_model *model,
                       const struct cn_likely *likely)
{
    size_t n;
    const char *p = cn_token_bytes(model, likely->token, true, &n);
    cn_json_text_say(out, "{\"token\": ");
    put_token(out, model, likely->token);
    cn_json_text_say(out, ", \"logprob\": ");
    cn_json_text_number(out, likely->log_prob);
    cn_json_text_say(out, ", \"bytes\": [");
    for (size_t i = 0; i < n; i++)
        cn_json_text_say(out, "%s%u", i ? ", " : "", (unsigned char)p[i]);
    cn_json_text_say(out, "]");
}

/* The same as chats have them: an object for each token. */
static void put_chat_notes(struct cn_json_text *out, const struct cn_sequence *s, size_t from)
{
    const struct cn_token_notes *notes = &s->notes;
    const struct cn_model *model = s->job->service->model;
    cn_json_text_say(out, "{\"content\": [");
    for (size_t i = from; i < notes->n; i++) {
        const struct cn_likely *top = notes->top + i * (size_t)notes->n_top;
        cn_json_text_say(out, i > from ? ", " : "");
        put_likely(out, model, &notes->tokens[i]);
        cn_json_text_say(out, ", \"top_logprobs\": [");
        for (int32_t k = 0; k < notes->n_top && top[k].token >= 0; k++) {
            cn_json_text_say(out, k ? ", " : "");
            put_likely(out, model, &top[k]);
            cn_json_text_say(out, "}");
        }
        cn_json_text_say(out, "]}");
    }
    cn_json_text_say(out, "], \"refusal\": null}");
}

static void put_logprobs(struct cn_json_text *out, const struct cn_sequence *s, size_t from)
{
    cn_json_text_say(out, "\"logprobs\": ");
    if (s->job->request.n_logprobs < 0)
        cn_json_text_say(out, "null");
    else if (s->job->request.kind == CN_REQUEST_CHAT)
        put_chat_notes(out, s, from);
    else
        put_notes(out, s, from);
}

/* ---- whole answers --------------------------------------------------------------------------- */

static void put_head(struct cn_json_text *out, const struct cn_job *job, bool piece)
{
    cn_json_text_say(
        out,
        "{\"id\": \"%s\", \"object\": \"%s%s\", \"created\": %" PRId64 ", \"model\": ", job->id,
        job->request.kind == CN_REQUEST_CHAT ? "chat.completion" : "text_completion",
        piece && job->request.kind == CN_REQUEST_CHAT ? ".chunk" : "", job->created);
    put_text(out, job->service->id);
}

/* The calls of an answer as "tool_calls"; what looks like one and is none is text. */
static bool put_calls(struct cn_json_text *out, const struct cn_sequence *s, bool piece)
{
    const struct cn_speech *speech = &s->speech;
    struct cn_json_text calls = { 0 };
    char id[64];
    snprintf(id, sizeof id, "call_%s_%d", s->job->id + 9, s->index);
    const size_t n = cn_tool_calls_write(speech->marks, &s->job->request, speech->calls.p,
                                         speech->calls.n, id, piece, &calls);
    if (n > 0)
        cn_json_text_add(out, calls.p, calls.n);
    out->failed |= calls.failed;
    cn_json_text_free(&calls);
    return n > 0;
}

static void put_message(struct cn_json_text *out, const struct cn_sequence *s)
{
    const struct cn_speech *speech = &s->speech;
    const bool calls = s->finish && strcmp(s->finish, "tool_calls") == 0;
    cn_json_text_say(out, "\"message\": {\"role\": \"assistant\", \"content\": ");
    if (calls && speech->content.n == 0) {
        cn_json_text_say(out, "null");
    } else {
        cn_json_text_string(out, speech->content.p ? speech->content.p : "", speech->content.n);
    }
    if (speech->reasoning.n > 0) {
        cn_json_text_say(out, ", \"reasoning_content\": ");
        cn_json_text_string(out, speech->reasoning.p, speech->reasoning.n);
    }
    if (calls) {
        cn_json_text_say(out, ", \"tool_calls\": ");
        put_calls(out, s, false);
    }
    cn_json_text_say(out, ", \"refusal\": null}");
}

static void put_choice(struct cn_json_text *out, const struct cn_sequence *s)
{
    cn_json_text_say(out, "{\"index\": %d, ", s->index);
    if (s->job->request.kind == CN_REQUEST_CHAT) {
        put_message(out, s);
    } else {
        struct cn_json_text text = { 0 };
        cn_json_text_add(&text, s->echo.p ? s->echo.p : "", s->echo.n);
        cn_json_text_add(&text, s->speech.content.p, s->speech.content.n);
        cn_json_text_say(out, "\"text\": ");
        cn_json_text_string(out, text.p, text.n);
        out->failed |= text.failed;
        cn_json_text_free(&text);
    }
    cn_json_text_say(out, ", ");
    put_logprobs(out, s, 0);
    cn_json_text_say(out, ", \"finish_reason\": \"%s\"}", s->finish);
}

void cn_answer_whole(const struct cn_job *job, const struct cn_spent *usage,
                     struct cn_json_text *out)
{
    put_head(out, job, false);
    cn_json_text_say(out, ", \"choices\": [");
    for (size_t i = 0; i < job->n_sequences; i++) {
        cn_json_text_say(out, i ? ", " : "");
        put_choice(out, &job->sequences[i]);
    }
    cn_json_text_say(out, "], \"usage\": ");
    put_usage(out, usage);
    cn_json_text_say(out, "}\n");
}

/* ---- pieces ---------------------------------------------------------------------------------- */

static void put_delta(struct cn_json_text *out, const struct cn_sequence *s)
{
    const struct cn_speech *speech = &s->speech;
    const char *comma = "";
    cn_json_text_say(out, "\"delta\": {");
    if (!s->begun) {
        cn_json_text_say(out, "\"role\": \"assistant\"");
        comma = ", ";
    }
    if (speech->reasoning.n > s->told_reasoning) {
        cn_json_text_say(out, "%s\"reasoning_content\": ", comma);
        cn_json_text_string(out, speech->reasoning.p + s->told_reasoning,
                            speech->reasoning.n - s->told_reasoning);
        comma = ", ";
    }
    if (speech->content.n > s->told_content || !s->begun) {
        cn_json_text_say(out, "%s\"content\": ", comma);
        cn_json_text_string(out, speech->content.p ? speech->content.p + s->told_content : "",
                            speech->content.n - s->told_content);
        comma = ", ";
    }
    if (s->finish && strcmp(s->finish, "tool_calls") == 0) {
        cn_json_text_say(out, "%s\"tool_calls\": ", comma);
        put_calls(out, s, true);
    }
    cn_json_text_say(out, "}");
}

static void put_text_piece(struct cn_json_text *out, const struct cn_sequence *s)
{
    struct cn_json_text text = { 0 };
    if (!s->begun)
        cn_json_text_add(&text, s->echo.p ? s->echo.p : "", s->echo.n);
    cn_json_text_add(&text, s->speech.content.p ? s->speech.content.p + s->told_content : "",
                     s->speech.content.n - s->told_content);
    cn_json_text_say(out, "\"text\": ");
    cn_json_text_string(out, text.p, text.n);
    out->failed |= text.failed;
    cn_json_text_free(&text);
}

void cn_answer_piece(struct cn_sequence *s, const struct cn_spent *usage, struct cn_json_text *out)
{
    const struct cn_speech *speech = &s->speech;
    const struct cn_request *request = &s->job->request;
    if (s->begun && !s->finish && speech->content.n == s->told_content &&
        speech->reasoning.n == s->told_reasoning)
        return;
    cn_json_text_say(out, "data: ");
    put_head(out, s->job, true);
    cn_json_text_say(out, ", \"choices\": [{\"index\": %d, ", s->index);
    if (request->kind == CN_REQUEST_CHAT)
        put_delta(out, s);
    else
        put_text_piece(out, s);
    cn_json_text_say(out, ", ");
    put_logprobs(out, s, s->told_notes);
    cn_json_text_say(out, ", \"finish_reason\": ");
    put_text(out, s->finish);
    cn_json_text_say(out, "}]");
    if (usage) {
        cn_json_text_say(out, ", \"usage\": ");
        put_usage(out, usage);
    } else if (request->include_usage) {
        cn_json_text_say(out, ", \"usage\": null");
    }
    cn_json_text_say(out, "}\n\n");
    s->begun = true;
    s->told_content = speech->content.n;
    s->told_reasoning = speech->reasoning.n;
    s->told_notes = s->notes.n;
}

void cn_answer_end(const struct cn_job *job, const struct cn_spent *usage, struct cn_json_text *out)
{
    if (job->request.include_usage) {
        cn_json_text_say(out, "data: ");
        put_head(out, job, true);
        cn_json_text_say(out, ", \"choices\": [], \"usage\": ");
        put_usage(out, usage);
        cn_json_text_say(out, "}\n\n");
    }
    cn_json_text_say(out, "data: [DONE]\n\n");
}

void cn_answer_broken(const struct cn_refusal *refusal, struct cn_json_text *out)
{
    cn_json_text_say(out, "data: ");
    cn_answer_refusal(refusal, out);
    cn_json_text_say(out, "\n\n");
}
