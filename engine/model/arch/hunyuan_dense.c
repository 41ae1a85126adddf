/* SPDX-License-Identifier: MIT
 *
 * Hunyuan, dense: norms of queries and keys after the rotation.
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_hunyuan_dense;
const struct cn_arch cn_arch_hunyuan_dense = {
    .name = "hunyuan-dense",
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_SPLIT_QKV | CN_SLOTS_QK_NORM,
    .optional = CN_BIT(OUTPUT),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .rope_neox = true,
    .qk_norm_after_rope = true,
};
