/* SPDX-License-Identifier: MIT
 *
 * Quantised models against the same weights in f32 throughout: what remains is the rounding of
 * activations to 8 bits, within the bounds the fixtures' README gives.
 */
#include "tests/arch_fixture.h"

#include <math.h>

static bool left_out(const struct cn_json_value *entry, int32_t position)
{
    const struct cn_json_value *v;
    for (size_t i = 0; (v = fixture_element(entry, "moe_near_tie_positions", i)); i++)
        if ((int32_t)v->number == position)
            return true;
    return false;
}

static void compare(const struct fixture *f, const char *what, const float *got)
{
    const double max_allowed = fixture_number(f->entry, "tol_q8_activations_max");
    const double rms_allowed = fixture_number(f->entry, "tol_q8_activations_rms");
    double most = 0, squares = 0;
    int64_t n = 0;
    for (int32_t t = 0; t < f->n_tokens; t++) {
        if (left_out(f->entry, t))
            continue;
        for (int32_t i = 0; i < f->n_vocab; i++, n++) {
            size_t at = (size_t)t * (size_t)f->n_vocab + (size_t)i;
            double d = fabs((double)got[at] - (double)f->logits[at]);
            most = isnan(d) ? HUGE_VAL : fmax(most, d);
            squares += d * d;
        }
    }
    assert_true(n > 0);
    double rms = sqrt(squares / (double)n);
    if (!(most <= max_allowed && rms <= rms_allowed))
        fail_msg("%s, %s: off by %g (rms %g), allowed %g (rms %g)", f->model, what, most, rms,
                 max_allowed, rms_allowed);
}

static void quantised_models(void **state)
{
    char path[512];
    (void)state;
    if (!fixture_path(path, sizeof path, "quant/manifest.json")) {
        skip();
        return;
    }
    struct cn_json *manifest = fixture_manifest(path);
    int n = 0;
    for (const struct cn_json_value *e = cn_json_root(manifest)->first; e; e = e->next) {
        struct fixture f;
        assert_true(fixture_load(&f, e, "quant/", "logits_dequant"));
        static const char *const tiers[] = { NULL, "ref" };
        for (int i = 0; i < 2; i++) {
            struct cn_model *model = fixture_open(f.model, tiers[i]);
            static const int32_t batches[] = { 1, 512 };
            for (int j = 0; j < 2; j++) {
                char what[64];
                snprintf(what, sizeof what, "%s, batch %d", tiers[i] ? tiers[i] : "every tier",
                         batches[j]);
                float *got = fixture_logits(model, &f, CN_KV_F32, batches[j], 2);
                compare(&f, what, got);
                free(got);
            }
            cn_model_close(model);
        }
        fixture_free(&f);
        n++;
    }
    cn_json_free(manifest);
    printf("%d models compared\n", n);
    assert_true(n > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(quantised_models) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
