/* SPDX-License-Identifier: MIT */
#include "engine/run/mixer/layer_state.h"

#include <string.h>

void cn_state_place(struct cn_session *s, int64_t layer, void *memory, size_t n_bytes)
{
    s->states[layer] = (struct cn_state){ memory, n_bytes };
    s->has_states = true;
}

size_t cn_state_saved_bytes(const struct cn_session *s, int64_t layer)
{
    return s->states[layer].bytes;
}

void cn_state_save(const struct cn_session *s, int64_t layer, void *copy)
{
    memcpy(copy, s->states[layer].values, s->states[layer].bytes);
}

void cn_state_restore(struct cn_session *s, int64_t layer, const void *copy)
{
    memcpy(s->states[layer].values, copy, s->states[layer].bytes);
}

void cn_states_work(struct cn_group *g, const struct cn_mixer *mixer, int64_t layer, enum cn_op op)
{
    for (int i = 0; i < g->n_slices; i++)
        mixer->work(g->model, layer, op, g->slices[i].n, &g->slices[i].session->work);
}

void cn_states_clear(struct cn_session *s)
{
    for (int64_t i = 0; s->has_states && i < s->model->hp.n_layer; i++)
        if (s->states[i].bytes > 0)
            memset(s->states[i].values, 0, s->states[i].bytes);
}
