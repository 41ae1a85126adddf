/* SPDX-License-Identifier: MIT */
#include "engine/run/copies.h"

#include <string.h>

void cn_copies_carve(struct cn_session *s, const struct cn_mixer_sizes *sizes, struct cn_layout *c)
{
    const struct cn_model *m = s->model;
    size_t bytes = 0;
    for (int64_t i = 0; i < m->hp.n_layer; i++) {
        const struct cn_mixer *mixer;
        for (int k = 0; (mixer = cn_mixer_of(m, i, k)); k++)
            bytes += mixer->save ? mixer->state_bytes(sizes, i) : 0;
    }
    s->copy_bytes = bytes;
    for (int i = 0; bytes > 0 && i < CN_N_COPIES; i++) {
        struct cn_copy *copy = &s->copies[i];
        copy->states = cn_layout_take(c, (int64_t)bytes, 1);
        copy->logits = cn_layout_take(c, m->hp.n_vocab, sizeof(float));
    }
}

/* The states of all layers to or from a copy's bytes. */
static void each_state(struct cn_session *s, uint8_t *at, bool restore)
{
    for (int64_t i = 0; i < s->model->hp.n_layer; i++) {
        const struct cn_mixer *mixer;
        for (int k = 0; (mixer = cn_mixer_of(s->model, i, k)); k++) {
            if (!mixer->save)
                continue;
            if (restore)
                mixer->restore(s, i, at);
            else
                mixer->save(s, i, at);
            at += mixer->saved_bytes(s, i);
        }
    }
}

void cn_copies_restore(struct cn_session *s, struct cn_copy *copy)
{
    each_state(s, copy->states, true);
    copy->used = ++s->copy_clock;
}

/* Where a copy of the session as it stands belongs. */
static struct cn_copy *place_for(struct cn_session *s)
{
    struct cn_copy *place = &s->copies[CN_MARK];
    for (int i = 0; s->keep != CN_KEEP_MARK && i < CN_N_COPIES; i++) {
        struct cn_copy *copy = &s->copies[i];
        if (copy->position == s->position)
            return copy;
        if (i != CN_MARK && (place == &s->copies[CN_MARK] || copy->used < place->used))
            place = copy;
    }
    return place;
}

void cn_copies_take(struct cn_session *s, const float *logits)
{
    if (s->keep == CN_KEEP_NOTHING || s->position == 0 || s->copy_bytes == 0) {
        s->keep = CN_KEEP_NOTHING;
        return;
    }
    struct cn_copy *copy = place_for(s);
    if (copy->position != s->position) {
        each_state(s, copy->states, false);
        copy->position = s->position;
        copy->has_logits = false;
    }
    if (logits && !copy->has_logits)
        memcpy(copy->logits, logits, (size_t)s->model->hp.n_vocab * sizeof *logits);
    copy->has_logits |= logits != NULL;
    copy->used = ++s->copy_clock;
    s->keep = CN_KEEP_NOTHING;
}

struct cn_copy *cn_copies_find(struct cn_session *s, int32_t position)
{
    struct cn_copy *nearest = NULL;
    for (int i = 0; i < CN_N_COPIES; i++) {
        struct cn_copy *copy = &s->copies[i];
        if (copy->position > (nearest ? nearest->position : 0) && copy->position <= position)
            nearest = copy;
    }
    return nearest;
}

void cn_copies_drop(struct cn_session *s, int32_t position)
{
    for (int i = 0; i < CN_N_COPIES; i++)
        if (s->copies[i].position > position) {
            s->copies[i].position = 0;
            s->copies[i].used = 0;
        }
}
