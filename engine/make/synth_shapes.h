/* SPDX-License-Identifier: MIT
 *
 * The shapes of public models, for synthetic ones of the same cost.
 */
#ifndef CN_SYNTH_SHAPES_H
#define CN_SYNTH_SHAPES_H

#include <stdbool.h>
#include <stdint.h>

/* Tokens with a meaning, which the made-up words leave room for. */
struct cn_synth_special {
    int32_t id;
    const char *text;
};

struct cn_synth_vocab {
    const char *pre; /* tokenizer.ggml.pre */
    int32_t bos, eos;
    bool add_bos;
    struct cn_synth_special special[6]; /* until the first without text */
};

struct cn_synth_shape {
    const char *name, *arch;
    int32_t n_layer, n_embd, n_ff; /* n_ff of a dense layer, or of an expert if n_ff_expert is 0 */
    int32_t n_head, n_head_kv, d_head, n_rot;
    int32_t n_vocab, n_ctx;
    float rope_base, eps;
    int32_t n_expert, n_expert_used, n_ff_expert;
    bool tied;         /* no output.weight */
    float rope_factor; /* llama 3 style frequency factors; 0: none */
    const struct cn_synth_vocab *vocab;
};

extern const struct cn_synth_shape cn_synth_shapes[];
extern const int cn_n_synth_shapes;

#endif
