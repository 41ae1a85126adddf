/* SPDX-License-Identifier: MIT
 *
 * StarCoder 2: LayerNorm and biases everywhere, no gate (arXiv 2402.19173).
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_starcoder2;
const struct cn_arch cn_arch_starcoder2 = {
    .name = "starcoder2",
    .required = CN_SLOTS_PRE_NORMS | CN_BIT(ATTN_NORM_B) | CN_BIT(FFN_NORM_B) |
                CN_BIT(OUTPUT_NORM_B) | CN_SLOTS_SPLIT_QKV | CN_BIT(ATTN_OUT_B),
    .optional = CN_BIT(OUTPUT) | CN_SLOTS_QKV_BIAS | CN_BIT(QKV) | CN_BIT(QKV_B),
    .dense_ffn = CN_BIT(UP) | CN_BIT(UP_B) | CN_BIT(DOWN) | CN_BIT(DOWN_B),
    .activation = CN_GELU,
    .layer_norm = true,
    .rope_neox = true,
};
