/* SPDX-License-Identifier: MIT
 *
 * Nemotron H: layers of a single branch, a state space (Mamba-2), attention without positions or a
 * feed-forward part without a gate (arXiv 2504.03624).
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "nemotron-nano-9b-v2", .n_layer = 56, .n_vocab = 131072, .vocab = &cn_vocab_nemotron,
      .has = CN_BIT(OUTPUT) | CN_BIT(SSM_CONV_B),
      .keys = "context_length=131072 embedding_length=4480 "
              "feed_forward_length=[0,15680,0,15680,0,15680,2*0,15680,0,15680,0,15680,2*0,15680,0,15680,0,15680,2*0,15680,0,15680,0,15680,0,15680,2*0,15680,0,15680,0,15680,0,15680,2*0,15680,0,15680,2*0,15680,0,15680,0,15680,0,15680,0,15680,0,15680] "
              "attention.head_count=40 "
              "attention.head_count_kv=[14*0,8,6*0,8,8*0,8,8*0,8,16*0] "
              "attention.key_length=128 attention.value_length=128 "
              "attention.layer_norm_rms_epsilon=1e-5 ssm.conv_kernel=4 ssm.inner_size=10240 "
              "ssm.state_size=128 ssm.time_step_rank=128 ssm.group_count=8" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_nemotron_h;
const struct cn_arch cn_arch_nemotron_h = {
    .name = "nemotron_h",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_BIT(ATTN_NORM) | CN_BIT(OUTPUT_NORM) | CN_SLOTS_SPLIT_QKV | CN_SLOTS_SSM,
    .optional = CN_BIT(OUTPUT) | CN_SLOTS_QKV_BIAS | CN_BIT(ATTN_OUT_B) | CN_BIT(UP_B) |
                CN_BIT(DOWN_B) | CN_BIT(SSM_CONV_B),
    .dense_ffn = CN_BIT(UP) | CN_BIT(DOWN),
    .state_mixer = CN_MIXER_SSM,
    .one_branch = true,
    .parallel = true,
    .activation = CN_RELU_SQUARED,
    .unrotated = { .which = CN_LAYERS_ALL },
};
