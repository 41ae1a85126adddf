/* SPDX-License-Identifier: MIT
 *
 * BitNet b1.58: norms before the last matrix of each branch (arXiv 2402.17764).
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_bitnet;
const struct cn_arch cn_arch_bitnet = {
    .name = "bitnet",
    .required =
        CN_SLOTS_PRE_NORMS | CN_SLOTS_SPLIT_QKV | CN_BIT(ATTN_SUB_NORM) | CN_BIT(FFN_SUB_NORM),
    .optional = CN_SLOTS_QKV_BIAS | CN_BIT(ATTN_OUT_B),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .rope_neox = true,
};
