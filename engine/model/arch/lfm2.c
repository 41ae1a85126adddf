/* SPDX-License-Identifier: MIT
 *
 * LFM2: gated short convolutions, attention in every few layers (arXiv 2511.23404).
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "lfm2-350m", .n_layer = 16, .n_vocab = 65536, .vocab = &cn_vocab_lfm2,
      .keys = "context_length=128000 embedding_length=1024 feed_forward_length=4608 "
              "attention.head_count=16 "
              "attention.head_count_kv=[0,0,8,0,0,8,0,0,8,0,8,0,8,0,8,0] "
              "attention.layer_norm_rms_epsilon=1e-5 rope.freq_base=1e6 shortconv.l_cache=3" },
    { .name = "lfm2-1.2b", .n_layer = 16, .n_vocab = 65536, .vocab = &cn_vocab_lfm2,
      .keys = "context_length=128000 embedding_length=2048 feed_forward_length=8192 "
              "attention.head_count=32 "
              "attention.head_count_kv=[0,0,8,0,0,8,0,0,8,0,8,0,8,0,8,0] "
              "attention.layer_norm_rms_epsilon=1e-5 rope.freq_base=1e6 shortconv.l_cache=3" },
    { .name = "lfm2-2.6b", .n_layer = 30, .n_vocab = 65536, .vocab = &cn_vocab_lfm2,
      .keys = "context_length=128000 embedding_length=2048 feed_forward_length=10752 "
              "attention.head_count=32 "
              "attention.head_count_kv=[0,0,8,0,0,0,8,0,0,8,0,0,8,0,0,8,0,0,8,0,0,8,0,0,0,8,0,0,0,0] "
              "attention.layer_norm_rms_epsilon=1e-5 rope.freq_base=1e6 shortconv.l_cache=3" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_lfm2;
const struct cn_arch cn_arch_lfm2 = {
    .name = "lfm2",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_BIT(ATTN_NORM) | CN_BIT(FFN_NORM) | CN_BIT(EMBD_NORM) | CN_SLOTS_SPLIT_QKV |
                CN_SLOTS_QK_NORM | CN_SLOTS_OF_CONV,
    .optional = CN_BIT(OUTPUT),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .state_mixer = CN_MIXER_CONV,
    .rope_neox = true,
    .sliding = { .which = CN_LAYERS_ALL },
};
