/* SPDX-License-Identifier: MIT
 *
 * EXAONE 4: norms after the branches; the 32B model slides in three layers of four, and rotates in
 * those only (arXiv 2507.11407).
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "exaone-4-1.2b", .n_layer = 30, .n_vocab = 102400, .vocab = &cn_vocab_exaone,
      .has = CN_BIT(ROPE_FREQS),
      .rope_factor = 16,
      .keys = "context_length=65536 embedding_length=2048 feed_forward_length=4096 "
              "attention.head_count=32 attention.head_count_kv=8 rope.dimension_count=64 "
              "rope.freq_base=1e6 attention.layer_norm_rms_epsilon=1e-5" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_exaone4;
const struct cn_arch cn_arch_exaone4 = {
    .name = "exaone4",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_BIT(OUTPUT_NORM) | CN_SLOTS_SPLIT_QKV | CN_SLOTS_POST_NORMS | CN_SLOTS_QK_NORM,
    .optional = CN_BIT(OUTPUT) | CN_BIT(ROPE_FREQS),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .rope_neox = true,
    .sliding = {.which = CN_LAYERS_BUT_EVERY,
                .period = 4,
                .key = "attention.sliding_window_pattern"},
    .sliding_in_layers = 64,
    .sliding_window = 4096,
    .rotate_sliding_only = true,
};
