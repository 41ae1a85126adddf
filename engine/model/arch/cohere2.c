/* SPDX-License-Identifier: MIT
 *
 * Command R7B: parallel branches, LayerNorm without bias, positions in sliding layers only
 * (arXiv 2504.00698).
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "command-r7b", .n_layer = 32, .n_vocab = 256000, .vocab = &cn_vocab_cohere,
      .keys = "context_length=132096 embedding_length=4096 feed_forward_length=14336 "
              "attention.head_count=32 attention.head_count_kv=8 rope.dimension_count=128 "
              "rope.freq_base=50000.0 attention.layer_norm_epsilon=1e-5 "
              "attention.sliding_window=4096 logit_scale=0.25" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_cohere2;
const struct cn_arch cn_arch_cohere2 = {
    .name = "cohere2",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_BIT(ATTN_NORM) | CN_BIT(OUTPUT_NORM) | CN_SLOTS_SPLIT_QKV,
    .optional = CN_SLOTS_QKV_BIAS | CN_BIT(ATTN_OUT_B),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .layer_norm = true,
    .parallel = true,
    .scale_keys = true,
    .logit_scale_multiplies = true,
    .sliding = {.which = CN_LAYERS_BUT_EVERY,
                .period = 4,
                .key = "attention.sliding_window_pattern"},
    .window_required = true,
    .rotate_sliding_only = true,
};
