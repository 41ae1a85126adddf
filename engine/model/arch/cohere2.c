/* SPDX-License-Identifier: MIT
 *
 * Command R7B: parallel branches, LayerNorm without bias, positions in sliding layers only
 * (arXiv 2504.00698).
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_cohere2;
const struct cn_arch cn_arch_cohere2 = {
    .name = "cohere2",
    .required = CN_BIT(ATTN_NORM) | CN_BIT(OUTPUT_NORM) | CN_SLOTS_SPLIT_QKV,
    .optional = CN_SLOTS_QKV_BIAS | CN_BIT(ATTN_OUT_B),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .layer_norm = true,
    .parallel = true,
    .scale_keys = true,
    .logit_scale_multiplies = true,
    .sliding = {CN_LAYERS_BUT_EVERY, 4, "attention.sliding_window_pattern"},
    .window_required = true,
    .rotate_sliding_only = true,
};
