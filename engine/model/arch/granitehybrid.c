/* SPDX-License-Identifier: MIT
 *
 * Granite 4 H: Granite with a state space (Mamba-2) in most layers and attention, often without
 * positions, in the others.
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "granite-4-h-350m", .n_layer = 32, .n_vocab = 100352, .vocab = &cn_vocab_granite4,
      .has = CN_BIT(SSM_CONV_B),
      .keys = "context_length=32768 embedding_length=768 feed_forward_length=2048 "
              "attention.head_count=12 "
              "attention.head_count_kv=[10*0,4,0,0,4,0,0,0,4,9*0,4,4*0] "
              "attention.layer_norm_rms_epsilon=1e-5 rope.dimension_count=64 "
              "rope.scaling.finetuned=false attention.scale=0.015625 embedding_scale=12.0 "
              "residual_scale=0.246 logit_scale=3.0 ssm.conv_kernel=4 ssm.inner_size=1536 "
              "ssm.state_size=128 ssm.time_step_rank=48 ssm.group_count=1" },
    { .name = "granite-4-h-micro", .n_layer = 40, .n_vocab = 100352, .vocab = &cn_vocab_granite4,
      .has = CN_BIT(SSM_CONV_B),
      .keys = "context_length=131072 embedding_length=2048 feed_forward_length=8192 "
              "attention.head_count=32 "
              "attention.head_count_kv=[5*0,8,9*0,8,9*0,8,9*0,8,4*0] "
              "attention.layer_norm_rms_epsilon=1e-5 rope.dimension_count=64 "
              "rope.scaling.finetuned=false attention.scale=0.015625 embedding_scale=12.0 "
              "residual_scale=0.22 logit_scale=8.0 ssm.conv_kernel=4 ssm.inner_size=4096 "
              "ssm.state_size=128 ssm.time_step_rank=64 ssm.group_count=1" },
    { .name = "granite-4-h-tiny", .n_layer = 40, .n_vocab = 100352, .vocab = &cn_vocab_granite4,
      .has = CN_BIT(SSM_CONV_B),
      .keys = "context_length=131072 embedding_length=1536 feed_forward_length=512 "
              "attention.head_count=12 "
              "attention.head_count_kv=[5*0,4,9*0,4,9*0,4,9*0,4,4*0] "
              "attention.layer_norm_rms_epsilon=1e-5 rope.dimension_count=128 "
              "rope.scaling.finetuned=false attention.scale=0.0078125 embedding_scale=12.0 "
              "residual_scale=0.22 logit_scale=6.0 ssm.conv_kernel=4 ssm.inner_size=3072 "
              "ssm.state_size=128 ssm.time_step_rank=48 ssm.group_count=1 expert_count=64 "
              "expert_used_count=6 expert_shared_feed_forward_length=1024" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_granitehybrid;
const struct cn_arch cn_arch_granitehybrid = {
    .name = "granitehybrid",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_SPLIT_QKV | CN_SLOTS_SSM,
    .optional = CN_BIT(OUTPUT) | CN_SLOTS_QKV_BIAS | CN_BIT(ATTN_OUT_B) | CN_SLOTS_FFN_BIAS |
                CN_BIT(SSM_CONV_B),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .experts = CN_SLOTS_EXPERTS | CN_SLOTS_SHARED_FFN,
    .state_mixer = CN_MIXER_SSM,
    .shared_width = CN_SHARED_BY_KEY,
    .normalise_experts = true,
    .scale_keys = true,
    .rotation_key = "rope.scaling.finetuned",
};
