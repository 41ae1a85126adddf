/* SPDX-License-Identifier: MIT
 *
 * Qwen 3.5, dense: gated delta nets, every fourth layer gated attention instead (arXiv 2412.06464,
 * 2505.06708).
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* What all sizes share. */
#define QWEN35_KEYS                                                                      \
    "context_length=262144 attention.key_length=256 attention.value_length=256 "         \
    "rope.dimension_count=64 rope.dimension_sections={11,11,10,0} rope.freq_base=1e7 "   \
    "attention.layer_norm_rms_epsilon=1e-6 full_attention_interval=4 ssm.conv_kernel=4 " \
    "ssm.state_size=128 ssm.group_count=16 "

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "qwen3.5-0.8b", .n_layer = 24, .n_vocab = 248320, .vocab = &cn_vocab_qwen35,
      .keys = QWEN35_KEYS "embedding_length=1024 feed_forward_length=3584 "
              "attention.head_count=8 attention.head_count_kv=2 ssm.inner_size=2048 "
              "ssm.time_step_rank=16" },
    { .name = "qwen3.5-2b", .n_layer = 24, .n_vocab = 248320, .vocab = &cn_vocab_qwen35,
      .keys = QWEN35_KEYS "embedding_length=2048 feed_forward_length=6144 "
              "attention.head_count=8 attention.head_count_kv=2 ssm.inner_size=2048 "
              "ssm.time_step_rank=16" },
    { .name = "qwen3.5-4b", .n_layer = 32, .n_vocab = 248320, .vocab = &cn_vocab_qwen35,
      .keys = QWEN35_KEYS "embedding_length=2560 feed_forward_length=9216 "
              "attention.head_count=16 attention.head_count_kv=4 ssm.inner_size=4096 "
              "ssm.time_step_rank=32" },
    { .name = "qwen3.5-9b", .n_layer = 32, .n_vocab = 248320, .vocab = &cn_vocab_qwen35,
      .has = CN_BIT(OUTPUT),
      .keys = QWEN35_KEYS "embedding_length=4096 feed_forward_length=12288 "
              "attention.head_count=16 attention.head_count_kv=4 ssm.inner_size=4096 "
              "ssm.time_step_rank=32" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_qwen35;
const struct cn_arch cn_arch_qwen35 = {
    .name = "qwen35",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_BIT(ATTN_NORM) | CN_BIT(SECOND_NORM) | CN_BIT(OUTPUT_NORM) | CN_SLOTS_SPLIT_QKV |
                CN_SLOTS_QK_NORM | CN_SLOTS_DELTA | CN_BIT(DELTA_BETA) | CN_BIT(DELTA_ALPHA),
    .optional = CN_BIT(OUTPUT),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .state_mixer = CN_MIXER_DELTA,
    .state_layers = {.which = CN_LAYERS_BUT_EVERY,
                     .period = 4,
                     .key = "attention.recurrent_layers",
                     .period_key = "full_attention_interval"},
    .output_gate = true,
    .rope_neox = true,
    .rope_sections = true,
};
