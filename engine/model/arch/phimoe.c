/* SPDX-License-Identifier: MIT
 *
 * Phi-3.5-MoE: norms with biases, longrope.
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_phimoe;
const struct cn_arch cn_arch_phimoe = {
    .name = "phimoe",
    .required = CN_SLOTS_PRE_NORMS | CN_BIT(ATTN_NORM_B) | CN_BIT(FFN_NORM_B) |
                CN_BIT(OUTPUT_NORM_B) | CN_BIT(OUTPUT_B) | CN_SLOTS_SPLIT_QKV | CN_BIT(ATTN_OUT_B),
    .optional = CN_BIT(QKV) | CN_BIT(QKV_B) | CN_SLOTS_QKV_BIAS | CN_SLOTS_LONGROPE,
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .experts = CN_SLOTS_EXPERTS,
    .normalise_experts = true,
    .rope_neox = true,
    .output_required = true,
    .longrope = true,
    .sliding = { .which = CN_LAYERS_ALL },
};
