/* SPDX-License-Identifier: MIT
 *
 * Phi-1 and Phi-2: parallel branches, LayerNorm, biases everywhere, partial rotation.
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_phi2;
const struct cn_arch cn_arch_phi2 = {
    .name = "phi2",
    .required = CN_BIT(OUTPUT_NORM) | CN_BIT(OUTPUT_NORM_B) | CN_BIT(OUTPUT_B) | CN_BIT(ATTN_NORM) |
                CN_BIT(ATTN_NORM_B) | CN_BIT(QKV) | CN_BIT(ATTN_OUT) | CN_BIT(ATTN_OUT_B),
    .optional = CN_BIT(QKV_B) | CN_BIT(Q) | CN_BIT(K) | CN_BIT(V) | CN_SLOTS_QKV_BIAS,
    .dense_ffn = CN_BIT(UP) | CN_BIT(UP_B) | CN_BIT(DOWN) | CN_BIT(DOWN_B),
    .layer_norm = true,
    .parallel = true,
    .rope_neox = true,
    .activation = CN_GELU,
    .output_required = true,
};
