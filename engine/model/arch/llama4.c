/* SPDX-License-Identifier: MIT
 *
 * Llama 4: chunked attention in three layers of four, the fourth without positions; experts weighed
 * before they run.
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_llama4;
/* clang-format off */
const struct cn_arch cn_arch_llama4 = {
    .name = "llama4",
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_SPLIT_QKV,
    .optional = CN_BIT(OUTPUT) | CN_SLOTS_QKV_BIAS | CN_BIT(ATTN_OUT_B) | CN_BIT(ROPE_FREQS),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .experts = CN_SLOTS_EXPERTS | CN_SLOTS_SHARED_FFN,
    .gating = CN_GATING_SIGMOID,
    .shared_width = CN_SHARED_AS_EXPERT,
    .weigh_expert_inputs = true,
    .expert_layers = { .which = CN_LAYERS_EVERY, .period = 1, .key = "interleave_moe_layer_step" },
    .qk_norm_weightless = 128,
    .sliding = { .which = CN_LAYERS_BUT_EVERY, .period = 4, .key = "attention.sliding_window_pattern" },
    .sliding_window = 8192,
    .chunked = true,
    .unrotated = { .which = CN_LAYERS_EVERY, .period = 4 },
    .temperature = { .scale = 0.1f, .length = 8192, .offset = 1, .unrotated_only = true },
};
/* clang-format on */
