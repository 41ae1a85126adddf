/* SPDX-License-Identifier: MIT */
#ifndef CN_HPARAMS_H
#define CN_HPARAMS_H

#include "engine/model/model.h"

/* Reads and checks the hyperparameters of an architecture. n_vocab: number of tokens of the
 * vocabulary. hparams->layers is malloc'ed and the caller's to free; after an error nothing is. */
enum cn_status cn_hparams_read(const struct cn_gguf *gguf, const struct cn_arch *arch,
                               int64_t n_vocab, struct cn_hparams *hparams, struct cn_error *err);

#endif
