/* SPDX-License-Identifier: MIT */
#include "engine/run/op_work.h"

#include "engine/run/session.h"
#include "tests/arch_fixture.h"

#include <math.h>

#define ARCH  "tests/fixtures/arch/"
#define ARCH2 "tests/fixtures/arch2/"

/* What is told beforehand is what a session then counts, but for the cache. */
static void as_counted(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        bool moe;
    } files[] = {
        {"models/prose-8m-f16.gguf", false},
        { ARCH "qwen2-odd.gguf",     false},
        { ARCH "qwen3moe.gguf",      true },
        { ARCH2 "qwen35-mtp.gguf",   false},
        { ARCH2 "lfm2.gguf",         false},
        { ARCH2 "minicpm3.gguf",     false},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        for (int32_t n = 1; n <= 32; n += 31) {
            struct cn_model *m = fixture_open(files[i].path, NULL);
            struct cn_session_options o = { .n_ctx = 64, .n_threads = 1, .kv = CN_KV_F32 };
            struct cn_session *s = fixture_session(m, &o);
            int32_t tokens[32];
            for (int32_t k = 0; k < n; k++)
                tokens[k] = 20 + 7 * k;
            struct cn_work told, counted;
            struct cn_error err;
            assert_int_equal(cn_session_eval(s, tokens, n, CN_WANT_LAST, &err), CN_OK);
            cn_session_work(s, &counted);
            cn_model_pass_work(m, n, &told);
            int64_t kv = 0;
            for (int64_t k = 0; k < m->hp.n_layer; k++) {
                const struct cn_layer_hparams *l = &m->hp.layers[k];
                kv += 4 * n *
                      (l->mixers[0] == CN_MIXER_LATENT ? m->hp.kv_lora + l->n_rot
                                                       : l->n_head_kv * (l->d_k + l->d_v));
            }
            if (told.kv_bytes != 0 || told.state_bytes != counted.state_bytes ||
                counted.kv_bytes > kv || (counted.state_bytes == 0) == s->has_states)
                fail_msg("%s, %d tokens: %lld bytes of the cache and %lld of states counted",
                         files[i].path, n, (long long)counted.kv_bytes,
                         (long long)counted.state_bytes);
            if (files[i].moe && n > 1) {
                /* Which experts are chosen is not known: about as many. */
                assert_true(fabs((double)(counted.bytes - kv) / (double)told.bytes - 1) < 0.25);
            } else {
                if (told.bytes != counted.bytes - kv)
                    fail_msg("%s, %d tokens: %lld bytes told, %lld counted", files[i].path, n,
                             (long long)told.bytes, (long long)(counted.bytes - kv));
                assert_int_equal(told.unpacked, counted.unpacked);
            }
            assert_true(llabs(told.int8_ops - counted.int8_ops) <= 1 + counted.int8_ops / 1000);
            assert_true(llabs(told.float_ops - counted.float_ops) <= 1 + counted.float_ops / 1000);
            cn_session_free(s);
            cn_model_close(m);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(as_counted) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
