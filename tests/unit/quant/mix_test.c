/* SPDX-License-Identifier: MIT
 *
 * The choice of types per tensor. Expectations are worked out by hand from the rules (the layers
 * that get more bits are listed, not computed).
 */
#include "engine/model/arch.h"
#include "quant/quant.h"

#include "engine/gguf/gguf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_TENSORS = 1024 };

struct shape {
    const char *arch;
    int64_t n_layer, n_embd, n_ff, n_head, n_head_kv, d_head, n_expert;
    bool tied, post_norm, qk_norm;
    int64_t n_vocab; /* 0: 32000 */
};

static const struct shape llama_1b = {
    "llama", 16, 2048, 8192, 32, 8, 64, 0, true, false, false, 0
};
static const struct shape llama_8b = { "llama", 32, 4096,  14336, 32,    8,
                                       128,     0,  false, false, false, 0 };
static const struct shape llama_70b = { "llama", 80, 8192,  28672, 64,    8,
                                        128,     0,  false, false, false, 0 };
static const struct shape qwen_05b = {
    "qwen2", 24, 896, 4864, 14, 2, 64, 0, true, false, false, 0
};
static const struct shape olmoe = {
    "olmoe", 16, 2048, 1024, 16, 16, 128, 64, false, false, true, 0
};
static const struct shape mixtral = { "llama", 32, 4096,  14336, 32,    8,
                                      128,     8,  false, false, false, 0 };
static const struct shape gemma2_2b = {
    "gemma2", 26, 2304, 9216, 8, 4, 256, 0, true, true, false, 0
};

static char names[MAX_TENSORS][64];
static struct cn_mix_tensor tensors[MAX_TENSORS];
static struct cn_mix_tensor *order[MAX_TENSORS];
static size_t n_tensors;
static const struct shape *shape;

static void add(int64_t layer, const char *name, int64_t ne0, int64_t ne1, int64_t ne2)
{
    assert_true(n_tensors < MAX_TENSORS);
    if (layer < 0)
        snprintf(names[n_tensors], sizeof names[0], "%s", name);
    else
        snprintf(names[n_tensors], sizeof names[0], "blk.%d.%s", (int)layer, name);
    struct cn_mix_tensor *t = &tensors[n_tensors];
    /* The source type is F32 for all; what stays so was not quantised. */
    *t = (struct cn_mix_tensor){
        .name = names[n_tensors],
        .n_dims = ne2   ? 3
                  : ne1 ? 2
                        : 1,
        .ne = {ne0, ne1 ? ne1 : 1, ne2 ? ne2 : 1, 1},
        .type = 0
    };
    order[n_tensors++] = t;
}

/* Lists the tensors of a shape, last layer first: the order of visit must not depend on it. */
static void plan(const struct shape *s, const char *file_type, bool has_imatrix, bool pure)
{
    shape = s;
    n_tensors = 0;
    int64_t h = s->n_head * s->d_head, hk = s->n_head_kv * s->d_head;
    for (int64_t i = s->n_layer - 1; i >= 0; i--) {
        add(i, "ffn_norm.weight", s->n_embd, 0, 0);
        add(i, "attn_norm.weight", s->n_embd, 0, 0);
        add(i, "attn_q.weight", s->n_embd, h, 0);
        add(i, "attn_q.bias", h, 0, 0);
        add(i, "attn_k.weight", s->n_embd, hk, 0);
        add(i, "attn_v.weight", s->n_embd, hk, 0);
        add(i, "attn_output.weight", h, s->n_embd, 0);
        if (s->qk_norm)
            add(i, "attn_q_norm.weight", h, 1, 0);
        if (s->post_norm)
            add(i, "post_ffw_norm.weight", s->n_embd, 0, 0);
        if (s->n_expert) {
            add(i, "ffn_gate_inp.weight", s->n_embd, s->n_expert, 0);
            add(i, "ffn_up_exps.weight", s->n_embd, s->n_ff, s->n_expert);
            add(i, "ffn_gate_exps.weight", s->n_embd, s->n_ff, s->n_expert);
            add(i, "ffn_down_exps.weight", s->n_ff, s->n_embd, s->n_expert);
        } else {
            add(i, "ffn_up.weight", s->n_embd, s->n_ff, 0);
            add(i, "ffn_gate.weight", s->n_embd, s->n_ff, 0);
            add(i, "ffn_down.weight", s->n_ff, s->n_embd, 0);
        }
    }
    const int64_t n_vocab = s->n_vocab ? s->n_vocab : 32000;
    add(-1, "token_embd.weight", s->n_embd, n_vocab, 0);
    add(-1, "output_norm.weight", s->n_embd, 0, 0);
    if (!s->tied)
        add(-1, "output.weight", s->n_embd, n_vocab, 0);
    const struct cn_file_type *ft = cn_file_type_by_name(file_type);
    assert_non_null(ft);
    struct cn_mix_model model = { s->n_layer,  s->n_head, s->n_head_kv, s->n_expert,
                                  has_imatrix, false,     false };
    cn_arch_size_class(cn_arch_by_name(s->arch, strlen(s->arch)), &model);
    cn_mix_plan(ft, &model, pure, order, n_tensors);
}

static const char *type_of(const char *name)
{
    for (size_t i = 0; i < n_tensors; i++)
        if (strcmp(tensors[i].name, name) == 0)
            return cn_gguf_type_name(tensors[i].type);
    fail_msg("no tensor %s", name);
    return NULL;
}

/* Layers listed in `which` (blank-separated) have type a, the rest b. */
static void layers(const char *tensor, const char *which, const char *a, const char *b)
{
    char padded[512];
    snprintf(padded, sizeof padded, " %s ", which);
    for (int i = 0; i < (int)shape->n_layer; i++) {
        char name[64], number[16];
        snprintf(name, sizeof name, "blk.%d.%s", i, tensor);
        snprintf(number, sizeof number, " %d ", i);
        const char *want = strstr(padded, number) ? a : b, *got = type_of(name);
        if (strcmp(want, got) != 0)
            fail_msg("%s is %s, expected %s", name, got, want);
    }
}

static void all(const char *tensor, const char *type)
{
    layers(tensor, "", type, type);
}

static void test_llama_1b(void **state)
{
    (void)state;
    plan(&llama_1b, "Q4_K_M", false, false);
    assert_string_equal(type_of("token_embd.weight"), "Q6_K");
    layers("attn_v.weight", "0 1 4 7 10 13 14 15", "Q6_K", "Q4_K");
    layers("ffn_down.weight", "0 1 4 7 10 13 14 15", "Q6_K", "Q4_K");
    all("attn_q.weight", "Q4_K");
    all("attn_k.weight", "Q4_K");
    all("attn_output.weight", "Q4_K");
    all("ffn_gate.weight", "Q4_K");
    all("ffn_up.weight", "Q4_K");
    all("attn_norm.weight", "F32");
    all("attn_q.bias", "F32");
    assert_string_equal(type_of("output_norm.weight"), "F32");

    plan(&llama_1b, "q3_k", false, false); /* Q3_K_M */
    layers("attn_v.weight", "0 1", "Q5_K", "Q4_K");
    layers("ffn_down.weight", "0", "Q5_K", "Q4_K");
    all("attn_output.weight", "Q4_K");
    all("attn_q.weight", "Q3_K");
    assert_string_equal(type_of("token_embd.weight"), "Q6_K");

    plan(&llama_1b, "Q2_K", false, false);
    all("attn_v.weight", "Q4_K");
    all("ffn_down.weight", "Q3_K");
    all("attn_output.weight", "Q3_K");
    all("attn_k.weight", "Q2_K");

    plan(&llama_1b, "IQ3_XXS", false, false);
    assert_string_equal(type_of("token_embd.weight"), "Q5_K");
    all("attn_v.weight", "Q4_K");
    all("attn_q.weight", "IQ2_S");
    all("attn_k.weight", "IQ2_S");
    all("attn_output.weight", "IQ3_S");
    layers("ffn_down.weight", "0 1", "Q4_K", "Q3_K");
    all("ffn_up.weight", "IQ3_XXS");
    plan(&llama_1b, "IQ3_XXS", true, false);
    all("ffn_down.weight", "IQ3_XXS");

    plan(&llama_1b, "IQ2_XXS", true, false);
    assert_string_equal(type_of("token_embd.weight"), "Q5_K");
    all("attn_v.weight", "Q4_K");
    all("attn_output.weight", "IQ2_XXS");
    layers("ffn_down.weight", "0 1", "Q2_K", "IQ2_XXS");

    plan(&llama_1b, "IQ1_M", true, false);
    all("attn_output.weight", "IQ2_XXS");
    layers("ffn_down.weight", "0 1", "Q2_K", "IQ1_M");

    plan(&llama_1b, "Q4_0", false, false);
    all("ffn_down.weight", "Q4_0");
    plan(&llama_1b, "Q4_0", true, false);
    layers("ffn_down.weight", "0 1", "Q4_1", "Q4_0");
    assert_string_equal(type_of("token_embd.weight"), "Q6_K");

    plan(&llama_1b, "Q8_0", false, false);
    assert_string_equal(type_of("token_embd.weight"), "Q8_0");
    all("attn_v.weight", "Q8_0");

    /* F16 files are not mixed: the output stays F16. */
    plan(&llama_1b, "F16", false, false);
    assert_string_equal(type_of("token_embd.weight"), "F16");
    all("ffn_down.weight", "F16");
    all("attn_norm.weight", "F32");

    plan(&llama_1b, "Q4_K_M", false, true);
    assert_string_equal(type_of("token_embd.weight"), "Q4_K");
    all("attn_v.weight", "Q4_K");
}

static void test_qwen_rows_of_896(void **state)
{
    (void)state;
    plan(&qwen_05b, "Q4_K_M", false, false);
    assert_string_equal(type_of("token_embd.weight"), "Q8_0");
    layers("attn_v.weight", "0 1 2 5 8 11 14 17 20 21 22 23", "Q8_0", "Q5_0");
    layers("ffn_down.weight", "0 1 2 5 8 11 14 17 20 21 22 23", "Q6_K", "Q4_K");
    all("attn_q.weight", "Q5_0");
    all("ffn_gate.weight", "Q5_0");
    for (size_t i = 0; i < n_tensors; i++) {
        /* Of the embedding's rule Q8_0 is the plain result, no replacement. */
        bool fell = tensors[i].quantised && tensors[i].ne[0] == 896 && i < n_tensors - 2;
        assert_int_equal(tensors[i].fell_back, fell);
    }

    plan(&qwen_05b, "Q5_K_M", false, false);
    all("attn_k.weight", "Q5_1");
    plan(&qwen_05b, "IQ4_XS", false, false);
    all("attn_v.weight", "Q5_1"); /* GQA 7: Q5_K */
    all("attn_q.weight", "IQ4_NL");
    layers("ffn_down.weight", "0 1 2", "Q5_K", "IQ4_XS");
    plan(&qwen_05b, "Q2_K", false, false);
    all("attn_v.weight", "Q5_0");
    all("attn_output.weight", "IQ4_NL");
    all("attn_q.weight", "IQ4_NL");
    all("ffn_down.weight", "Q3_K");
    plan(&qwen_05b, "TQ2_0", false, false);
    all("attn_q.weight", "Q4_0");
    all("ffn_down.weight", "TQ2_0");
    plan(&qwen_05b, "Q4_0", false, false);
    assert_string_equal(type_of("token_embd.weight"), "Q8_0"); /* Q6_K does not fit 896 */
    all("attn_q.weight", "Q4_0");

    struct shape odd = qwen_05b;
    odd.n_embd = 880; /* no multiple of 32 either */
    plan(&odd, "Q4_0", false, false);
    all("attn_q.weight", "F16");
    assert_string_equal(type_of("token_embd.weight"), "F16");
}

static void test_llama_8b(void **state)
{
    (void)state;
    plan(&llama_8b, "Q4_K_M", false, false);
    assert_string_equal(type_of("token_embd.weight"), "Q4_K");
    assert_string_equal(type_of("output.weight"), "Q6_K");
    layers("attn_v.weight", "0 1 2 3 6 9 12 15 18 21 24 27 28 29 30 31", "Q6_K", "Q4_K");
    layers("ffn_down.weight", "0 1 2 3 6 9 12 15 18 21 24 27 28 29 30 31", "Q6_K", "Q4_K");
    plan(&llama_8b, "IQ2_S", true, false); /* base format IQ2_XS */
    assert_string_equal(type_of("token_embd.weight"), "IQ3_S");
    assert_string_equal(type_of("output.weight"), "Q5_K");
    all("attn_v.weight", "Q4_K");
    all("attn_output.weight", "IQ3_S");
    layers("ffn_down.weight", "0 1 2 3", "IQ3_S", "IQ2_XS");
    all("ffn_up.weight", "IQ2_XS");
    plan(&llama_8b, "IQ2_M", true, false);
    all("ffn_up.weight", "IQ2_S");
    plan(&llama_8b, "IQ3_XS", true, false);
    all("attn_q.weight", "IQ3_XXS");
    layers("ffn_gate.weight", "0 1 2 3 28 29 30 31", "IQ3_S", "IQ3_XXS");
    all("ffn_down.weight", "IQ3_S");
    plan(&llama_8b, "Q3_K_L", true, false);
    all("attn_v.weight", "Q5_K");
    all("attn_output.weight", "Q5_K");
    all("ffn_down.weight", "Q5_K");
    plan(&llama_8b, "TQ1_0", true, false);
    assert_string_equal(type_of("token_embd.weight"), "Q4_K");
    assert_string_equal(type_of("output.weight"), "Q6_K");
    plan(&llama_70b, "Q3_K_M", false, false);
    all("attn_v.weight", "Q5_K"); /* Q4_K raised */
    plan(&llama_70b, "Q3_K_S", false, false);
    all("attn_v.weight", "Q5_K");
}

static void test_mixtures_of_experts(void **state)
{
    (void)state;
    plan(&olmoe, "Q4_K_M", false, false);
    layers("attn_v.weight", "0 1 4 7 10 13 14 15", "Q6_K", "Q4_K");
    layers("ffn_down_exps.weight", "0 1 4 7 10 13 14 15", "Q6_K", "Q4_K");
    all("ffn_gate_inp.weight", "F32");
    all("attn_q_norm.weight", "F32");
    all("attn_output.weight", "Q4_K");
    plan(&olmoe, "IQ2_XXS", true, false);
    all("attn_v.weight", "Q4_K"); /* 64 experts */
    all("attn_k.weight", "IQ2_XXS");
    layers("ffn_down_exps.weight", "0 1", "Q2_K", "IQ2_XXS");
    assert_string_equal(type_of("token_embd.weight"), "Q2_K");
    plan(&olmoe, "Q2_K", false, false);
    all("attn_v.weight", "Q3_K");
    plan(&olmoe, "MXFP4", false, false);
    all("ffn_down_exps.weight", "MXFP4");
    all("attn_q.weight", "Q8_0");
    assert_string_equal(type_of("output.weight"), "Q8_0");

    plan(&mixtral, "Q4_K_M", false, false);
    all("attn_v.weight", "Q8_0");
    all("attn_k.weight", "Q8_0");
    all("attn_output.weight", "Q5_K");
    layers("ffn_down_exps.weight", "0 1 2 3 6 9 12 15 18 21 24 27 28 29 30 31", "Q6_K", "Q4_K");
    plan(&mixtral, "IQ2_XS", true, false);
    all("attn_k.weight", "Q4_K");
    all("attn_output.weight", "Q5_K");
    plan(&mixtral, "IQ3_M", true, false);
    layers("ffn_down_exps.weight", "0 1 2 3 6 9 12 15 18 21 24 27 28 29 30 31", "Q4_K", "IQ3_S");

    /* Old mixtral files: one tensor per expert, all of a layer alike. */
    n_tensors = 0;
    for (int i = 9; i >= 0; i--)
        for (int e = 0; e < 8; e++) {
            char name[32];
            snprintf(name, sizeof name, "ffn_down.%d.weight", e);
            add(i, name, 4096, 4096, 0);
        }
    struct cn_mix_model model = { 16, 32, 8, 8, false, false, false };
    cn_mix_plan(cn_file_type_by_name("Q4_K_S"), &model, false, order, n_tensors);
    for (size_t i = 0; i < n_tensors; i++)
        assert_int_equal(tensors[i].type, strtol(tensors[i].name + 4, NULL, 10) < 2 ? 13 : 12);
}

static void test_gemma2(void **state)
{
    (void)state;
    plan(&gemma2_2b, "Q4_K_M", false, false);
    assert_string_equal(type_of("token_embd.weight"), "Q6_K");
    layers("attn_v.weight", "0 1 2 5 8 11 14 17 20 22 23 24 25", "Q6_K", "Q4_K");
    all("post_ffw_norm.weight", "F32");
    plan(&gemma2_2b, "Q4_K_S", false, false);
    layers("attn_v.weight", "0 1 2 3", "Q5_K", "Q4_K");
    layers("ffn_down.weight", "0 1 2", "Q5_K", "Q4_K");
    plan(&gemma2_2b, "IQ3_S", false, false); /* GQA 2 */
    all("attn_v.weight", "IQ3_S");
    plan(&gemma2_2b, "IQ3_M", false, false);
    all("attn_v.weight", "Q4_K");
    layers("ffn_down.weight", "0 1 2", "Q4_K", "IQ3_S");
    plan(&gemma2_2b, "IQ3_XXS", false, false);
    all("attn_v.weight", "IQ3_S");
    plan(&gemma2_2b, "IQ3_XXS", true, false);
    all("attn_v.weight", "IQ3_XXS");
    plan(&gemma2_2b, "IQ2_M", true, false);
    all("attn_v.weight", "IQ3_S");
    plan(&gemma2_2b, "Q2_K_S", true, false);
    layers("ffn_down.weight", "0 1 2", "Q4_K", "Q2_K");
}

/* Files of IQ*_K, trellis formats and Q6_0: rules of another tool. */
static void test_iqk(void **state)
{
    (void)state;
    plan(&llama_1b, "IQ2_K", true, false); /* 4 heads share one of values; tied */
    assert_string_equal(type_of("token_embd.weight"), "IQ4_K");
    all("attn_v.weight", "IQ4_K");
    all("attn_output.weight", "IQ3_K");
    all("ffn_down.weight", "IQ2_K");
    plan(&llama_8b, "IQ2_K", true, false);
    assert_string_equal(type_of("token_embd.weight"), "IQ2_K");
    assert_string_equal(type_of("output.weight"), "Q5_K");

    plan(&gemma2_2b, "IQ2_KT", true, false); /* 2 heads share one of values; 26 layers */
    assert_string_equal(type_of("token_embd.weight"), "IQ4_K");
    all("attn_v.weight", "IQ3_K");
    all("attn_k.weight", "IQ2_KT");
    all("attn_output.weight", "IQ3_K");
    layers("ffn_down.weight", "0 1 2", "IQ3_K", "IQ2_KT");
    all("ffn_up.weight", "IQ2_KT");
    plan(&mixtral, "IQ2_KT", true, false);
    all("attn_v.weight", "IQ4_K");
    all("attn_k.weight", "Q4_K");
    all("attn_q.weight", "Q4_K");
    all("attn_output.weight", "Q5_K");
    layers("ffn_gate_exps.weight", "0", "IQ3_K", "IQ2_KT");
    layers("ffn_down_exps.weight", "0 1 2 3", "IQ3_K", "IQ2_KT");

    plan(&olmoe, "IQ2_KS", true, false);
    all("attn_v.weight", "IQ4_K");
    all("attn_output.weight", "Q5_K");
    layers("ffn_down_exps.weight", "0 1", "Q2_K", "IQ2_KS");
    plan(&llama_1b, "IQ2_KS", true, false);
    all("attn_output.weight", "IQ2_KS");

    plan(&llama_8b, "IQ3_KT", true, false);
    assert_string_equal(type_of("token_embd.weight"), "IQ3_S");
    all("attn_v.weight", "IQ4_K");
    all("attn_output.weight", "IQ3_K");
    all("ffn_down.weight", "IQ3_KT");
    plan(&llama_8b, "IQ3_KT", false, false);
    layers("ffn_down.weight", "0 1 2 3", "IQ4_K", "IQ3_K");

    plan(&llama_1b, "IQ3_KL", true, false);
    assert_string_equal(type_of("token_embd.weight"), "IQ5_K");
    all("attn_v.weight", "IQ5_K");
    all("attn_output.weight", "IQ4_KS");
    layers("ffn_down.weight", "0 1 4 7 10 13 14 15", "IQ4_KS", "IQ3_K");
    layers("ffn_up.weight", "0 1 4 7 10 13 14 15", "IQ4_KS", "IQ3_K");
    all("attn_q.weight", "IQ3_K");

    plan(&llama_1b, "IQ4_KSS", false, false);
    assert_string_equal(type_of("token_embd.weight"), "IQ5_K");
    all("attn_v.weight", "IQ5_K");
    layers("ffn_down.weight", "0 1", "Q5_K", "IQ4_KSS");
    plan(&llama_1b, "IQ4_KT", true, false);
    assert_string_equal(type_of("token_embd.weight"), "Q6_K");
    all("attn_v.weight", "IQ5_K");
    plan(&olmoe, "IQ4_KT", true, false);
    all("attn_v.weight", "Q8_0");
    all("attn_k.weight", "Q8_0");
    all("attn_output.weight", "IQ4_KT");
    plan(&olmoe, "IQ2_KL", true, false);
    all("attn_output.weight", "IQ4_KS");
    plan(&llama_70b, "IQ3_K", true, false);
    all("attn_v.weight", "IQ5_K");
    plan(&llama_70b, "IQ2_KL", true, false);
    all("attn_v.weight", "IQ2_KL");

    /* Bigger by its vocabulary: values gain, queries lose. */
    struct shape big = llama_8b;
    plan(&big, "IQ5_K", true, false);
    all("attn_v.weight", "IQ5_K");
    big.n_vocab = 128256;
    plan(&big, "IQ5_K", true, false);
    all("attn_v.weight", "IQ6_K");
    all("attn_q.weight", "IQ4_K");
    plan(&big, "IQ5_KS", true, false);
    all("attn_q.weight", "IQ4_KS");
    assert_string_equal(type_of("output.weight"), "Q6_K");
    plan(&big, "IQ6_K", true, false);
    assert_string_equal(type_of("output.weight"), "IQ6_K");
    all("attn_v.weight", "IQ6_K");
    plan(&big, "IQ1_KT", true, false);
    assert_string_equal(type_of("output.weight"), "Q5_K");
    all("ffn_down.weight", "IQ1_KT");

    plan(&qwen_05b, "IQ5_K", true, false); /* rows of 896 */
    all("attn_q.weight", "Q6_0");
    assert_string_equal(type_of("token_embd.weight"), "Q8_0");
    plan(&qwen_05b, "IQ4_K", true, false);
    all("attn_v.weight", "Q6_0"); /* for IQ5_K */
    all("attn_q.weight", "Q5_0");
    plan(&qwen_05b, "IQ6_K", true, false);
    all("attn_q.weight", "Q8_0");
    plan(&qwen_05b, "IQ3_KT", true, false);
    all("attn_q.weight", "IQ4_NL");
    plan(&qwen_05b, "Q6_0", true, false);
    all("attn_q.weight", "Q6_0");
    assert_string_equal(type_of("token_embd.weight"), "Q8_0");

    plan(&mixtral, "Q2_0", false, false);
    assert_string_equal(type_of("token_embd.weight"), "Q4_K");
    assert_string_equal(type_of("output.weight"), "Q6_K");
    all("attn_v.weight", "Q8_0");
    all("ffn_up_exps.weight", "Q2_0");
    plan(&mixtral, "Q1_0_G128", false, false);
    assert_string_equal(type_of("token_embd.weight"), "Q1_0");
    all("ffn_up_exps.weight", "Q1_0");
    plan(&llama_1b, "NVFP4", false, false);
    all("attn_v.weight", "NVFP4");

    /* Names count by their parts; some tensors of states stay as they are. */
    static const struct {
        const char *name, *file_type, *type;
    } parts[] = {
        {"attn_kv_b.weight",     "IQ4_K",  "Q8_0"  },
        { "attn_qkv.weight",     "IQ2_KS", "Q4_K"  },
        { "attn_kv_b.weight",    "Q1_0",   "Q8_0"  },
        { "ssm_x.weight",        "IQ4_K",  "F32"   },
        { "ssm_dt.weight",       "IQ4_K",  "F32"   },
        { "ssm_x.weight",        "IQ4_XS", "IQ4_XS"},
        { "ffn_up_shexp.weight", "IQ2_KT", "IQ4_K" },
    };
    struct cn_mix_model model = { 32, 32, 32, 8, false, false, false };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        n_tensors = 0;
        add(1, parts[i].name, 4096, 4096, 0);
        cn_mix_plan(cn_file_type_by_name(parts[i].file_type), &model, false, order, n_tensors);
        assert_string_equal(cn_gguf_type_name(tensors[0].type), parts[i].type);
    }
}

static void test_fused_qkv(void **state)
{
    (void)state;
    static const struct {
        const char *file_type, *type;
    } want[] = {
        {"Q4_K_M",  "Q5_K"},
        { "Q5_K_M", "Q6_K"},
        { "Q3_K_L", "Q4_K"},
        { "Q4_K_S", "Q4_K"}
    };
    struct cn_mix_model model = { 32, 32, 32, 0, false, false, false };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        n_tensors = 0;
        add(0, "attn_qkv.weight", 3072, 9216, 0);
        cn_mix_plan(cn_file_type_by_name(want[i].file_type), &model, false, order, n_tensors);
        assert_string_equal(cn_gguf_type_name(tensors[0].type), want[i].type);
    }
}

static void test_order_of_visit(void **state)
{
    (void)state;
    static const char *const want[] = { "output.weight", "token_embd.weight", "blk.2.attn_v.weight",
                                        "blk.2.ffn_up.weight", "blk.10.attn_v.weight" };
    n_tensors = 0;
    for (int i = 4; i >= 0; i--)
        add(-1, want[i], 256, 256, 0);
    struct cn_mix_model model = { 11, 8, 8, 0, false, false, false };
    cn_mix_plan(cn_file_type_by_name("Q6_K"), &model, false, order, n_tensors);
    for (size_t i = 0; i < n_tensors; i++)
        assert_string_equal(order[i]->name, want[i]);
    cn_mix_plan(cn_file_type_by_name("Q6_K"), &model, false, NULL, 0);
}

static void test_names_and_ids(void **state)
{
    (void)state;
    const struct cn_file_type *ft;
    int n_mixes = 0;
    for (int i = 0; (ft = cn_file_type_at(i)) != NULL; i++) {
        n_mixes += !ft->own;
        assert_ptr_equal(cn_file_type_by_name(ft->name), ft);
        assert_ptr_equal(cn_file_type_by_id(ft->id), ft);
        assert_ptr_equal(cn_file_type_by_id(ft->id | 1024), ft);
        assert_non_null(cn_format_by_gguf(ft->base));
    }
    assert_int_equal(n_mixes, 53);
    /* A format that is no mix is a file type of its own name, out of the way of GGUF's ids. */
    const struct cn_file_type *own = cn_file_type_by_name("q8_1");
    assert_true(own->own && own->base == 9 && own->id == 0x4009);
    assert_false(cn_file_type_by_name("q8_0")->own);
    assert_int_equal(cn_file_type_by_name("q4_k_m")->id, 15);
    assert_int_equal(cn_file_type_by_name("Q4_K")->id, 15);
    assert_int_equal(cn_file_type_by_name("iq2_s")->base, 17);
    assert_null(cn_file_type_by_name("Q4"));
    assert_null(cn_file_type_by_name(""));
    assert_null(cn_file_type_by_id(4));
}

static void test_need_of_an_imatrix(void **state)
{
    (void)state;
    const struct cn_file_type *q2_k_s = cn_file_type_by_name("Q2_K_S");
    const struct cn_file_type *q2_k = cn_file_type_by_name("Q2_K");
    assert_true(cn_mix_needs_imatrix(q2_k, "blk.0.attn_q.weight", 16));
    assert_false(cn_mix_needs_imatrix(q2_k, "blk.0.attn_q.weight", 10));
    assert_true(cn_mix_needs_imatrix(q2_k_s, "blk.0.attn_q.weight", 10));
    assert_false(cn_mix_needs_imatrix(q2_k_s, "token_embd.weight", 10));
    assert_true(cn_mix_needs_imatrix(q2_k, "blk.0.attn_q.weight", 29));
    assert_false(cn_mix_needs_imatrix(q2_k, "output.weight", 29));
    assert_false(cn_mix_needs_imatrix(q2_k, "blk.0.attn_q.weight", 12));
    assert_true(cn_mix_needs_imatrix(q2_k, "blk.0.attn_q.weight", 153)); /* IQ2_KT */
    assert_false(cn_mix_needs_imatrix(q2_k, "token_embd.weight", 153));
    static const char *const for_which[][2] = {
        {"iq1_s",    "iq1_m"},
        { "iq2_xxs", "q2_k" },
        { "iq2_s",   "q2_k" }
    };
    for (size_t i = 0; i < sizeof for_which / sizeof *for_which; i++)
        assert_string_equal(cn_mix_stand_in(cn_format_by_name(for_which[i][0]), 512)->name,
                            for_which[i][1]);
    assert_string_equal(cn_mix_stand_in(cn_format_by_name("iq2_xs"), 96)->name, "iq4_nl");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_llama_1b),      cmocka_unit_test(test_qwen_rows_of_896),
        cmocka_unit_test(test_llama_8b),      cmocka_unit_test(test_mixtures_of_experts),
        cmocka_unit_test(test_gemma2),        cmocka_unit_test(test_iqk),
        cmocka_unit_test(test_fused_qkv),     cmocka_unit_test(test_order_of_visit),
        cmocka_unit_test(test_names_and_ids), cmocka_unit_test(test_need_of_an_imatrix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
