/* SPDX-License-Identifier: MIT
 *
 * carnot serve: a model behind HTTP, put together from lanes, scheduler and connections.
 */
#ifndef CN_SERVER_H
#define CN_SERVER_H

#include "serve/http.h"

struct cn_server;

struct cn_server_options {
    struct cn_http_options http;
    struct cn_session_options session; /* of each lane; its cancel is the server's */
    const char *id;                    /* what clients call the model */
    int32_t n_lanes;                   /* answers at a time, 1 to CN_MAX_LANES */
    size_t cache_bytes; /* what lanes may hold together: as many are kept for conversations as fit,
                         * and at least n_lanes */
    int64_t max_waiting;
    double timeout_s;
    const char *template_name, *template_text; /* as of cn_chat_options */
    size_t n_template_text;
};

/* The model must be open; the profiler started, and from now on the server's until its end. */
enum cn_status cn_server_start(const struct cn_server_options *options,
                               const struct cn_model *model, struct cn_profiler *profiler,
                               struct cn_server **server, struct cn_error *err);

struct cn_server_facts {
    uint16_t port;
    int32_t n_lanes, n_kept, n_ctx; /* n_kept: lanes in all */
    size_t lane_bytes;
    const char *why_no_chat; /* NULL: conversations are answered */
};
void cn_server_get_facts(const struct cn_server *server, struct cn_server_facts *facts);

/* Takes no more requests, and finishes those that are there within drain_s; the rest is broken off.
 * Then frees all. NULL is allowed. */
void cn_server_stop(struct cn_server *server, double drain_s);

#endif
