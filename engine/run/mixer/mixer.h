/* SPDX-License-Identifier: MIT
 *
 * How a layer mixes tokens: one const table for each kind, and a row in mixers.def.
 */
#ifndef CN_MIXER_H
#define CN_MIXER_H

#include "engine/run/session.h"

/* What sizes depend on. */
struct cn_mixer_sizes {
    const struct cn_model *model;
    enum cn_kv_type kv;
    int64_t n_ctx, n_batch; /* most positions, most tokens of a pass */
};

static inline struct cn_mixer_sizes cn_mixer_sizes_of(const struct cn_group *g)
{
    return (struct cn_mixer_sizes){ g->model, g->options.kv, g->n_ctx, g->n_batch };
}

struct cn_mixer {
    const char *name;
    /* Bytes that a layer keeps from token to token: rows by position, or a state. 0: nothing. */
    size_t (*state_bytes)(const struct cn_mixer_sizes *sizes, int64_t layer);
    /* Takes them into use: writes s->kv[layer], or s->states[layer]. memory is aligned to 64 bytes.
     */
    void (*place)(struct cn_session *s, int64_t layer, void *memory);
    /* Whether its rows may be cut into blocks of so many numbers. */
    bool (*fits_blocks)(const struct cn_model *model, int64_t layer, int64_t elems);
    /* Bytes of g->mixer_scratch for a pass, and of g->thread_scratch for a thread. */
    size_t (*scratch_bytes)(const struct cn_mixer_sizes *sizes, int64_t layer);
    size_t (*thread_scratch_bytes)(const struct cn_model *model, int64_t layer);
    /* What of the former long prompts need to unfold the rows of a context. NULL: nothing. */
    size_t (*unfold_bytes)(const struct cn_mixer_sizes *sizes, int64_t layer);
    /* Inputs of products that it runs together, beside g->input: how many, and their columns. 0 or
     * NULL: none. */
    int64_t (*n_inputs)(const struct cn_model *model, int64_t layer, int64_t *n_cols);
    /* Its products may have inputs of floats, whatever the formats of the model's matrices. */
    bool float_inputs;
    /* g->t = the n tokens x [n, n_embd] of the pass, each mixed with those before it in its
     * session, without the bias of the output. */
    void (*run)(struct cn_group *g, int64_t layer, const float *x, int64_t n);
    /* Adds what an op does with the state of a layer in a pass of n tokens; `run` adds that to the
     * sessions' work. NULL: nothing. */
    void (*work)(const struct cn_model *model, int64_t layer, enum cn_op op, int64_t n,
                 struct cn_work *work);
    /* Adds an op's products with matrices whose use depends on where the n tokens stand. NULL:
     * there are none. */
    void (*products_work)(const struct cn_model *model, int64_t layer, enum cn_op op,
                          int64_t position, int64_t n, struct cn_work *work);
    /* Bytes of a copy of a layer's state, taking one and going back to it (layer_state.h). NULL:
     * the layer keeps rows by position, and a rewind just forgets some. */
    size_t (*saved_bytes)(const struct cn_session *s, int64_t layer);
    void (*save)(const struct cn_session *s, int64_t layer, void *copy);
    void (*restore)(struct cn_session *s, int64_t layer, const void *copy);
};

/* Mixer i of a layer of the model; NULL behind its last, which i = CN_LAYER_MIXERS is at the most.
 */
const struct cn_mixer *cn_mixer_of(const struct cn_model *model, int64_t layer, int i);

/* mixer_latent.c: whether n tokens of a session from position on are attended to with the rows of
 * the cache unfolded into keys and values. */
bool cn_latent_unfolds(const struct cn_model *model, int64_t layer, int64_t position, int64_t n);

#endif
