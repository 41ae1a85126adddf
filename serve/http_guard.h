/* SPDX-License-Identifier: MIT
 *
 * Who may ask: by what name the server was called, from which page, with which key.
 */
#ifndef CN_HTTP_GUARD_H
#define CN_HTTP_GUARD_H

#include "serve/http.h"

/* Headers of a request; NULL: not there. */
struct cn_http_caller {
    const char *host, *origin, *authorization;
};

/* False with a refusal. needs_key: what is asked for is not for everybody. */
bool cn_http_guard(const struct cn_http_options *options, const struct cn_http_caller *caller,
                   bool needs_key, struct cn_refusal *refusal);
/* Whether pages of this origin may read answers (CORS): because --cors says so, not because they
 * are the server's own. */
bool cn_http_cors(const struct cn_http_options *options, const char *origin);

#endif
