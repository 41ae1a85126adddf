/* SPDX-License-Identifier: MIT
 *
 * Qwen 3.5, mixtures of experts with a gated shared one.
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "qwen3.5-35b-a3b", .n_layer = 40, .n_vocab = 248320, .vocab = &cn_vocab_qwen35,
      .has = CN_BIT(OUTPUT),
      .keys = "context_length=262144 embedding_length=2048 feed_forward_length=512 "
              "attention.head_count=16 attention.head_count_kv=2 attention.key_length=256 "
              "attention.value_length=256 rope.dimension_count=64 "
              "rope.dimension_sections={11,11,10,0} rope.freq_base=1e7 "
              "attention.layer_norm_rms_epsilon=1e-6 full_attention_interval=4 ssm.conv_kernel=4 "
              "ssm.state_size=128 ssm.group_count=16 ssm.inner_size=4096 ssm.time_step_rank=32 "
              "expert_count=256 expert_used_count=8 expert_feed_forward_length=512 "
              "expert_shared_feed_forward_length=512" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_qwen35moe;
const struct cn_arch cn_arch_qwen35moe = {
    .name = "qwen35moe",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_BIT(ATTN_NORM) | CN_BIT(SECOND_NORM) | CN_BIT(OUTPUT_NORM) | CN_SLOTS_SPLIT_QKV |
                CN_SLOTS_QK_NORM | CN_SLOTS_DELTA | CN_BIT(DELTA_BETA) | CN_BIT(DELTA_ALPHA),
    .optional = CN_BIT(OUTPUT) | CN_BIT(GATE_UP_EXPS),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .experts = CN_SLOTS_EXPERTS | CN_SLOTS_SHARED_EXPERT,
    .state_mixer = CN_MIXER_DELTA,
    .state_layers = {.which = CN_LAYERS_BUT_EVERY,
                     .period = 4,
                     .key = "attention.recurrent_layers",
                     .period_key = "full_attention_interval"},
    .normalise_experts = true,
    .output_gate = true,
    .rope_neox = true,
    .rope_sections = true,
};
