/* SPDX-License-Identifier: MIT
 *
 * Counts of what a server has done, as Prometheus reads them.
 */
#ifndef CN_TALLY_H
#define CN_TALLY_H

#include <pthread.h>

#include "serve/job.h"

enum { CN_TALLY_CODES = 16 };

struct cn_tally {
    pthread_mutex_t lock;
    struct {
        int code;
        int64_t n;
    } answers[CN_TALLY_CODES]; /* by status of HTTP */
    int64_t n_gone;            /* clients that did not wait */
    int64_t prompt_tokens, cached_tokens, generated_tokens;
    struct {
        double seconds, joules, joules_net;
        int64_t n_unknown; /* requests whose joules are not known */
    } prefill, decode;
    double first_token_s; /* sum over n_first */
    int64_t n_first;
    int32_t n_lanes, n_busy; /* now */
    int64_t n_waiting, kept_tokens;
    size_t lane_bytes;
};

void cn_tally_init(struct cn_tally *tally);
void cn_tally_destroy(struct cn_tally *tally);
/* An answer went out with this status of HTTP; 0: nobody waited for it. */
void cn_tally_answer(struct cn_tally *tally, int code);
void cn_tally_usage(struct cn_tally *tally, const struct cn_spent *usage);
void cn_tally_write(struct cn_tally *tally, const struct cn_service *service,
                    const struct cn_meter_info *meter, struct cn_json_text *out);

#endif
