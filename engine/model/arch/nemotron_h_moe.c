/* SPDX-License-Identifier: MIT
 *
 * Nemotron 3: Nemotron H whose feed-forward layers are experts beside a shared one, in a narrower
 * space in some models.
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "nemotron-3-nano-30b-a3b", .n_layer = 52, .n_vocab = 131072, .vocab = &cn_vocab_nemotron,
      .has = CN_BIT(OUTPUT) | CN_BIT(SSM_CONV_B),
      .keys = "context_length=262144 embedding_length=2688 "
              "feed_forward_length=[0,1856,0,1856,2*0,1856,0,1856,0,1856,2*0,1856,0,1856,0,1856,2*0,1856,0,1856,0,1856,2*0,1856,0,1856,0,1856,2*0,1856,0,1856,0,1856,0,1856,2*0,1856,0,1856,0,1856,0,1856,0,1856] "
              "attention.head_count=32 "
              "attention.head_count_kv=[5*0,2,6*0,2,6*0,2,6*0,2,6*0,2,8*0,2,9*0] "
              "attention.key_length=128 attention.value_length=128 "
              "attention.layer_norm_rms_epsilon=1e-5 ssm.conv_kernel=4 ssm.inner_size=4096 "
              "ssm.state_size=128 ssm.time_step_rank=64 ssm.group_count=8 expert_count=128 "
              "expert_used_count=6 expert_feed_forward_length=1856 expert_shared_count=1 "
              "expert_shared_feed_forward_length=3712 expert_weights_norm=true "
              "expert_weights_scale=2.5 expert_gating_func=2" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_nemotron_h_moe;
const struct cn_arch cn_arch_nemotron_h_moe = {
    .name = "nemotron_h_moe",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_BIT(ATTN_NORM) | CN_BIT(OUTPUT_NORM) | CN_SLOTS_SPLIT_QKV | CN_SLOTS_SSM,
    .optional = CN_BIT(OUTPUT) | CN_SLOTS_QKV_BIAS | CN_BIT(ATTN_OUT_B) | CN_BIT(SSM_CONV_B),
    .dense_ffn = CN_BIT(UP) | CN_BIT(DOWN),
    .experts = CN_BIT(ROUTER) | CN_BIT(SELECT_B) | CN_BIT(UP_EXPS) | CN_BIT(DOWN_EXPS) |
               CN_BIT(UP_SHARED) | CN_BIT(DOWN_SHARED) | CN_BIT(EXPERTS_DOWN) | CN_BIT(EXPERTS_UP),
    .state_mixer = CN_MIXER_SSM,
    .one_branch = true,
    .parallel = true,
    .activation = CN_RELU_SQUARED,
    .gating = CN_GATING_SIGMOID,
    .shared_width = CN_SHARED_BY_KEY,
    .unrotated = { .which = CN_LAYERS_ALL },
};
