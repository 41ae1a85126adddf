/* SPDX-License-Identifier: MIT
 *
 * How much the quantisers lose on two fixed synthetic tensors (gaussian, and student-t with 4
 * degrees of freedom), with and without importance weights, beside a yardstick: what a widely used
 * set of quantisers reaches on the same data. Lower is better.
 *
 * The yardstick is of 256 rows; the test takes fewer, CARNOT_YARDSTICK_ROWS of them (default 16),
 * and allows for the luck of the draw. With 256 it prints the table and allows nothing.
 */
#include "base/rng.h"
#include "quant/quant.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { COLS = 4096, ROWS = 256 };

/* ---- the data ------------------------------------------------------------------------------- */

struct random {
    struct cn_rng rng;
    double spare;
    bool has_spare;
};

static double gauss(struct random *r) /* Box-Muller */
{
    if (r->has_spare) {
        r->has_spare = false;
        return r->spare;
    }
    double u = (double)((cn_rng_next(&r->rng) >> 11) + 1) * 0x1p-53, v = cn_rng_uniform(&r->rng);
    double radius = sqrt(-2 * log(u));
    r->spare = radius * sin(2 * 3.14159265358979323846 * v);
    r->has_spare = true;
    return radius * cos(2 * 3.14159265358979323846 * v);
}

static double student(struct random *r)
{
    double z = gauss(r), squares = 0;
    for (int i = 0; i < 4; i++) {
        double g = gauss(r);
        squares += g * g;
    }
    return z / sqrt(squares / 4);
}

static float *data[2], *importance;

static int make_data(void **state)
{
    (void)state;
    struct random r = { .rng.state = 1001 };
    for (int kind = 0; kind < 2; kind++) {
        data[kind] = malloc(sizeof(float) * ROWS * COLS);
        r = (struct random){ .rng.state = 1001 + (uint64_t)kind };
        for (int i = 0; i < ROWS * COLS; i++)
            data[kind][i] = (float)(0.02 * (kind ? student(&r) : gauss(&r)));
    }
    importance = malloc(sizeof(float) * COLS);
    r = (struct random){ .rng.state = 1003 };
    for (int i = 0; i < COLS; i++)
        importance[i] = (float)exp(gauss(&r));
    return 0;
}

static int free_data(void **state)
{
    (void)state;
    free(data[0]);
    free(data[1]);
    free(importance);
    return 0;
}

static void check_sums(const float *x, int n, double sum, double squares)
{
    double s = 0, ss = 0;
    for (int i = 0; i < n; i++) {
        s += (double)x[i];
        ss += (double)x[i] * (double)x[i];
    }
    assert_true(fabs(s - sum) < 1e-6 * fabs(sum));
    assert_true(fabs(ss - squares) < 1e-9 * squares);
}

static void test_data(void **state)
{
    (void)state;
    check_sums(data[0], ROWS * COLS, -6.44659930078, 420.101314337);
    check_sums(data[1], ROWS * COLS, 9.8191693641, 841.105762065);
    check_sums(importance, COLS, 6722.78967588, 30861.1842175);
}

/* ---- the yardstick --------------------------------------------------------------------------- */

/* clang-format off */
/* Per data set: rms and wrms without weights, rms and wrms with weights. 0: needs weights, or (q1_0) the
 * yardstick heeds none, so that no other rms can be lower. */
static const struct yardstick {
    const char *format;
    float loss[2][4];
} yardsticks[] = {
    { "iq1_s", { { 0, 0, 0.519137f, 0.438660f }, { 0, 0, 0.599067f, 0.521896f } } },
    { "tq1_0", { { 0.805278f, 0.804913f, 0.805278f, 0.804913f }, { 0.842748f, 0.839933f, 0.842748f, 0.839933f } } },
    { "iq1_m", { { 0.581585f, 0.580769f, 0.492221f, 0.388322f }, { 0.597223f, 0.596924f, 0.529767f, 0.434890f } } },
    { "iq2_xxs", { { 0, 0, 0.363376f, 0.295853f }, { 0, 0, 0.426656f, 0.367875f } } },
    { "tq2_0", { { 0.805278f, 0.804913f, 0.805278f, 0.804913f }, { 0.842748f, 0.839933f, 0.842748f, 0.839933f } } },
    { "iq2_xs", { { 0, 0, 0.320542f, 0.258457f }, { 0, 0, 0.360379f, 0.310407f } } },
    { "iq2_s", { { 0.264909f, 0.265066f, 0.263086f, 0.224525f }, { 0.340145f, 0.340500f, 0.322214f, 0.285476f } } },
    { "q2_k", { { 0.296820f, 0.296775f, 0.284148f, 0.235810f }, { 0.343683f, 0.343255f, 0.317711f, 0.268750f } } },
    { "iq3_xxs", { { 0.212748f, 0.212388f, 0.198792f, 0.152269f }, { 0.255398f, 0.255439f, 0.219806f, 0.177650f } } },
    { "q3_k", { { 0.150784f, 0.150748f, 0.150525f, 0.133889f }, { 0.183738f, 0.183469f, 0.182466f, 0.166932f } } },
    { "iq3_s", { { 0.166081f, 0.165926f, 0.145784f, 0.119322f }, { 0.197740f, 0.197035f, 0.169878f, 0.147588f } } },
    { "iq4_xs", { { 0.076655f, 0.076551f, 0.077830f, 0.070805f }, { 0.094606f, 0.094576f, 0.094951f, 0.088559f } } },
    { "mxfp4", { { 0.114155f, 0.114302f, 0.114155f, 0.114302f }, { 0.131694f, 0.131577f, 0.131694f, 0.131577f } } },
    { "q4_0", { { 0.085875f, 0.085747f, 0.083791f, 0.077092f }, { 0.115974f, 0.116038f, 0.114667f, 0.108654f } } },
    { "q4_k", { { 0.071363f, 0.071256f, 0.074006f, 0.064331f }, { 0.086866f, 0.086756f, 0.089643f, 0.079266f } } },
    { "iq4_nl", { { 0.076063f, 0.075964f, 0.077310f, 0.070047f }, { 0.093642f, 0.093607f, 0.094088f, 0.087115f } } },
    { "q4_1", { { 0.078197f, 0.078109f, 0.073366f, 0.063356f }, { 0.093719f, 0.093688f, 0.088412f, 0.077234f } } },
    { "q5_0", { { 0.042633f, 0.042580f, 0.041509f, 0.038177f }, { 0.058235f, 0.058202f, 0.057620f, 0.054626f } } },
    { "q5_k", { { 0.036107f, 0.036100f, 0.036592f, 0.032724f }, { 0.043930f, 0.043874f, 0.044590f, 0.040755f } } },
    { "q5_1", { { 0.037827f, 0.037823f, 0.035473f, 0.030713f }, { 0.045349f, 0.045386f, 0.042732f, 0.037369f } } },
    { "q6_k", { { 0.017743f, 0.017720f, 0.018160f, 0.016119f }, { 0.022887f, 0.022851f, 0.023394f, 0.021345f } } },
    { "iq4_k", { { 0.064817f, 0.064862f, 0.066081f, 0.055414f }, { 0.075431f, 0.075324f, 0.075427f, 0.064925f } } },
    { "iq5_k", { { 0.032309f, 0.032310f, 0.033342f, 0.028598f }, { 0.038386f, 0.038375f, 0.039032f, 0.034795f } } },
    { "iq6_k", { { 0.015695f, 0.015695f, 0.016311f, 0.013657f }, { 0.017587f, 0.017570f, 0.018050f, 0.015355f } } },
    { "iq4_ks", { { 0.074149f, 0.074069f, 0.075049f, 0.065445f }, { 0.093283f, 0.093315f, 0.092522f, 0.082578f } } },
    { "iq5_ks", { { 0.036447f, 0.036403f, 0.036997f, 0.032328f }, { 0.046971f, 0.046907f, 0.046833f, 0.042619f } } },
    { "iq2_k", { { 0.296778f, 0.296756f, 0.293666f, 0.246982f }, { 0.356515f, 0.356099f, 0.340399f, 0.293523f } } },
    { "iq3_k", { { 0.134916f, 0.134775f, 0.138833f, 0.117495f }, { 0.154589f, 0.154749f, 0.156086f, 0.135629f } } },
    { "iq2_ks", { { 0.335756f, 0.335288f, 0.322699f, 0.281600f }, { 0.430876f, 0.430086f, 0.393509f, 0.350240f } } },
    { "iq3_ks", { { 0.154892f, 0.154770f, 0.156484f, 0.138001f }, { 0.198514f, 0.198383f, 0.192316f, 0.175672f } } },
    { "iq2_kl", { { 0.238503f, 0.238052f, 0.249401f, 0.200634f }, { 0.261493f, 0.261641f, 0.267615f, 0.226906f } } },
    { "iq4_kss", { { 0.103695f, 0.103709f, 0.098843f, 0.077155f }, { 0.138654f, 0.138536f, 0.125812f, 0.097852f } } },
    { "q8_0", { { 0.005346f, 0.005341f, 0.005346f, 0.005341f }, { 0.007329f, 0.007334f, 0.007329f, 0.007334f } } },
    { "iq1_kt", { { 0.441086f, 0.441374f, 0.462863f, 0.311969f }, { 0.525511f, 0.527698f, 0.524314f, 0.360391f } } },
    { "q1_0", { { 0.600472f, 0.600476f, 0, 0.600476f }, { 0.704716f, 0.706737f, 0, 0.706737f } } },
    { "iq2_kt", { { 0.329934f, 0.329489f, 0.354289f, 0.237354f }, { 0.398070f, 0.397329f, 0.404169f, 0.276886f } } },
    { "q2_0", { { 0.716720f, 0.717138f, 0.716720f, 0.717138f }, { 0.729593f, 0.726749f, 0.729593f, 0.726749f } } },
    { "iq3_kt", { { 0.168507f, 0.168213f, 0.185580f, 0.122703f }, { 0.207660f, 0.209166f, 0.222410f, 0.147929f } } },
    { "iq4_kt", { { 0.096270f, 0.096274f, 0.106523f, 0.069855f }, { 0.106932f, 0.106677f, 0.117112f, 0.077517f } } },
    { "nvfp4", { { 0.103286f, 0.103317f, 0.103286f, 0.103317f }, { 0.095988f, 0.095865f, 0.095988f, 0.095865f } } },
    { "q6_0", { { 0.020266f, 0.020242f, 0.020458f, 0.018566f }, { 0.028506f, 0.028512f, 0.028498f, 0.026720f } } },
    { "f16", { { 0.000207f, 0.000207f, 0.000207f, 0.000207f }, { 0.000208f, 0.000208f, 0.000208f, 0.000208f } } },
    { "bf16", { { 0.001657f, 0.001658f, 0.001657f, 0.001658f }, { 0.001662f, 0.001666f, 0.001662f, 0.001666f } } },
};
/* clang-format on */

/* Relative errors, plain and weighted by importance, of `rows` rows. */
static void measure(const struct cn_format *f, const float *x, int rows, const float *weights,
                    double *rms, double *wrms, double *seconds)
{
    uint8_t *blocks = malloc(cn_row_bytes(f, COLS));
    float *y = malloc(sizeof(float) * COLS);
    double e = 0, n = 0, we = 0, wn = 0;
    *seconds = 0;
    for (int r = 0; r < rows; r++, x += COLS) {
        struct timespec t0, t1;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t0);
        f->ref->quantize(COLS, x, weights, blocks);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t1);
        *seconds += (double)(t1.tv_sec - t0.tv_sec) + 1e-9 * (double)(t1.tv_nsec - t0.tv_nsec);
        f->ref->dequantize(COLS, blocks, y);
        for (int i = 0; i < COLS; i++) {
            double miss = (double)x[i] - (double)y[i], square = (double)x[i] * (double)x[i];
            e += miss * miss;
            n += square;
            we += (double)importance[i] * miss * miss;
            wn += (double)importance[i] * square;
        }
    }
    *rms = sqrt(e / n);
    *wrms = sqrt(we / wn);
    free(blocks);
    free(y);
}

static void test_yardstick(void **state)
{
    (void)state;
    const char *only = getenv("CARNOT_YARDSTICK_FORMAT"), *env = getenv("CARNOT_YARDSTICK_ROWS");
    int rows = env ? atoi(env) : 16, missed = 0;
    assert_in_range(rows, 1, ROWS);
    /* The spread of a mean of squares over this many elements, heavy tails included. */
    double slack = rows == ROWS ? 0 : 0.15 / sqrt(rows);
    for (int type = 0; type < CN_N_TYPES; type++) {
        const struct cn_format *f = &cn_formats[type];
        const struct yardstick *y = NULL;
        for (size_t i = 0; i < sizeof yardsticks / sizeof *yardsticks; i++)
            if (strcmp(yardsticks[i].format, f->name) == 0)
                y = &yardsticks[i];
        if (!y || (only && strcmp(only, f->name) != 0))
            continue;
        for (int kind = 0; kind < 2; kind++)
            for (int weighted = 0; weighted < 2; weighted++) {
                if (!weighted && f->ref->needs_weights)
                    continue;
                double got[2], seconds;
                measure(f, data[kind], rows, weighted ? importance : NULL, &got[0], &got[1],
                        &seconds);
                printf("%-8s %-7s %-10s", f->name, kind ? "student" : "gauss",
                       weighted ? "weights" : "no weights");
                for (int m = 0; m < 2; m++) {
                    double limit = (double)y->loss[kind][2 * weighted + m];
                    bool over = limit > 0 && got[m] > limit * (1 + slack) + 5e-7;
                    missed += over;
                    printf("  %s %.6f", m ? "wrms" : "rms", got[m]);
                    if (limit > 0)
                        printf(" of %.6f (%+.2f %%)%s", limit, 100 * (got[m] / limit - 1),
                               over ? " OVER" : "");
                }
                printf("  %.1f Mw/s\n", rows * COLS / seconds * 1e-6);
            }
    }
    assert_int_equal(missed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data),
        cmocka_unit_test(test_yardstick),
    };
    return cmocka_run_group_tests(tests, make_data, free_data);
}
