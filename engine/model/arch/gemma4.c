/* SPDX-License-Identifier: MIT
 *
 * Gemma 4: head sizes and KV heads by kind of layer, inputs by layer in the small models, experts
 * beside a dense part in the sparse one.
 */
#include "engine/model/arch.h"
#include "engine/model/synth_vocabs.h"

/* clang-format off */
static const struct cn_synth_shape shapes[] = {
    { .name = "gemma-4-e2b", .n_layer = 35, .n_vocab = 262144, .vocab = &cn_vocab_gemma,
      .has = CN_BIT(ROPE_FREQS) | CN_BIT(LAYER_SCALE) | CN_BIT(V),
      .rope_kept = 0.25f,
      .keys = "context_length=131072 embedding_length=1536 "
              "feed_forward_length=[15*6144,20*12288] attention.head_count=8 "
              "attention.head_count_kv=1 attention.key_length=512 attention.value_length=512 "
              "attention.key_length_swa=256 attention.value_length_swa=256 "
              "rope.dimension_count=512 rope.dimension_count_swa=256 rope.freq_base=1e6 "
              "rope.freq_base_swa=10000.0 attention.layer_norm_rms_epsilon=1e-6 "
              "final_logit_softcapping=30.0 attention.sliding_window=512 "
              "attention.sliding_window_pattern=[4*true,false] attention.shared_kv_layers=20 "
              "embedding_length_per_layer_input=256" },
    { .name = "gemma-4-e4b", .n_layer = 42, .n_vocab = 262144, .vocab = &cn_vocab_gemma,
      .has = CN_BIT(ROPE_FREQS) | CN_BIT(LAYER_SCALE) | CN_BIT(V),
      .rope_kept = 0.25f,
      .keys = "context_length=131072 embedding_length=2560 feed_forward_length=10240 "
              "attention.head_count=8 attention.head_count_kv=2 attention.key_length=512 "
              "attention.value_length=512 attention.key_length_swa=256 "
              "attention.value_length_swa=256 rope.dimension_count=512 "
              "rope.dimension_count_swa=256 rope.freq_base=1e6 rope.freq_base_swa=10000.0 "
              "attention.layer_norm_rms_epsilon=1e-6 final_logit_softcapping=30.0 "
              "attention.sliding_window=512 attention.sliding_window_pattern=[5*true,false] "
              "attention.shared_kv_layers=18 embedding_length_per_layer_input=256" },
    { .name = "gemma-4-26b-a4b", .n_layer = 30, .n_vocab = 262144, .vocab = &cn_vocab_gemma,
      .has = CN_BIT(ROPE_FREQS) | CN_BIT(LAYER_SCALE) | CN_BIT(V) | CN_BIT(GATE_UP_EXPS),
      .rope_kept = 0.25f,
      .keys = "context_length=262144 embedding_length=2816 feed_forward_length=2112 "
              "attention.head_count=16 attention.head_count_kv=[5*8,2] "
              "attention.key_length=512 attention.value_length=512 "
              "attention.key_length_swa=256 attention.value_length_swa=256 "
              "rope.dimension_count=512 rope.dimension_count_swa=256 rope.freq_base=1e6 "
              "rope.freq_base_swa=10000.0 attention.layer_norm_rms_epsilon=1e-6 "
              "final_logit_softcapping=30.0 attention.sliding_window=1024 "
              "attention.sliding_window_pattern=[5*true,false] "
              "embedding_length_per_layer_input=0 expert_count=128 expert_used_count=8 "
              "expert_feed_forward_length=704" },
};
/* clang-format on */

extern const struct cn_arch cn_arch_gemma4;
const struct cn_arch cn_arch_gemma4 = {
    .name = "gemma4",
    .shapes = shapes,
    .n_shapes = sizeof shapes / sizeof *shapes,
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_POST_NORMS | CN_BIT(Q) | CN_BIT(K) |
                CN_BIT(ATTN_OUT) | CN_SLOTS_QK_NORM,
    .optional = CN_BIT(OUTPUT) | CN_BIT(V) | CN_BIT(ROPE_FREQS) | CN_BIT(LAYER_SCALE) |
                CN_BIT(GATE_UP_EXPS) | CN_BIT(LAYER_EMBD) | CN_BIT(LAYER_PROJ) |
                CN_BIT(LAYER_PROJ_NORM) | CN_BIT(INPUT_GATE) | CN_BIT(INPUT_PROJ) |
                CN_BIT(INPUT_NORM),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .experts = CN_SLOTS_EXPERTS | CN_BIT(ROUTER_SCALE) | CN_BIT(POST_DENSE_NORM) |
               CN_BIT(PRE_EXPERTS_NORM) | CN_BIT(POST_EXPERTS_NORM),
    .activation = CN_GELU,
    .normalise_experts = true,
    .experts_beside_dense = true,
    .rope_neox = true,
    .v_norm = true,
    .scale_embedding = true,
    .final_softcap = 30,
    .attn_scale = 1,
    .sliding = {.which = CN_LAYERS_BUT_EVERY,
                .period = 6,
                .key = "attention.sliding_window_pattern"},
    .sliding_rope_base = 10000,
    .sliding_rope_unscaled = true,
};
