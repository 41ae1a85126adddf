/* SPDX-License-Identifier: MIT
 *
 * Gemma (arXiv 2403.08295). Norm weights in the file include the 1 of (1 + w).
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_gemma;
const struct cn_arch cn_arch_gemma = {
    .name = "gemma",
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_SPLIT_QKV,
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .rope_neox = true,
    .activation = CN_GELU,
    .scale_embedding = true,
};
