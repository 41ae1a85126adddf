/* SPDX-License-Identifier: MIT
 *
 * One text becomes two: a session takes over what another one of its group holds. It copies: of
 * 4096 tokens that takes less than a hundredth of the prefill that it saves (docs/SPEED.md). Rows
 * that sessions share would save memory, and cost every layer a second stretch of rows to attend
 * to, and each session a word with the others before it rewinds.
 */
#include "base/error.h"
#include "engine/run/copies.h"
#include "engine/run/nextn.h"

#include <string.h>

/* The rows of a layer that are in use, of each head. */
static void copy_rows(const struct cn_kv *to, const struct cn_kv *from, int64_t n_written)
{
    const size_t rows = (size_t)(n_written < from->capacity ? n_written : from->capacity);
    for (int64_t h = 0; h < from->n_heads; h++) {
        const size_t first = (size_t)(h * from->capacity);
        memcpy(to->k + first * to->k_row_bytes, from->k + first * from->k_row_bytes,
               rows * from->k_row_bytes);
        if (from->v != from->k)
            memcpy(to->v + first * to->v_row_bytes, from->v + first * from->v_row_bytes,
                   rows * from->v_row_bytes);
    }
}

enum cn_status cn_session_fork(struct cn_session *to, const struct cn_session *from,
                               struct cn_error *err)
{
    const struct cn_hparams *hp = &to->model->hp;
    CN_RETURN_IF(to == from || to->group != from->group, CN_ERR_ARGUMENT, err,
                 "fork: two sessions of one group expected");
    cn_copies_drop(to, 0);
    for (int64_t i = 0; i < hp->n_layer; i++) {
        /* Layers may share the rows of an earlier one. */
        if (hp->layers[i].kv_layer == i)
            copy_rows(&to->kv[i], &from->kv[i], from->n_written);
        if (from->states[i].bytes > 0)
            memcpy(to->states[i].values, from->states[i].values, from->states[i].bytes);
    }
    memcpy(to->tokens, from->tokens, (size_t)from->position * sizeof *to->tokens);
    memcpy(to->logits, from->logits,
           (size_t)(from->n_logits_valid * hp->n_vocab) * sizeof *to->logits);
    to->n_logits_valid = from->n_logits_valid;
    to->position = from->position;
    to->state_position = from->state_position;
    to->n_written = from->n_written;
    to->oldest = from->oldest;
    to->keep = from->keep;
    if (to->nextn) /* of that nothing is copied */
        to->nextn->n_rows = 0;
    return CN_OK;
}
