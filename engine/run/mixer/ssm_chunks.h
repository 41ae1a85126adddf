/* SPDX-License-Identifier: MIT
 *
 * Many tokens of a selective state space as matrix products (arXiv 2405.21060, section 6).
 */
#ifndef CN_SSM_CHUNKS_H
#define CN_SSM_CHUNKS_H

#include "engine/run/mixer/ssm.h"

/* From so many tokens on it is faster than going token by token. */
enum { CN_SSM_CHUNKED_TOKENS = 16 };

/* Floats of p->panels for n tokens, and of a thread's scratch. */
int64_t cn_ssm_panels(const struct cn_hparams *hp, const struct cn_ssm_widths *w, int64_t n);
int64_t cn_ssm_thread_floats(const struct cn_ssm_widths *w);

void cn_ssm_chunks(struct cn_ssm *p);

#endif
