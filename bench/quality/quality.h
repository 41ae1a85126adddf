/* SPDX-License-Identifier: MIT
 *
 * Distance of a quantised model from the one it was made of, on text that the latter writes itself:
 * no outside text is needed.
 */
#ifndef CN_QUALITY_H
#define CN_QUALITY_H

#include "bench/quality/ppl.h"

struct cn_quality; /* the base model's text and logits (in an unlinked temporary file) */

enum {
    CN_QUALITY_CTX = 256,
    CN_QUALITY_CHUNKS = 16,
};

/* Lets `base` write CN_QUALITY_CHUNKS texts of CN_QUALITY_CTX tokens (temperature 1, fixed seed)
 * and keeps its logits on them. The caller frees it. n_threads 0: every core. */
enum cn_status cn_quality_create(const struct cn_model *base, int32_t n_threads,
                                 struct cn_quality **quality, struct cn_error *err);
void cn_quality_free(struct cn_quality *quality);

/* Divergence of `model` from the base on its text; the vocabularies must be the same. */
enum cn_status cn_quality_measure(struct cn_quality *quality, const struct cn_model *model,
                                  int32_t n_threads, struct cn_perplexity *result,
                                  struct cn_error *err);

#endif
