/* SPDX-License-Identifier: MIT
 *
 * SmolLM3: Llama with every fourth layer without positions.
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_smollm3;
const struct cn_arch cn_arch_smollm3 = {
    .name = "smollm3",
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_SPLIT_QKV,
    .optional = CN_BIT(OUTPUT) | CN_SLOTS_QKV_BIAS | CN_BIT(ATTN_OUT_B) | CN_SLOTS_FFN_BIAS,
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .unrotated = {.which = CN_LAYERS_EVERY, .period = 4},
};
