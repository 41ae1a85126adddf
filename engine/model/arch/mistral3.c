/* SPDX-License-Identifier: MIT
 *
 * Ministral 3: Llama with YaRN, and queries that grow with the position.
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_mistral3;
const struct cn_arch cn_arch_mistral3 = {
    .name = "mistral3",
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_SPLIT_QKV,
    .optional = CN_BIT(OUTPUT) | CN_SLOTS_QKV_BIAS | CN_BIT(ATTN_OUT_B) | CN_SLOTS_FFN_BIAS |
                CN_BIT(ROPE_FREQS),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .experts = CN_SLOTS_EXPERTS,
    .normalise_experts = true,
};
