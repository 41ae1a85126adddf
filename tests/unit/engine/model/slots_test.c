/* SPDX-License-Identifier: MIT
 *
 * Weights and keys that an architecture cannot do without: a model that lacks one is refused in one
 * line that names it.
 */
#include "engine/model/slots.h"
#include "tests/arch_fixture.h"

static char dir[] = "/tmp/cn-slots-XXXXXX";
static char path[128];

/* Opens a copy of a fixture in which the first `name` is called otherwise. */
static void expect_missed(const char *fixture, const char *name, const char *words)
{
    char from[512];
    size_t n = 0;
    if (!fixture_path(from, sizeof from, fixture))
        return;
    char *bytes = fixture_read(from, &n);
    assert_non_null(bytes);
    char *at = memmem(bytes, n, name, strlen(name));
    assert_non_null(at);
    at[strlen(name) - 1] ^= 1;
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    free(bytes);
    struct cn_model *model = NULL;
    struct cn_error err = { "" };
    const enum cn_status status = cn_model_open(path, NULL, &model, &err);
    if (status != CN_ERR_FORMAT || !strstr(err.text, words) || strchr(err.text, '\n'))
        fail_msg("%s without %s: \"%s\" expected in the message \"%s\"", fixture, name, words,
                 err.text);
}

static void missing_weights(void **state)
{
    (void)state;
    expect_missed("gpt-oss-mxfp4.gguf", "blk.0.attn_sinks.weight",
                  "blk.0.attn_sinks.weight is missing: gpt-oss needs it");
    expect_missed("gpt-oss-mxfp4.gguf", "blk.1.ffn_down_exps.bias",
                  "blk.1.ffn_down_exps.bias is missing");
    expect_missed("deepseek2-groups.gguf", "blk.1.attn_k_b.weight",
                  "blk.1.attn_k_b.weight is missing");
    expect_missed("minicpm3.gguf", "blk.0.attn_kv_b.weight", "blk.0.attn_kv_b.weight is missing");
    expect_missed("bitnet.gguf", "blk.2.ffn_sub_norm.weight",
                  "blk.2.ffn_sub_norm.weight is missing");
    expect_missed("gemma4-dense.gguf", "blk.0.attn_k.weight", "blk.0.attn_k.weight is missing");
    expect_missed("lfm2.gguf", "blk.0.shortconv.conv.weight",
                  "blk.0.shortconv.conv.weight is missing: lfm2 needs it, shape [3, 64, 1]");
    expect_missed("lfm2.gguf", "token_embd_norm.weight", "token_embd_norm.weight is missing");
    expect_missed("lfm2.gguf", "blk.2.attn_q.weight", "blk.2.attn_q.weight is missing");
    expect_missed("mamba2.gguf", "blk.1.ssm_a", "blk.1.ssm_a is missing");
    expect_missed("mamba2.gguf", "blk.0.ssm_conv1d.bias", "blk.0.ssm_conv1d.bias is missing");
    expect_missed("nemotron_h.gguf", "blk.0.ssm_norm.weight", "blk.0.ssm_norm.weight is missing");
    expect_missed("nemotron_h_moe-latent.gguf", "blk.1.ffn_latent_up.weight",
                  "blk.1.ffn_latent_up.weight is missing");
    expect_missed("falcon-h1-norm.gguf", "blk.0.ffn_norm", "blk.0.ffn_norm is missing");
}

static void missing_keys(void **state)
{
    (void)state;
    expect_missed("deepseek2-groups.gguf", "deepseek2.expert_group_used_count",
                  "deepseek2.expert_group_used_count");
    expect_missed("deepseek2-groups.gguf", "deepseek2.attention.kv_lora_rank",
                  "deepseek2.attention.kv_lora_rank");
    expect_missed("cohere2.gguf", "cohere2.attention.sliding_window",
                  "cohere2.attention.sliding_window");
}

/* Every layer's slots have names and shapes of their own, and those of the model none of a layer.
 */
static void names(void **state)
{
    char name[96];
    (void)state;
    for (int slot = 0; slot < CN_N_SLOTS; slot++) {
        cn_slot_name((enum cn_slot)slot, 7, name, sizeof name);
        assert_int_equal(strncmp(name, "blk.7.", 6) == 0, slot >= CN_FIRST_LAYER_SLOT);
        assert_true(cn_slot_infos[slot].name[0] != 0);
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
        cmocka_unit_test(missing_weights),
        cmocka_unit_test(missing_keys),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
