/* SPDX-License-Identifier: MIT
 *
 * A long past that nobody evaluated: the rows of the first tokens over and over. What a token costs
 * behind it is what it costs behind a real one; what it says means nothing.
 */
#include "base/error.h"
#include "engine/run/attend.h"
#include "engine/run/nextn.h"

#include <string.h>

/* Rows n_held up to n of each head are those that stand n_held before. A ring holds its last ones.
 */
static void fill_rows(const struct cn_kv *kv, int64_t n_held, int64_t n)
{
    const int64_t before = n_held < kv->capacity ? n_held : kv->capacity;
    for (int64_t h = 0; h < kv->n_heads; h++)
        for (int64_t at = n_held; at < n; at++) {
            memcpy(cn_kv_key(kv, h, at), cn_kv_key(kv, h, at - before), kv->k_row_bytes);
            if (kv->v != kv->k)
                memcpy(cn_kv_value(kv, h, at), cn_kv_value(kv, h, at - before), kv->v_row_bytes);
        }
}

enum cn_status cn_session_fill(struct cn_session *s, const int32_t *tokens, int32_t n,
                               struct cn_error *err)
{
    const struct cn_hparams *hp = &s->model->hp;
    CN_RETURN_IF(s->position < 1 || s->state_position != s->position, CN_ERR_ARGUMENT, err,
                 "fill: a session that holds tokens expected");
    CN_TRY(cn_session_check_tokens(s, tokens, n, s->position, err));
    const int32_t end = s->position + n;
    for (int64_t i = 0; i < hp->n_layer; i++)
        if (hp->layers[i].kv_layer == i) /* layers may share the rows of an earlier one */
            fill_rows(&s->kv[i], s->position, end);
    memcpy(s->tokens + s->position, tokens, (size_t)n * sizeof *tokens);
    s->position = end;
    if (end > s->n_written)
        s->n_written = end;
    s->state_position = end;
    s->n_logits_valid = 0;
    s->keep = CN_KEEP_NOTHING;
    if (s->nextn) /* of that there is nothing */
        s->nextn->n_rows = 0;
    return CN_OK;
}
