/* SPDX-License-Identifier: MIT
 *
 * Hyperparameters: read as written, and every missing or bad key named.
 */
#include "engine/model/hparams.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/cn-hparams-XXXXXX";
static char path[128];

enum kind { U32, I32, F32, STR, BOOL, NONE };

/* A key and its value; NONE leaves it out. */
struct key {
    const char *name;
    enum kind kind;
    double number;
    const char *string;
};

enum { N_LAYER = 3 };
static int64_t n_ff[N_LAYER]; /* of each layer of the file that was read last */

/* A sound model; cases change or add to it. */
static const struct key base[] = {
    {"block_count",                       U32, N_LAYER, NULL},
    { "embedding_length",                 U32, 64,      NULL},
    { "feed_forward_length",              U32, 128,     NULL},
    { "attention.head_count",             U32, 4,       NULL},
    { "attention.layer_norm_rms_epsilon", F32, 1e-5,    NULL},
    { "attention.layer_norm_epsilon",     F32, 1e-5,    NULL},
};

static void put(struct cn_gguf_writer *w, const char *arch, const struct key *k)
{
    char name[160];
    snprintf(name, sizeof name, "%s.%s", arch, k->name);
    switch (k->kind) {
    case U32:
        cn_gguf_writer_u32(w, name, (uint32_t)k->number);
        break;
    case I32:
        cn_gguf_writer_i32(w, name, (int32_t)k->number);
        break;
    case F32:
        cn_gguf_writer_f32(w, name, (float)k->number);
        break;
    case STR:
        cn_gguf_writer_str(w, name, k->string);
        break;
    case BOOL:
        cn_gguf_writer_bool(w, name, k->number != 0);
        break;
    case NONE:
        break;
    }
}

static struct cn_gguf_writer *begin(void)
{
    struct cn_gguf_writer *w = NULL;
    assert_int_equal(cn_gguf_writer_create(path, &w, NULL), CN_OK);
    return w;
}

/* Gives the file N_LAYER tensors (layers are not believed without any) and reads it back. */
static enum cn_status finish_and_read(struct cn_gguf_writer *w, const char *arch,
                                      struct cn_hparams *hp, struct cn_error *err)
{
    static const float zero[1] = { 0 };
    static const int64_t ne[1] = { 1 };
    for (int i = 0; i < N_LAYER; i++) {
        char name[32];
        snprintf(name, sizeof name, "t%d", i);
        cn_gguf_writer_tensor(w, name, 0, 1, ne, sizeof zero);
    }
    for (int i = 0; i < N_LAYER; i++)
        cn_gguf_writer_data(w, zero, sizeof zero);
    struct cn_gguf g;
    if (cn_gguf_writer_finish(w, err) != CN_OK || cn_gguf_open(path, &g, err) != CN_OK)
        fail_msg("%s", err->text);
    const struct cn_arch *descriptor = cn_arch_by_name(arch, strlen(arch));
    assert_non_null(descriptor);
    enum cn_status status = cn_hparams_read(&g, descriptor, 100, hp, err);
    cn_gguf_close(&g);
    /* The layers' own are looked at here, where they are alive. */
    if (status == CN_OK) {
        for (int64_t i = 0; i < hp->n_layer; i++)
            n_ff[i] = hp->layers[i].n_ff;
        free(hp->layers);
        hp->layers = NULL;
    }
    return status;
}

/* The base with the changes, which end with a NULL name. */
static enum cn_status read_with(const char *arch, const struct key *changes, struct cn_hparams *hp,
                                struct cn_error *err)
{
    struct cn_gguf_writer *w = begin();
    for (size_t i = 0; i < sizeof base / sizeof *base; i++) {
        bool changed = false;
        for (const struct key *c = changes; c->name; c++)
            changed |= strcmp(c->name, base[i].name) == 0;
        if (!changed)
            put(w, arch, &base[i]);
    }
    for (const struct key *c = changes; c->name; c++)
        put(w, arch, c);
    return finish_and_read(w, arch, hp, err);
}

static void expect_refused(const char *arch, const struct key *changes, const char *words)
{
    struct cn_error err = { "" };
    struct cn_hparams hp;
    memset(&hp, 0x55, sizeof hp);
    enum cn_status status = read_with(arch, changes, &hp, &err);
    if (status == CN_OK || !strstr(err.text, words))
        fail_msg("\"%s\" expected in the message \"%s\" (status %d)", words, err.text, status);
    assert_int_equal(((const unsigned char *)&hp)[0], 0x55); /* untouched */
}

static void near(double found, double expected)
{
    if (!(fabs(found - expected) <= 1e-6 * fabs(expected)))
        fail_msg("%g expected, %g found", expected, found);
}

static struct cn_hparams accept(const char *arch, const struct key *changes)
{
    struct cn_hparams hp;
    struct cn_error err = { "" };
    if (read_with(arch, changes, &hp, &err) != CN_OK)
        fail_msg("%s", err.text);
    return hp;
}

static void missing_keys(void **state)
{
    static const char *const needed[] = { "block_count", "embedding_length", "feed_forward_length",
                                          "attention.head_count",
                                          "attention.layer_norm_rms_epsilon" };
    (void)state;
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        char full[96];
        snprintf(full, sizeof full, "llama.%s", needed[i]);
        expect_refused("llama",
                       (struct key[]){
                           {needed[i], NONE, 0, NULL },
                           { 0       }
        },
                       full);
    }
    expect_refused("phi2",
                   (struct key[]){
                       {"attention.layer_norm_epsilon", NONE, 0, NULL },
                       { 0                            }
    },
                   "phi2.attention.layer_norm_epsilon");
}

static void bad_values(void **state)
{
    static const struct key cases[] = {
        {"block_count",                           U32,  0,           NULL  },
        { "block_count",                          U32,  1e6,         NULL  },
        { "block_count",                          I32,  -1,          NULL  },
        { "block_count",                          STR,  0,           "3"   },
        { "block_count",                          U32,  4,           NULL  }, /* three tensors */
        { "embedding_length",                     U32,  0,           NULL  },
        { "embedding_length",                     U32,  1u << 31,    NULL  },
        { "embedding_length",                     F32,  64,          NULL  },
        { "feed_forward_length",                  U32,  0,           NULL  },
        { "feed_forward_length",                  U32,  1u << 31,    NULL  },
        { "feed_forward_length",                  STR,  0,           "many"},
        { "context_length",                       I32,  -5,          NULL  },
        { "attention.head_count",                 U32,  0,           NULL  },
        { "attention.head_count",                 U32,  5,           NULL  },
        { "attention.head_count_kv",              U32,  3,           NULL  },
        { "attention.head_count_kv",              U32,  0,           NULL  },
        { "attention.head_count_kv",              U32,  8,           NULL  },
        { "attention.key_length",                 U32,  0,           NULL  },
        { "attention.key_length",                 U32,  1u << 20,    NULL  },
        { "attention.value_length",               U32,  0,           NULL  },
        { "attention.layer_norm_rms_epsilon",     F32,  (double)NAN, NULL  },
        { "attention.layer_norm_rms_epsilon",     F32,  -1,          NULL  },
        { "attention.layer_norm_rms_epsilon",     F32,  2,           NULL  },
        { "attention.layer_norm_rms_epsilon",     U32,  0,           NULL  },
        { "rope.dimension_count",                 U32,  17,          NULL  },
        { "rope.dimension_count",                 U32,  7,           NULL  },
        { "rope.dimension_count",                 U32,  1000,        NULL  },
        { "rope.freq_base",                       F32,  0,           NULL  },
        { "rope.freq_base",                       F32,  (double)NAN, NULL  },
        { "rope.freq_base",                       F32,  HUGE_VAL,    NULL  },
        { "rope.scaling.factor",                  F32,  -1,          NULL  },
        { "rope.scaling.factor",                  F32,  (double)NAN, NULL  },
        { "rope.scaling.attn_factor",             F32,  HUGE_VAL,    NULL  },
        { "rope.scaling.type",                    STR,  0,           "su"  },
        { "rope.scaling.type",                    BOOL, 1,           NULL  },
        { "rope.scaling.original_context_length", I32,  -1,          NULL  },
        { "rope.scaling.yarn_beta_fast",          F32,  (double)NAN, NULL  },
        { "expert_count",                         U32,  100000,      NULL  },
        { "expert_used_count",                    U32,  100000,      NULL  },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char full[96];
        snprintf(full, sizeof full, "llama.%s", cases[i].name);
        expect_refused("llama", (struct key[]){ cases[i], { 0 } }, full);
    }
}

static void bad_experts(void **state)
{
    (void)state;
    expect_refused("llama",
                   (struct key[]){
                       {"expert_count", U32, 4, NULL },
                       { 0            }
    },
                   "llama.expert_used_count");
    expect_refused(
        "llama",
        (struct key[]){
            {"expert_count", U32, 4, NULL },
            { "expert_used_count",             U32, 5, NULL },
            { 0            }
    },
        "llama.expert_used_count");
    expect_refused("qwen2moe",
                   (struct key[]){
                       {"expert_count", U32, 4, NULL },
                       { "expert_used_count",             U32, 2, NULL },
                       { "expert_feed_forward_length",             U32, 0, NULL },
                       { 0}
    },
                   "qwen2moe.expert_feed_forward_length");
    expect_refused("qwen2moe",
                   (struct key[]){
                       {"expert_count", U32, 4, NULL },
                       { "expert_used_count",             U32, 2, NULL },
                       { "expert_weights_scale",             F32, (double)NAN, NULL },
                       { 0}
    },
                   "qwen2moe.expert_weights_scale");
}

/* Keys of layers that keep a state: each in turn is missing or wrong in a sound model. */
static void bad_keys_of_states(void **state)
{
    static const struct key ssm[] = {
        {"ssm.conv_kernel",     U32, 4,   NULL},
        { "ssm.inner_size",     U32, 128, NULL},
        { "ssm.state_size",     U32, 16,  NULL},
        { "ssm.time_step_rank", U32, 8,   NULL},
        { "ssm.group_count",    U32, 2,   NULL},
    };
    enum { N_SSM = sizeof ssm / sizeof *ssm };
    static const struct {
        int which;
        enum kind kind;
        double number;
        const char *words;
    } bad[] = {
        {0,  NONE, 0,       "ssm.conv_kernel"                                            },
        { 0, U32,  0,       "ssm.conv_kernel"                                            },
        { 0, U32,  9,       "mamba2.ssm.conv_kernel: up to 8 taps are supported, 9 found"},
        { 1, NONE, 0,       "ssm.inner_size"                                             },
        { 1, U32,  4e9,     "ssm.inner_size"                                             },
        { 1, I32,  -128,    "ssm.inner_size"                                             },
        { 2, NONE, 0,       "ssm.state_size"                                             },
        { 2, U32,  0,       "ssm.state_size"                                             },
        { 2, U32,  1 << 20, "ssm.state_size"                                             },
        { 3, U32,  0,       "ssm.time_step_rank"                                         },
        { 3, U32,  7,       "a divisor of ssm.inner_size 128 expected, 7 found"          },
        { 4, NONE, 0,       "ssm.group_count"                                            },
        { 4, U32,  3,       "ssm.group_count: a divisor of the 8 heads expected, 3 found"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct key keys[N_SSM + 1] = { 0 };
        memcpy(keys, ssm, sizeof ssm);
        keys[bad[i].which].kind = bad[i].kind;
        keys[bad[i].which].number = bad[i].number;
        expect_refused("mamba2", keys, bad[i].words);
    }
    struct key good[N_SSM + 1] = { 0 };
    memcpy(good, ssm, sizeof ssm);
    const struct cn_hparams hp = accept("mamba2", good);
    assert_int_equal(hp.ssm_inner, 128);
    assert_int_equal(hp.conv_taps, 4);
    expect_refused("lfm2", (struct key[]){ { 0 } }, "lfm2.shortconv.l_cache");
    expect_refused("lfm2",
                   (struct key[]){
                       {"shortconv.l_cache", U32, 100, NULL },
                       { 0               }
    },
                   "lfm2.shortconv.l_cache: up to 8 taps are supported, 100 found");
    /* Attention beside the state needs heads of keys. */
    struct key no_heads[N_SSM + 2] = { 0 };
    memcpy(no_heads, ssm, sizeof ssm);
    no_heads[N_SSM] = (struct key){ "attention.head_count_kv", U32, 0, NULL };
    expect_refused("falcon-h1", no_heads,
                   "falcon-h1.attention.head_count_kv: a divisor of the 4 heads expected, 0 found");
}

static void bad_keys_of_other_architectures(void **state)
{
    (void)state;
    expect_refused("gemma2",
                   (struct key[]){
                       {"attn_logit_softcapping", F32, (double)NAN, NULL },
                       { 0            }
    },
                   "gemma2.attn_logit_softcapping");
    expect_refused("gemma2",
                   (struct key[]){
                       {"final_logit_softcapping", F32, -1, NULL },
                       { 0                      }
    },
                   "gemma2.final_logit_softcapping");
    expect_refused("gemma2",
                   (struct key[]){
                       {"attention.sliding_window", I32, -1, NULL },
                       { 0                       }
    },
                   "gemma2.attention.sliding_window");
    expect_refused("granite",
                   (struct key[]){
                       {"logit_scale", F32, -2, NULL },
                       { 0          }
    },
                   "granite.logit_scale");
    expect_refused("granite",
                   (struct key[]){
                       {"attention.scale", F32, (double)NAN, NULL },
                       { 0     }
    },
                   "granite.attention.scale");
}

static void what_is_absent_has_its_default(void **state)
{
    struct cn_hparams hp = accept("llama", (struct key[]){ { 0 } });
    (void)state;
    assert_int_equal(hp.n_vocab, 100);
    assert_int_equal(hp.n_layer, N_LAYER);
    assert_int_equal(hp.n_ctx_train, 2048);
    assert_int_equal(hp.n_head_kv, 4);
    assert_int_equal(hp.d_k, 16);
    assert_int_equal(hp.d_v, 16);
    assert_int_equal(hp.n_rot, 16);
    assert_int_equal(hp.n_expert, 0);
    assert_int_equal(hp.window, 0);
    assert_int_equal(hp.rope_ctx0, 2048);
    near((double)hp.rope_base, 10000);
    near((double)hp.rope_factor, 1);
    near((double)hp.attn_scale, 0.25);
    near((double)hp.embedding_scale, 1);
    near((double)hp.logit_scale, 1);
    assert_true(hp.attn_softcap == 0 && hp.final_softcap == 0);

    hp = accept("gemma2", (struct key[]){ { 0 } });
    near((double)hp.attn_softcap, 50);
    near((double)hp.final_softcap, 30);
    near((double)hp.embedding_scale, 8);
    assert_int_equal(hp.window, 4096);
}

static void what_is_written_is_read(void **state)
{
    struct cn_hparams hp =
        accept("llama", (struct key[]){
                            {"context_length",        U32, 512, NULL },
                            { "attention.head_count_kv",                    U32, 2, NULL },
                            { "attention.key_length",                      U32, 24, NULL },
                            { "attention.value_length", U32, 8, NULL },
                            { "rope.dimension_count",                   U32, 12, NULL },
                            { "rope.freq_base", F32, 5e5, NULL },
                            { "rope.scaling.type",                     STR, 0, "yarn" },
                            { "rope.scaling.factor",                      F32, 4, NULL },
                            { "rope.scaling.original_context_length",                    U32, 64, NULL },
                            { 0                  }
    });
    (void)state;
    assert_int_equal(hp.n_ctx_train, 512);
    assert_int_equal(hp.n_head_kv, 2);
    assert_int_equal(hp.d_k, 24);
    assert_int_equal(hp.d_v, 8);
    assert_int_equal(hp.n_rot, 12);
    assert_int_equal(hp.rope_scaling, CN_ROPE_YARN);
    assert_int_equal(hp.rope_ctx0, 64);
    near((double)hp.rope_factor, 4);
    near((double)hp.rope_base, 5e5);
    near((double)hp.attn_scale, 1 / sqrt(24));

    /* A key length makes heads that do not divide the embedding possible. */
    hp = accept("llama", (struct key[]){
                             {"attention.head_count", U32, 5, NULL },
                             { "attention.key_length",                     U32, 16, NULL },
                             { "attention.value_length",                     U32, 16, NULL },
                             { 0}
    });
    assert_int_equal(hp.n_head, 5);

    hp = accept("granite", (struct key[]){
                               {"embedding_scale", F32, 12, NULL },
                               { "residual_scale",               F32, 0.25, NULL },
                               { "logit_scale",                F32, 8, NULL },
                               { "attention.scale",F32, 0.0625, NULL },
                               { 0            }
    });
    near((double)hp.embedding_scale, 12);
    near((double)hp.residual_scale, 0.25);
    near((double)hp.logit_scale, 0.125); /* a factor of the logits */
    near((double)hp.attn_scale, 0.0625);
    /* Zero means none: what divides by it must not. */
    hp = accept("granite", (struct key[]){
                               {"logit_scale", F32, 0, NULL },
                               { 0           }
    });
    near((double)hp.logit_scale, 1);
}

/* One number for all layers, or one for each. */
static void arrays_per_layer(void **state)
{
    static const uint32_t same[N_LAYER] = { 128, 128, 128 }, other[N_LAYER] = { 128, 128, 64 };
    static const float floats[N_LAYER] = { 128, 128, 128 };
    const struct {
        enum cn_gguf_type type;
        uint64_t n;
        const void *data;
        const char *words; /* NULL: accepted */
    } cases[] = {
        {CN_GGUF_U32,  3, same,   NULL                                       },
        { CN_GGUF_U32, 3, other,  NULL                                       },
        { CN_GGUF_U32, 2, same,   "2 entries found, one for each of 3 layers"},
        { CN_GGUF_F32, 3, floats, "integers expected"                        },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cn_gguf_writer *w = begin();
        for (size_t j = 0; j < sizeof base / sizeof *base; j++)
            if (strcmp(base[j].name, "feed_forward_length") != 0)
                put(w, "llama", &base[j]);
        cn_gguf_writer_array(w, "llama.feed_forward_length", cases[i].type, cases[i].n,
                             cases[i].data, cases[i].n * 4);
        struct cn_hparams hp;
        struct cn_error err = { "" };
        enum cn_status status = finish_and_read(w, "llama", &hp, &err);
        if (!cases[i].words) {
            assert_int_equal(status, CN_OK);
            assert_int_equal(hp.n_ff, 128);
            for (int layer = 0; layer < N_LAYER; layer++)
                assert_int_equal(n_ff[layer], ((const uint32_t *)cases[i].data)[layer]);
        } else if (status == CN_OK || !strstr(err.text, cases[i].words)) {
            fail_msg("\"%s\" expected in the message \"%s\"", cases[i].words, err.text);
        }
    }
}

/* What today's architectures say of each layer and of their experts. */
static void rules_and_groups(void **state)
{
    (void)state;
    expect_refused("exaone4",
                   (struct key[]){
                       {"attention.head_count", U32, 0, NULL },
                       { 0                    }
    },
                   "exaone4.attention.head_count");
    expect_refused("ernie4_5-moe",
                   (struct key[]){
                       {"expert_count", U32, 8, NULL },
                       { "expert_used_count",             U32, 2, NULL },
                       { "expert_group_count",             U32, 3, NULL },
                       { 0}
    },
                   "ernie4_5-moe.expert_group_count: a divisor of the 8 experts");
    expect_refused("ernie4_5-moe",
                   (struct key[]){
                       {"expert_count", U32, 8, NULL },
                       { "expert_used_count",             U32, 3, NULL },
                       { "expert_group_count",             U32, 4, NULL },
                       { "expert_group_used_count",U32, 1, NULL },
                       { 0         }
    },
                   "1 groups hold 2 experts, 3 are to be chosen");
    expect_refused("ernie4_5-moe",
                   (struct key[]){
                       {"expert_count", U32, 8, NULL },
                       { "expert_used_count",             U32, 3, NULL },
                       { "expert_gating_func",             U32, 4, NULL },
                       { 0}
    },
                   "ernie4_5-moe.expert_gating_func");
    expect_refused("gemma4",
                   (struct key[]){
                       {"attention.shared_kv_layers", U32, 3, NULL },
                       { 0                          }
    },
                   "gemma4.attention.shared_kv_layers");
    expect_refused("minicpm3",
                   (struct key[]){
                       {"attention.kv_lora_rank", U32, 0, NULL },
                       { 0                      }
    },
                   "minicpm3.attention.kv_lora_rank");
    static const uint8_t pattern[N_LAYER] = { 1, 1, 0 };
    static const uint64_t lengths[] = { 2, 3 };
    for (int i = 0; i < 2; i++) {
        struct cn_gguf_writer *w = begin();
        for (size_t j = 0; j < sizeof base / sizeof *base; j++)
            put(w, "gemma3", &base[j]);
        cn_gguf_writer_u32(w, "gemma3.attention.sliding_window", 8);
        cn_gguf_writer_array(w, "gemma3.attention.sliding_window_pattern", CN_GGUF_BOOL, lengths[i],
                             pattern, lengths[i]);
        struct cn_hparams hp;
        struct cn_error err = { "" };
        enum cn_status status = finish_and_read(w, "gemma3", &hp, &err);
        assert_int_equal(status, lengths[i] == N_LAYER ? CN_OK : CN_ERR_FORMAT);
        if (status != CN_OK)
            assert_non_null(strstr(err.text, "sliding_window_pattern: array of 3 bool expected"));
    }
}

/* What no tensor of the architecture vouches for asks for no memory, and what it cannot do is said.
 */
static void sizes_without_tensors(void **state)
{
    (void)state;
    struct cn_hparams hp =
        accept("deepseek2", (struct key[]){
                                {"embedding_length_per_layer_input", U32, 4096, NULL },
                                { "attention.kv_lora_rank",                              U32, 8, NULL },
                                { "rope.dimension_count",                                 U32, 8, NULL },
                                { 0 }
    });
    assert_int_equal(hp.n_per_layer, 0);
    hp = accept("gpt-oss", (struct key[]){
                               {"rope.dimension_count",      U32, 16, NULL },
                               { "feed_forward_length",                         U32, 1 << 24, NULL },
                               { "attention.sliding_window",                          U32, 8, NULL },
                               { "attention.key_length_swa",U32, 1 << 16, NULL },
                               { "attention.sliding_window_pattern",                       U32, 1, NULL },
                               { "expert_count", U32, 4, NULL },
                               { "expert_used_count",                          U32, 2, NULL },
                               { "expert_feed_forward_length",                          U32, 8, NULL },
                               { "expert_shared_feed_forward_length",                         U32, 1 << 24, NULL },
                               { 0                      }
    });
    assert_int_equal(hp.n_ff, 0);
    assert_int_equal(hp.n_ff_shared, 0);
    assert_int_equal(hp.n_rope[CN_ROPE_SLIDING], 0);
    hp = accept("deepseek2", (struct key[]){
                                 {"expert_count",               U32, 4096, NULL },
                                 { "expert_used_count",                        U32, 4096, NULL },
                                 { "leading_dense_block_count",                           U32, 3, NULL },
                                 { "attention.kv_lora_rank",  U32, 8, NULL },
                                 { "rope.dimension_count",                        U32, 8, NULL },
                                 { 0}
    });
    assert_int_equal(hp.n_expert, 0);
    expect_refused(
        "exaone4",
        (struct key[]){
            {"expert_count", U32, 4, NULL },
            { "expert_used_count",             U32, 2, NULL },
            { 0            }
    },
        "exaone4.expert_count: experts are not supported in this architecture, 4 found");
}

/* Sizes of delta nets, and which layers have them. */
static const struct key delta[] = {
    {"ssm.conv_kernel",     U32, 4,  NULL},
    { "ssm.inner_size",     U32, 64, NULL},
    { "ssm.state_size",     U32, 16, NULL},
    { "ssm.time_step_rank", U32, 4,  NULL},
    { "ssm.group_count",    U32, 2,  NULL},
};
enum { N_DELTA = sizeof delta / sizeof *delta };

static void expect_delta_refused(struct key change, const char *words)
{
    struct key keys[N_DELTA + 1] = { 0 };
    for (int i = 0; i < N_DELTA; i++)
        keys[i] = strcmp(delta[i].name, change.name) == 0 ? change : delta[i];
    expect_refused("qwen3next", keys, words);
}

static void delta_nets(void **state)
{
    (void)state;
    struct key keys[N_DELTA + 2] = { 0 };
    memcpy(keys, delta, sizeof delta);
    struct cn_hparams hp = accept("qwen3next", keys); /* three layers of four have one */
    assert_int_equal(hp.ssm_heads, 4);
    assert_int_equal(hp.ssm_groups, 2);
    assert_int_equal(hp.ssm_state, 16);
    assert_int_equal(hp.n_head, 0);
    keys[N_DELTA] = (struct key){ "full_attention_interval", U32, 2, NULL };
    assert_int_equal(accept("qwen3next", keys).n_head, 4);
    for (int i = 0; i < N_DELTA; i++) {
        expect_delta_refused((struct key){ delta[i].name, NONE, 0, NULL }, delta[i].name);
        expect_delta_refused((struct key){ delta[i].name, U32, 0, NULL }, delta[i].name);
        expect_delta_refused((struct key){ delta[i].name, U32, 4e9, NULL }, delta[i].name);
        expect_delta_refused((struct key){ delta[i].name, STR, 0, "4" }, delta[i].name);
    }
    expect_delta_refused((struct key){ "ssm.conv_kernel", U32, 9, NULL },
                         "up to 8 taps are supported, 9 found");
    expect_delta_refused((struct key){ "ssm.inner_size", U32, 80, NULL },
                         "64 expected, for 4 heads");
    expect_delta_refused((struct key){ "ssm.state_size", U32, 24, NULL },
                         "a multiple of 16 expected, 24 found");
    expect_delta_refused((struct key){ "ssm.group_count", U32, 3, NULL },
                         "a divisor of the 4 heads");
    struct key gated[N_DELTA + 3] = { 0 };
    memcpy(gated, delta, sizeof delta);
    gated[N_DELTA] = (struct key){ "full_attention_interval", U32, 1, NULL };
    gated[N_DELTA + 1] = (struct key){ "attention.value_length", U32, 8, NULL };
    expect_refused("qwen3next", gated, "gates come with the queries, 8 found");
}

/* Pairs of a text go by its positions; what would go by those of images is refused. */
static void rope_sections(void **state)
{
    (void)state;
    static const struct {
        int32_t sections[4];
        uint64_t n;
        const char *words; /* NULL: sound */
    } cases[] = {
        {{ 3, 3, 2, 0 },   4, NULL                                           },
        { { 3, 3, 3, 0 },  3, NULL                                           },
        { { 3, 2, 2, 0 },  4, "pair 7 of 8"                                  },
        { { 8, 0, 0, 0 },  4, "pair 1 of 8 lies in none"                     },
        { { -1, 3, 2, 0 }, 4, "pair 0 of 8"                                  },
        { { 3, 3, 2, 0 },  2, "array of at least 3 integers"                 },
        { { 3, 3, 2, 0 },  0, "key qwen35.rope.dimension_sections is missing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cn_gguf_writer *w = begin();
        for (size_t j = 0; j < sizeof base / sizeof *base; j++)
            put(w, "qwen35", &base[j]);
        for (int j = 0; j < N_DELTA; j++)
            put(w, "qwen35", &delta[j]);
        cn_gguf_writer_u32(w, "qwen35.full_attention_interval", 1);
        if (cases[i].n > 0)
            cn_gguf_writer_array(w, "qwen35.rope.dimension_sections", CN_GGUF_I32, cases[i].n,
                                 cases[i].sections, cases[i].n * sizeof(int32_t));
        struct cn_hparams hp;
        struct cn_error err = { "" };
        const enum cn_status status = finish_and_read(w, "qwen35", &hp, &err);
        if (cases[i].words ? status == CN_OK || !strstr(err.text, cases[i].words) : status != CN_OK)
            fail_msg("case %zu: \"%s\"", i, err.text);
    }
}

static int make_dir(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return 1;
    snprintf(path, sizeof path, "%s/model.gguf", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_keys),
        cmocka_unit_test(delta_nets),
        cmocka_unit_test(rope_sections),
        cmocka_unit_test(sizes_without_tensors),
        cmocka_unit_test(bad_values),
        cmocka_unit_test(bad_experts),
        cmocka_unit_test(bad_keys_of_states),
        cmocka_unit_test(bad_keys_of_other_architectures),
        cmocka_unit_test(what_is_absent_has_its_default),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(arrays_per_layer),
        cmocka_unit_test(rules_and_groups),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
