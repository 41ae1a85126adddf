/* SPDX-License-Identifier: MIT
 *
 * The way in: connections, who may ask, and what of it goes where.
 */
#ifndef CN_HTTP_H
#define CN_HTTP_H

#include "serve/scheduler.h"

struct cn_http;

struct cn_http_options {
    const char *host;         /* an address of this machine: "127.0.0.1", "::1", "0.0.0.0" */
    uint16_t port;            /* 0: any that is free */
    const char *const *names; /* [n_names] what the server may be called, beside addresses and
                               * "localhost": a page that a browser took from elsewhere is not to
                               * reach it under a name of its own */
    size_t n_names;
    const char *const *origins; /* [n_origins] whose pages may ask: "https://chat.example"; "*" */
    size_t n_origins;
    const char *api_key; /* NULL: none is asked for */
    size_t max_body_bytes;
    int idle_s; /* a connection that says nothing for so long is closed */
};

/* False in a build without libmicrohttpd: nothing here works then. */
bool cn_http_built(void);

/* Listens and answers from threads of its own. All that is given must outlive it, but options. */
enum cn_status cn_http_start(const struct cn_http_options *options,
                             const struct cn_service *service, struct cn_scheduler *scheduler,
                             struct cn_tally *tally, struct cn_http **http, struct cn_error *err);
uint16_t cn_http_port(const struct cn_http *http);
/* Takes no more connections. */
void cn_http_quiesce(struct cn_http *http);
/* Requests that are being answered. */
int cn_http_n_open(const struct cn_http *http);
/* Closes all connections. No job may be under way. NULL is allowed. */
void cn_http_stop(struct cn_http *http);

#endif
