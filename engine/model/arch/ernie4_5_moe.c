/* SPDX-License-Identifier: MIT
 *
 * ERNIE 4.5, mixtures of experts after leading dense layers.
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_ernie4_5_moe;
const struct cn_arch cn_arch_ernie4_5_moe = {
    .name = "ernie4_5-moe",
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_SPLIT_QKV,
    .optional = CN_BIT(OUTPUT) | CN_SLOTS_QKV_BIAS | CN_BIT(ATTN_OUT_B) | CN_BIT(SELECT_B),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .experts = CN_SLOTS_EXPERTS | CN_SLOTS_SHARED_FFN,
    .shared_width = CN_SHARED_BY_KEY,
    .normalise_experts = true,
    .expert_layers = {CN_LAYERS_EVERY, 1, "interleave_moe_layer_step"},
};
