/* SPDX-License-Identifier: MIT
 *
 * StableLM 2: LayerNorm, partial rotation; without a norm before the feed-forward part the branches
 * are parallel (arXiv 2402.17834).
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_stablelm;
const struct cn_arch cn_arch_stablelm = {
    .name = "stablelm",
    .required = CN_BIT(ATTN_NORM) | CN_BIT(ATTN_NORM_B) | CN_BIT(OUTPUT_NORM) |
                CN_BIT(OUTPUT_NORM_B) | CN_SLOTS_SPLIT_QKV,
    .optional = CN_BIT(FFN_NORM) | CN_BIT(FFN_NORM_B) | CN_SLOTS_QKV_BIAS | CN_SLOTS_QK_NORM,
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .qk_norm = CN_QK_NORM_LAYER_NORM,
    .layer_norm = true,
    .parallel = true,
    .rope_neox = true,
    .output_required = true,
};
