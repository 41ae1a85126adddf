/* SPDX-License-Identifier: MIT
 *
 * What all requests share: the model, how it talks, and what may be asked of it.
 */
#ifndef CN_SERVICE_H
#define CN_SERVICE_H

#include <stdatomic.h>

#include "profiler/profiler.h"
#include "serve/tool_marks.h"

struct cn_service {
    const struct cn_model *model;
    const char *id;             /* what clients call the model */
    int64_t created;            /* seconds since 1970 */
    const struct cn_chat *chat; /* NULL: conversations are refused, for the reason why_no_chat */
    const char *why_no_chat;
    const char *template_name; /* a built-in one; NULL: that of `template_text`, or of the file */
    const char *template_text; /* [n_template_text] */
    size_t n_template_text;
    struct cn_tool_marks marks;
    struct cn_profiler *profiler; /* started; the scheduler's thread alone asks it */
    int32_t n_ctx;                /* of a lane */
    double timeout_s;             /* of an answer, from its request on; 0: none */
    atomic_bool *cancel;          /* true: evaluations end early */
};

#endif
