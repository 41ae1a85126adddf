/* SPDX-License-Identifier: MIT */
#include "engine/run/log_prob.h"

#include "tests/arch_fixture.h"

#include <math.h>

/* The logarithm of softmax, as doubles have it. */
static void as_softmax(void **state)
{
    (void)state;
    struct cn_model *m = fixture_open("tests/fixtures/arch/qwen2-odd.gguf", NULL);
    const int32_t n = cn_model_get_info(m)->n_vocab;
    float *logits = malloc((size_t)n * sizeof *logits);
    assert_non_null(logits);
    double sum = 0, all = 0;
    for (int32_t i = 0; i < n; i++) {
        logits[i] = (float)(i * 37 % 101) / 5 - 30;
        sum += exp((double)logits[i]);
    }
    for (int32_t i = 0; i < n; i++) {
        const double p = cn_log_prob(m, logits, i);
        assert_true(fabs(p - ((double)logits[i] - log(sum))) < 1e-5);
        all += exp(p);
    }
    assert_true(fabs(all - 1) < 1e-5);
    logits[n / 2] = -INFINITY; /* forbidden: the others share what it had */
    assert_true(isfinite(cn_log_prob(m, logits, 0)));
    assert_false(isfinite(cn_log_prob(m, logits, n / 2)));
    logits[n / 2] = NAN;
    assert_false(isfinite(cn_log_prob(m, logits, n / 2)));
    free(logits);
    cn_model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(as_softmax) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
