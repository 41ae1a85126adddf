/* SPDX-License-Identifier: MIT
 *
 * gpt-oss: sinks, every other layer slides, biases everywhere, clamped experts (arXiv 2508.10925).
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "gpt-oss-20b", .n_layer = 24, .n_vocab = 201088, .vocab = &cn_vocab_gptoss,
      .has = CN_BIT(OUTPUT),
      .keys = "context_length=131072 embedding_length=2880 feed_forward_length=2880 "
              "attention.head_count=64 attention.head_count_kv=8 attention.key_length=64 "
              "attention.value_length=64 rope.dimension_count=64 rope.freq_base=150000.0 "
              "attention.layer_norm_rms_epsilon=1e-5 attention.sliding_window=128 "
              "rope.scaling.type=yarn rope.scaling.factor=32.0 "
              "rope.scaling.original_context_length=4096 expert_count=32 expert_used_count=4 "
              "expert_feed_forward_length=2880" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_gpt_oss;
const struct cn_arch cn_arch_gpt_oss = {
    .name = "gpt-oss",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_BIT(ATTN_NORM) | CN_BIT(SECOND_NORM) | CN_BIT(OUTPUT_NORM) | CN_SLOTS_SPLIT_QKV |
                CN_SLOTS_QKV_BIAS | CN_BIT(ATTN_OUT_B) | CN_BIT(SINKS),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .experts = CN_SLOTS_EXPERTS | CN_BIT(ROUTER_B) | CN_BIT(GATE_EXPS_B) | CN_BIT(UP_EXPS_B) |
               CN_BIT(DOWN_EXPS_B),
    .activation = CN_SWIGLU_CLAMPED,
    .gating = CN_GATING_SOFTMAX_CHOSEN,
    .rope_neox = true,
    .heads_rotate_whole = true,
    .output_required = true,
    .sliding = {.which = CN_LAYERS_BUT_EVERY,
                .period = 2,
                .key = "attention.sliding_window_pattern"},
    .window_required = true,
};
