/* SPDX-License-Identifier: MIT */
#include "bench/report/report_compare.h"
#include "bench/stats/comparison.h"
#include "tests/shared_data.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct cn_dataset *parse(const char *text)
{
    struct cn_dataset *d = NULL;
    struct cn_error err = { "" };
    if (cn_dataset_parse(text, strlen(text), "t", &d, &err) != CN_OK)
        fail_msg("%s", err.text);
    return d;
}

static struct cn_comparisons *compare(const struct cn_dataset *d, struct cn_compare_options o)
{
    struct cn_comparisons *c = NULL;
    struct cn_error err = { "" };
    if (o.margin == 0)
        o.margin = 0.05;
    if (cn_compare(d, &o, &c, &err) != CN_OK)
        fail_msg("%s", err.text);
    return c;
}

static void near(double found, double expected, double relative)
{
    if (!(fabs(found - expected) <= relative * fabs(expected)))
        fail_msg("%.12g expected, %.12g found", expected, found);
}

static void says(const struct cn_comparison *c, const char *part)
{
    char text[512];
    cn_comparison_verdict(c, text, sizeof text);
    if (!strstr(text, part))
        fail_msg("'%s' expected, '%s' found", part, text);
}

/* n runs of two quantisations of two models: y is x times `factor` and a little noise. */
static char *run_table(int n, double factor, const char *columns)
{
    size_t room = 100 + (size_t)n * 4 * 64;
    char *text = malloc(room), *p = text;
    p += sprintf(p, "model,quant,%s,energy_j,input_tokens\n", columns);
    for (int m = 0; m < 2; m++)
        for (int q = 0; q < 2; q++)
            for (int r = 0; r < n; r++) {
                double noise = 0.1 * ((r * 7 + q * 3 + m) % 11);
                p += sprintf(p, "m%d,%s,%d,%.4f,%d\n", m, q ? "IQ4_XS" : "Q4_K_M", r,
                             (q ? factor : 1) * (50 + 50 * m + noise), m ? 103 : 103 + 10 * q);
            }
    assert_true((size_t)(p - text) < room);
    return text;
}

static void rows_pair_by_their_factors(void **state)
{
    (void)state;
    char *text = run_table(8, 1.2, "rep");
    struct cn_dataset *d = parse(text);
    struct cn_comparisons *c = compare(d, (struct cn_compare_options){ .by = "quant" });
    assert_int_equal(c->n, 1);
    assert_string_equal(c->pairing, "model, rep");
    assert_string_equal(c->items[0].metric, "energy_j");
    assert_string_equal(c->items[0].a, "Q4_K_M");
    assert_true(c->items[0].paired);
    assert_int_equal(c->items[0].test.n_a, 16);
    assert_true(c->items[0].test.effect == 1);
    near(c->items[0].test.p, 2 * 0x1p-16, 1e-12);
    near(c->items[0].tost.estimate, 1.2, 0.01);
    says(&c->items[0], "IQ4_XS is 2");
    says(&c->items[0], "and one of more than 5%");
    /* input_tokens are not alike in half of the pairs. */
    assert_non_null(strstr(c->warnings[0], "input_tokens differs in 8 pairs"));
    cn_comparisons_free(c);

    c = compare(d, (struct cn_compare_options){ .by = "quant=IQ4_XS,Q4_K_M", .per = "model" });
    assert_int_equal(c->n, 2);
    assert_string_equal(c->items[1].per, "m1");
    assert_string_equal(c->items[1].b, "Q4_K_M");
    assert_int_equal(c->items[1].test.n_a, 8);
    near(c->items[1].p_holm, 2 * c->items[1].test.p, 1e-12);
    says(&c->items[1], "Q4_K_M is 16.");
    says(&c->items[1], "below IQ4_XS");
    cn_comparisons_free(c);
    cn_dataset_free(d);
    free(text);
}

static void without_repetitions_there_are_no_pairs(void **state)
{
    (void)state;
    char *text = run_table(10, 1.001, "n"); /* n is no factor that is known */
    struct cn_dataset *d = parse(text);
    struct cn_comparisons *c = compare(d, (struct cn_compare_options){ .by = "quant" });
    assert_int_equal(c->n, 2); /* each model on its own */
    assert_string_equal(c->pairing, "");
    assert_false(c->items[0].paired);
    assert_int_equal(c->items[0].test.n_a, 10);
    says(&c->items[0], "Mann-Whitney p = ");
    says(&c->items[0], "no difference shown");
    says(&c->items[0], "and equivalent within 5%");
    cn_comparisons_free(c);
    c = compare(d, (struct cn_compare_options){ .by = "quant", .pair = "model,n", .margin = 1e-4 });
    assert_int_equal(c->n, 1);
    assert_true(c->items[0].paired);
    says(&c->items[0], "0.01%");
    cn_comparisons_free(c);
    c = compare(d, (struct cn_compare_options){ .by = "quant", .pair = "none" });
    assert_int_equal(c->n, 1);
    assert_int_equal(c->items[0].test.n_a, 20);
    cn_comparisons_free(c);
    cn_dataset_free(d);
    free(text);
}

static void lone_rows_bring_their_intervals(void **state)
{
    (void)state;
    struct cn_dataset *d = parse("file,model,test,tps_median,tps_lo,tps_hi,bytes\n"
                                 "a,m,prefill,100,90,110,5\nb,m,prefill,120,111,125,5\n"
                                 "a,m,decode,100,90,110,5\nb,m,decode,95,80,101,5\n");
    struct cn_comparisons *c = compare(d, (struct cn_compare_options){ .by = "file" });
    assert_int_equal(c->n, 2); /* prefill and decode are never one sample */
    assert_string_equal(c->items[0].per, "prefill");
    says(&c->items[0], "b is 20.0% above a; one value of each, and their 95% intervals are apart");
    says(&c->items[1], "b is 5.0% below a; one value of each, and their 95% intervals overlap");
    assert_string_equal(c->left_out, "");
    assert_string_equal(c->constant, "bytes");
    cn_comparisons_free(c);
    cn_dataset_free(d);
    d = parse("who,ms,note\nx,3,a\ny,4,b\n");
    c = compare(d, (struct cn_compare_options){ .by = "who" });
    says(&c->items[0],
         "y is 33.3% above x; one value of each, so nothing can be said about chance");
    assert_string_equal(c->apart, "note");
    cn_comparisons_free(c);
    cn_dataset_free(d);
}

/* What never changes is no metric and no comparison, unless it is all there is. */
static void constants_are_no_metrics(void **state)
{
    (void)state;
    struct cn_dataset *d = parse("file,run,x,size,y\na,1,1,8,5\na,2,2,8,6\nb,1,3,8,7\nb,2,4,8,8\n");
    struct cn_comparisons *c = compare(d, (struct cn_compare_options){ .by = "file" });
    assert_int_equal(c->n, 2);
    assert_int_equal(c->items[0].n_tests, 2); /* Holm's: not 3 */
    assert_string_equal(c->items[0].metric, "x");
    assert_string_equal(c->items[1].metric, "y");
    assert_string_equal(c->constant, "size");
    assert_string_equal(c->pairing, "run");
    cn_comparisons_free(c);
    c = compare(d, (struct cn_compare_options){ .by = "file", .metrics = "size" });
    assert_int_equal(c->n, 1); /* asked for */
    cn_comparisons_free(c);
    cn_dataset_free(d);
    /* Known metrics come before other numbers also where they are constant. */
    d = parse("file,Iteration,joules,z\na,1,5,1\na,2,5,2\nb,1,5,3\nb,2,5,4\n");
    c = compare(d, (struct cn_compare_options){ .by = "file" });
    assert_int_equal(c->n, 1);
    assert_string_equal(c->items[0].metric, "joules");
    assert_string_equal(c->left_out, "z");
    assert_string_equal(c->pairing, "Iteration");
    cn_comparisons_free(c);
    cn_dataset_free(d);
}

static void dates_and_settings_of_other_programs(void **state)
{
    (void)state;
    struct cn_dataset *d =
        parse("file,n_prompt,n_gen,n_batch,test_time,avg_ts,stddev_ts\n"
              "a,512,0,1,2025-11-24T10:00:00Z,100,1\na,0,128,1,2025-11-24T10:00:01Z,20,1\n"
              "b,512,0,1,2025-11-24T10:00:00Z,110,1\nb,0,128,1,2025-11-24T10:00:01Z,22,2\n");
    struct cn_comparisons *c = compare(d, (struct cn_compare_options){ .by = "file" });
    assert_int_equal(c->n, 2);
    assert_string_equal(c->items[0].metric, "avg_ts");
    assert_string_equal(c->items[0].per, "n_prompt 512, n_gen 0");
    assert_string_equal(c->items[1].per, "n_prompt 0, n_gen 128");
    assert_string_equal(c->left_out, "stddev_ts");
    cn_comparisons_free(c);
    cn_dataset_free(d);
}

/* Sets that say the same are level, whatever their sizes and whichever way p is found. */
static void identical_values(void **state)
{
    (void)state;
    struct cn_dataset *d =
        parse("file,joules,w\na,5.1,1\na,5.1,2\na,5.1,3\nb,5.1,4\nb,5.1,5\nb,5.1,5\n"
              "b,5.1,5\nb,5.1,5\nb,5.1,5\nb,5.1,5\n");
    for (int method = CN_RANK_AUTO; method <= CN_RANK_NORMAL; method++) {
        struct cn_comparisons *c =
            compare(d, (struct cn_compare_options){
                           .by = "file", .rank = { .method = (enum cn_rank_method)method } });
        assert_false(c->items[0].paired);
        assert_true(c->items[0].test.p == 1);
        assert_true(c->items[0].tost.estimate == 1); /* to the bit */
        says(&c->items[0], "b is level with a");
        cn_comparisons_free(c);
    }
    cn_dataset_free(d);
    d = parse("file,joules\na,5\na,7\na,6\nb,6\nb,5\nb,7\n");
    struct cn_comparisons *c = compare(d, (struct cn_compare_options){ .by = "file" });
    says(&c->items[0], "a and b hold the same values (3 each; Mann-Whitney p = 1)");
    cn_comparisons_free(c);
    cn_dataset_free(d);
}

static void sentences(void **state)
{
    (void)state;
    struct cn_dataset *d = parse("set,rep,v,w\na,0,1,0\na,1,2,-1\na,2,3,2\na,3,9,1\n"
                                 "b,0,1,1\nb,1,2,0\nb,2,3,3\nb,3,9,2\n");
    struct cn_comparisons *c = compare(d, (struct cn_compare_options){ .by = "set" });
    says(&c->items[0], "a and b are equal in every pair (4).");
    /* A value that is not above 0 has no ratio. */
    assert_int_equal(c->items[1].tost.scale, CN_SCALE_DIFFERENCE);
    says(&c->items[1], "b is 1 above a (90% interval 1 to 1)");
    says(&c->items[1], "4 pairs are too few for this test to show a difference.");
    cn_comparisons_free(c);
    cn_dataset_free(d);
    /* Enough for one comparison, but not for two: Holm doubles the least p there is, 1/32. */
    const char *six = "set,rep,v,w\na,0,10,5\na,1,11,6\na,2,12,7\na,3,13,8\na,4,14,9\na,5,15,4\n"
                      "b,0,13,7\nb,1,12,9\nb,2,19,8\nb,3,15,16\nb,4,20,10\nb,5,29,7\n";
    d = parse(six);
    c = compare(d, (struct cn_compare_options){ .by = "set" });
    for (size_t i = 0; i < 2; i++)
        says(&c->items[i],
             "6 pairs are too few for this test to show a difference among 2 comparisons.");
    cn_comparisons_free(c);
    c = compare(d, (struct cn_compare_options){ .by = "set", .metrics = "v" });
    says(&c->items[0], ": a difference (");
    cn_comparisons_free(c);
    cn_dataset_free(d);
}

/* The report and `carnot compare` ask the same of the same pairs. The two outliers move the t-tests
 * and not the ranks. */
static void the_report_asks_the_same(void **state)
{
    static const double noise[] = { 0, 9, -4, 7, 2, -8, 5, -1, 3, -6, 400, 350 };
    enum { N = sizeof noise / sizeof *noise };
    static const double factors[] = { 1, 1.02, 1.06, 1.2 };
    (void)state;
    for (size_t k = 0; k < sizeof factors / sizeof *factors; k++) {
        char text[2000], *p = text, says_one[512], says_other[512];
        double a[N], b[N];
        struct cn_comparison mine = { .a = "x", .b = "y" };
        p += sprintf(p, "set,rep,joules\n");
        for (int i = 0; i < N; i++) {
            char x[32], y[32];
            snprintf(x, sizeof x, "%.6f", 10.0 + i * i);
            snprintf(y, sizeof y, "%.6f", (10.0 + i * i) * factors[k] * (1 + 0.001 * noise[i]));
            p += sprintf(p, "x,%d,%s\ny,%d,%s\n", i, x, i, y);
            a[i] = atof(x);
            b[i] = atof(y);
        }
        struct cn_dataset *d = parse(text);
        struct cn_comparisons *c = compare(d, (struct cn_compare_options){ .by = "set" });
        assert_int_equal(c->n, 1);
        assert_true(cn_compare_pairs(a, b, N, &mine));
        assert_true(c->items[0].tost_p_ranks > 0);
        assert_true(mine.tost_p_ranks == c->items[0].tost_p_ranks);
        assert_true(mine.tost.p == c->items[0].tost.p);
        assert_true(mine.p_normal == c->items[0].p_normal);
        /* of logarithms here and of values there, so that p of the difference may be another */
        mine.p_holm = c->items[0].p_holm;
        cn_comparison_verdict(&mine, says_one, sizeof says_one);
        cn_comparison_verdict(&c->items[0], says_other, sizeof says_other);
        assert_string_equal(says_one, says_other);
        cn_comparisons_free(c);
        cn_dataset_free(d);
    }
}

/* As programs write where they have no number: the pair is left out, the column is one of numbers.
 */
static void missing_numbers(void **state)
{
    static const char *const texts[] = { "nan", "NaN", "-inf", "Infinity", "" };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[200];
        snprintf(text, sizeof text, "set,rep,joules\na,0,1\na,1,2\na,2,%s\nb,0,3\nb,1,4\nb,2,5\n",
                 texts[i]);
        struct cn_dataset *d = parse(text);
        struct cn_comparisons *c = compare(d, (struct cn_compare_options){ .by = "set" });
        assert_int_equal(c->n, 1);
        assert_string_equal(c->items[0].metric, "joules");
        assert_int_equal(c->items[0].test.n_a, 2);
        cn_comparisons_free(c);
        cn_dataset_free(d);
    }
}

static void many_sets(void **state)
{
    (void)state;
    struct cn_dataset *d = parse("size,rep,j_per_token\ns,0,1\nm,0,2\nl,0,3\ns,1,1.5\nm,1,2.5\n"
                                 "l,1,2.6\ns,2,1.1\nm,2,1.0\nl,2,4\nl,3,9\n");
    struct cn_comparisons *c = compare(d, (struct cn_compare_options){ .by = "size" });
    assert_int_equal(c->n, 3);
    assert_int_equal(c->n_orderings, 1);
    assert_int_equal(c->orderings[0].friedman.n_blocks, 3);
    near(c->orderings[0].mean_ranks[0], 4 / 3., 1e-12);
    near(c->orderings[0].mean_ranks[2], 3, 1e-12);
    near(c->orderings[0].friedman.chi2, 14 / 3., 1e-12); /* 12 / (3 3 4) (16 + 25 + 81) - 36 */
    assert_non_null(strstr(c->warnings[0], "1 rows have no partner"));
    cn_comparisons_free(c);
    cn_dataset_free(d);
}

static void refused(void **state)
{
    static const struct {
        struct cn_compare_options o;
        const char *says;
    } cases[] = {
        {{ .by = "nope" },                                "expected the name of a column (set, rep, v), found 'nope'"},
        { { .by = "" },                                   "found none in ''"                                         },
        { { .by = "set=a" },                              "at least two values of set"                               },
        { { .by = "set=a,c" },                            "whose set is 'c', found none"                             },
        { { .by = "set=a,a" },                            "found 'a' twice"                                          },
        { { .by = "set", .metrics = "w" },                "found 'w'"                                                },
        { { .by = "set", .per = "w" },                    "found 'w'"                                                },
        { { .by = "set", .pair = "w" },                   "found 'w'"                                                },
        { { .by = "set", .pair = "v", .metrics = "rep" }, "with the same v, found rows 1 and 2"                      },
        { { .by = "set", .metrics = "set" },              "expected values of set"                                   },
    };
    struct cn_dataset *d = parse("set,rep,v\na,0,1\na,1,1\nb,0,2\nb,1,2\n");
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cn_comparisons *c = NULL;
        struct cn_error err = { "" };
        assert_int_equal(cn_compare(d, &cases[i].o, &c, &err), CN_ERR_ARGUMENT);
        assert_null(c);
        if (!strstr(err.text, cases[i].says))
            fail_msg("'%s' expected, '%s' found", cases[i].says, err.text);
    }
    cn_dataset_free(d);
}

/* ---- the phone study ------------------------------------------------------------------------- */

static struct cn_dataset *read_shared(const char *name)
{
    char path[1024];
    if (!shared_data(path, sizeof path, name))
        return NULL;
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    char *text = malloc(1 << 20);
    size_t n = fread(text, 1, 1 << 20, f);
    struct cn_dataset *d = NULL;
    assert_int_equal(cn_dataset_parse(text, n, name, &d, NULL), CN_OK);
    free(text);
    fclose(f);
    return d;
}

/* W and p as the paper has them, to all the digits that it prints. */
static void published_tests_come_out(void **state)
{
    static const struct {
        const char *metric;
        double w;
        const char *p;
    } published[] = {
        {"decode_tps",           11179, "4.23e-03"},
        { "energy_j",            8967,  "3.36e-07"},
        { "peak_memory_mib",     0,     "2.82e-41"},
        { "ttft_s",              899,   "2.24e-36"},
        { "inference_latency_s", 2966,  "1.32e-26"},
    };
    (void)state;
    struct cn_dataset *d = read_shared("data/phone-study/runs.csv");
    if (!d)
        skip();
    char p[32];
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        struct cn_comparisons *c = compare(
            d, (struct cn_compare_options){ .by = "quant", .metrics = published[i].metric });
        assert_int_equal(c->n, 1);
        assert_int_equal(c->items[0].test.n_a, 240);
        assert_true(fmin(c->items[0].test.w_plus, c->items[0].test.w_minus) == published[i].w);
        snprintf(p, sizeof p, "%.2e", c->items[0].test.p);
        assert_string_equal(p, published[i].p);
        cn_comparisons_free(c);
    }
    /* With differences of equal decimals tied, as they should be. */
    struct cn_comparisons *c = compare(
        d,
        (struct cn_compare_options){ .by = "quant", .metrics = "decode_tps", .rank.digits = 10 });
    assert_true(c->items[0].test.w_plus == 11176 && c->items[0].test.n_zero == 2);
    cn_comparisons_free(c);

    c = compare(d, (struct cn_compare_options){ .by = "model", .metrics = "energy_j" });
    assert_int_equal(c->n, 28);
    assert_int_equal(c->orderings[0].friedman.n_blocks, 60);
    snprintf(p, sizeof p, "%.2f", c->orderings[0].friedman.chi2);
    assert_string_equal(p, "415.84");
    snprintf(p, sizeof p, "%.2e", c->orderings[0].friedman.p);
    assert_string_equal(p, "9.55e-86");
    /* in the order of the file: 0.5B, 1.5B, Phi-2, 3B, OLMoE, 7B, 8B, 9B */
    static const double ranks[] = { 1.00, 2.95, 4.02, 4.98, 2.05, 6.08, 6.98, 7.93 };
    for (int i = 0; i < 8; i++)
        assert_true(fabs(c->orderings[0].mean_ranks[i] - ranks[i]) <= 0.0051);
    cn_comparisons_free(c);
    cn_dataset_free(d);
}

/* Tables of carnot kernels: what a kernel is says which rows are pairs; with a row for each round
 * every kernel is compared on its own, and the rounds are the pairs. */
static void kernels_and_their_rounds(void **state)
{
    (void)state;
    struct cn_dataset *d = parse(
        "file,format,tier,job,rows,cols,tokens,threads,cache,gbps,weights_per_s,reason\n"
        "a,q4_k,avx2,gemv,2048,8192,1,1,l2,10,5,x\na,q4_k,avx2,gemv,2048,8192,1,1,memory,8,4,y\n"
        "a,q4_k,avx2,gemm,2048,8192,64,1,l2,3,2,x\na,q8_0,avx2,gemv,2048,8192,1,1,l2,12,6,x\n"
        "b,q4_k,avx2,gemv,2048,8192,1,1,l2,11,5,x\nb,q4_k,avx2,gemv,2048,8192,1,1,memory,9,4,y\n"
        "b,q4_k,avx2,gemm,2048,8192,64,1,l2,4,2,x\nb,q8_0,avx2,gemv,2048,8192,1,1,l2,13,6,x\n");
    struct cn_comparisons *c = compare(d, (struct cn_compare_options){ .by = "file" });
    assert_int_equal(c->n, 2); /* gbps of gemv, of gemm */
    assert_string_equal(c->items[0].metric, "gbps");
    assert_true(c->items[0].paired);
    assert_int_equal(c->items[0].of_a.n, 3);
    assert_int_equal(c->items[1].of_a.n, 1);
    cn_comparisons_free(c);
    cn_dataset_free(d);

    char text[4096] = "program,round,format,tier,job,threads,weights_per_s\n";
    for (int round = 1; round <= 8; round++)
        for (int k = 0; k < 4; k++)
            sprintf(text + strlen(text), "%s,%d,%s,avx2,gemv,1,%d\n", k % 2 ? "old" : "new", round,
                    k / 2 ? "q8_0" : "q4_k", 1000 + 10 * round + (k == 1 ? 100 : 0));
    d = parse(text);
    c = compare(d, (struct cn_compare_options){ .by = "program" });
    assert_int_equal(c->n, 2);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(c->items[i].metric, "weights_per_s");
        assert_true(c->items[i].paired);
        assert_int_equal(c->items[i].of_a.n, 8);
    }
    assert_non_null(strstr(c->items[0].per, "q4_k"));
    assert_non_null(strstr(c->pairing, "round"));
    assert_true(c->items[0].p_holm < 0.05);
    says(&c->items[1], "equal in every pair (8)");
    cn_comparisons_free(c);
    cn_dataset_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_pair_by_their_factors),
        cmocka_unit_test(without_repetitions_there_are_no_pairs),
        cmocka_unit_test(lone_rows_bring_their_intervals),
        cmocka_unit_test(constants_are_no_metrics),
        cmocka_unit_test(dates_and_settings_of_other_programs),
        cmocka_unit_test(identical_values),
        cmocka_unit_test(sentences),
        cmocka_unit_test(the_report_asks_the_same),
        cmocka_unit_test(missing_numbers),
        cmocka_unit_test(many_sets),
        cmocka_unit_test(refused),
        cmocka_unit_test(kernels_and_their_rounds),
        cmocka_unit_test(published_tests_come_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
