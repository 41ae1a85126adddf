/* SPDX-License-Identifier: MIT
 *
 * DeepSeek-V2 and V3, GLM-4.7-Flash and others: latent attention, many small experts beside shared
 * ones (arXiv 2405.04434, 2412.19437).
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "deepseek-v2-lite", .n_layer = 27, .n_vocab = 102400, .vocab = &cn_vocab_deepseek,
      .has = CN_BIT(OUTPUT) | CN_BIT(Q),
      .keys = "context_length=163840 embedding_length=2048 feed_forward_length=10944 "
              "attention.head_count=16 attention.head_count_kv=1 attention.kv_lora_rank=512 "
              "attention.key_length=576 attention.value_length=512 rope.dimension_count=64 "
              "attention.key_length_mla=192 attention.value_length_mla=128 "
              "rope.freq_base=10000.0 attention.layer_norm_rms_epsilon=1e-6 "
              "rope.scaling.type=yarn rope.scaling.factor=40.0 "
              "rope.scaling.original_context_length=4096 "
              "rope.scaling.yarn_log_multiplier=0.0707 leading_dense_block_count=1 "
              "expert_count=64 expert_used_count=6 expert_feed_forward_length=1408 "
              "expert_shared_count=2 expert_weights_scale=1.0" },
    { .name = "glm-4.7-flash", .n_layer = 47, .n_vocab = 154880, .vocab = &cn_vocab_glm,
      .has = CN_BIT(OUTPUT) | CN_BIT(SELECT_B),
      .keys = "context_length=202752 embedding_length=2048 feed_forward_length=10240 "
              "attention.head_count=20 attention.head_count_kv=1 attention.kv_lora_rank=512 "
              "attention.key_length=576 attention.value_length=512 rope.dimension_count=64 "
              "attention.q_lora_rank=768 attention.key_length_mla=256 "
              "attention.value_length_mla=256 rope.freq_base=1e6 "
              "attention.layer_norm_rms_epsilon=1e-5 leading_dense_block_count=1 "
              "expert_count=64 expert_used_count=4 expert_feed_forward_length=1536 "
              "expert_shared_count=1 expert_weights_scale=1.8 expert_weights_norm=true "
              "expert_gating_func=2" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_deepseek2;
const struct cn_arch cn_arch_deepseek2 = {
    .name = "deepseek2",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_SLOTS_PRE_NORMS | CN_BIT(Q_DOWN) | CN_BIT(Q_DOWN_NORM) | CN_BIT(Q_UP) |
                CN_BIT(KV_DOWN) | CN_BIT(KV_DOWN_NORM) | CN_BIT(K_UP) | CN_BIT(V_UP) |
                CN_BIT(ATTN_OUT),
    .optional =
        CN_BIT(OUTPUT) | CN_BIT(Q) | CN_BIT(KV_UP) | CN_BIT(SELECT_B) | CN_BIT(GATE_UP_EXPS),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .experts = CN_SLOTS_EXPERTS | CN_SLOTS_SHARED_FFN,
    .mixer = CN_MIXER_LATENT,
    .shared_width = CN_SHARED_AS_EXPERT,
    .yarn_scales_scores = true,
};
