/* SPDX-License-Identifier: MIT */
#include "serve/server.h"

#include "base/clock.h"
#include "base/error.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { LOGITS_BYTES = 8 << 20 /* of a lane, at the most */ };

struct cn_server {
    struct cn_service service;
    struct cn_chat *chat;
    struct cn_error why_no_chat;
    atomic_bool cancel;
    struct cn_tally tally;
    struct cn_lanes *lanes;
    int32_t n_lanes, n_kept;
    struct cn_scheduler *scheduler;
    struct cn_http *http;
};

static bool cancelled(void *user)
{
    return atomic_load((atomic_bool *)user);
}

static void free_server(struct cn_server *s)
{
    cn_http_stop(s->http);
    cn_scheduler_stop(s->scheduler);
    cn_lanes_free(s->lanes);
    cn_chat_free(s->chat);
    cn_tally_destroy(&s->tally);
    free(s);
}

/* A model without a template is served all the same: it completes texts. */
static enum cn_status open_chat(struct cn_server *s, const struct cn_server_options *o,
                                struct cn_error *err)
{
    const struct cn_chat_options chat = { .template_name = o->template_name,
                                          .template_text = o->template_text,
                                          .n_template_text = o->n_template_text };
    const enum cn_status status =
        cn_chat_create(s->service.model, &chat, &s->chat, &s->why_no_chat);
    if (status != CN_OK && (o->template_name || o->template_text))
        return cn_fail(err, status, "%s", s->why_no_chat.text);
    s->service.why_no_chat = s->why_no_chat.text;
    s->service.chat = s->chat;
    if (s->chat)
        cn_tool_marks_learn(s->service.model, &chat, &s->service.marks);
    return CN_OK;
}

/* One lane tells what lanes take. */
static enum cn_status make_lanes(struct cn_server *s, const struct cn_server_options *o,
                                 const struct cn_session_options *session, struct cn_error *err)
{
    size_t bytes = 0;
    struct cn_session *one = NULL;
    CN_TRY(cn_session_create(s->service.model, session, &one, err));
    bytes = cn_session_kv_bytes(one);
    s->service.n_ctx = cn_session_n_ctx(one);
    cn_session_free(one);
    size_t n = bytes > 0 ? o->cache_bytes / bytes : 1;
    n = n > CN_MAX_LANES ? CN_MAX_LANES : n;
    s->n_lanes = o->n_lanes;
    s->n_kept = (int32_t)n > o->n_lanes ? (int32_t)n : o->n_lanes;
    return cn_lanes_create(s->service.model, session, s->n_kept, &s->lanes, err);
}

static enum cn_status start(struct cn_server *s, const struct cn_server_options *o,
                            struct cn_error *err)
{
    const int32_t n_vocab = cn_model_get_info(s->service.model)->n_vocab;
    struct cn_session_options session = o->session;
    const int32_t n_batch = session.n_batch > 0 ? session.n_batch : 512;
    const int32_t fit = (int32_t)(LOGITS_BYTES / (sizeof(float) * (size_t)n_vocab));
    session.n_logits = fit < 1 ? 1 : fit > 64 ? 64 : fit;
    session.callbacks.user = &s->cancel;
    session.callbacks.cancel = cancelled;
    CN_TRY(open_chat(s, o, err));
    CN_TRY(make_lanes(s, o, &session, err));
    CN_TRY(cn_scheduler_start(&s->service, s->lanes, s->n_lanes, n_batch, session.n_logits,
                              o->max_waiting, &s->tally, &s->scheduler, err));
    return cn_http_start(&o->http, &s->service, s->scheduler, &s->tally, &s->http, err);
}

enum cn_status cn_server_start(const struct cn_server_options *o, const struct cn_model *model,
                               struct cn_profiler *profiler, struct cn_server **server,
                               struct cn_error *err)
{
    struct cn_server *s = calloc(1, sizeof *s);
    CN_RETURN_IF(!s, CN_ERR_MEMORY, err, "no memory for the server");
    atomic_init(&s->cancel, false);
    cn_tally_init(&s->tally);
    s->service = (struct cn_service){ .model = model,
                                      .id = o->id,
                                      .created = (int64_t)time(NULL),
                                      .template_name = o->template_name,
                                      .template_text = o->template_text,
                                      .n_template_text = o->n_template_text,
                                      .profiler = profiler,
                                      .timeout_s = o->timeout_s,
                                      .cancel = &s->cancel };
    const enum cn_status status = start(s, o, err);
    if (status == CN_OK)
        *server = s;
    else
        free_server(s);
    return status;
}

void cn_server_get_facts(const struct cn_server *s, struct cn_server_facts *facts)
{
    *facts = (struct cn_server_facts){ .port = cn_http_port(s->http),
                                       .n_lanes = s->n_lanes,
                                       .n_kept = s->n_kept,
                                       .n_ctx = s->service.n_ctx,
                                       .lane_bytes = cn_lanes_bytes(s->lanes),
                                       .why_no_chat = s->chat ? NULL : s->why_no_chat.text };
}

/* Until no job is open, or the time is over. */
static void wait_for_jobs(struct cn_server *s, double until)
{
    while (cn_scheduler_n_open(s->scheduler) > 0 && cn_seconds() < until)
        usleep(10000);
}

void cn_server_stop(struct cn_server *s, double drain_s)
{
    if (!s)
        return;
    cn_http_quiesce(s->http);
    cn_scheduler_drain(s->scheduler);
    wait_for_jobs(s, cn_seconds() + drain_s);
    atomic_store(&s->cancel, true);
    /* Sleeping connections are woken by the ends of their jobs, before all are closed; what was
     * said last gets a moment to go out. */
    wait_for_jobs(s, cn_seconds() + 60);
    const double until = cn_seconds() + 2;
    while (cn_http_n_open(s->http) > 0 && cn_seconds() < until)
        usleep(10000);
    free_server(s);
}
