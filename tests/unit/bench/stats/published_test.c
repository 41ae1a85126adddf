/* SPDX-License-Identifier: MIT */
#include "bench/stats/published.h"

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

static const char runs_text[] = "model,quant,joules,per_token,tokens,s\n"
                                "m-1,q4,10.04,1.004,10,1\nm-1,q4,11.01,1.101,10,2\n"
                                "m-1,q4,14.0,1.4,10,9\n"
                                "m-1,q5,20.2,2.02,10,3\nm-1,q5,20.4,2.04,10,4\n"
                                "m-1,q5,26.6,2.66,10,20\n";

static void what_is_right_agrees(void **state)
{
    (void)state;
    struct cn_dataset *runs = parse(runs_text);
    /* joules: medians and IQRs; s: means. 1.7e1 is 17 as far as two digits tell. */
    struct cn_dataset *table = parse("name,energy,per_token,s\nm-1_q5,20.4 (IQR 3.2),2.04,9\n"
                                     "m-1_q4,1.1e1 (IQR 1.98),1.10 (SD 0.21),4.0\n");
    struct cn_published_options o = { "model,quant", "joules=energy", "joules=per_token*tokens" };
    struct cn_published *p;
    struct cn_error err = { "" };
    if (cn_published_check(runs, table, &o, &p, &err) != CN_OK)
        fail_msg("%s", err.text);
    assert_int_equal(p->n_groups, 2);
    assert_int_equal(p->n_missing, 0);
    assert_int_equal(p->n_wrong, 0);
    assert_int_equal(p->n, 9); /* 2 joules, 2 IQR, 2 per_token, 1 SD, 2 s */
    assert_int_equal(p->n_products, 6);
    assert_int_equal(p->n_products_wrong, 0);
    size_t means = 0;
    for (size_t i = 0; i < p->n; i++)
        means += strcmp(p->items[i].what, "mean") == 0;
    assert_int_equal(means, 2);
    cn_published_free(p);
    cn_dataset_free(runs);
    cn_dataset_free(table);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    struct cn_dataset *runs = parse(runs_text);
    struct cn_dataset *table = parse("model,quant,joules,per_token,tokens\n"
                                     "m-1,q4,11.01 (IQR 1.98),1.10,10\n"
                                     "m-1,q5,21.4 (IQR 3.1),2.04,10\n");
    struct cn_published_options o = { "model,quant", NULL, "joules=per_token*tokens" };
    struct cn_published *p;
    assert_int_equal(cn_published_check(runs, table, &o, &p, NULL), CN_OK);
    assert_int_equal(p->n_wrong, 3); /* its median, its IQR, its product */
    static const char *const what[] = { "median", "IQR", "product" };
    static const double found[] = { 20.4, 3.2, 20.4 };
    for (size_t i = 0, k = 0; i < p->n; i++) {
        const struct cn_published_figure *f = &p->items[i];
        if (f->agree)
            continue;
        assert_string_equal(f->group, "m-1 q5");
        assert_string_equal(f->column, "joules");
        assert_string_equal(f->what, what[k]);
        assert_true(fabs(f->expected - found[k]) < 1e-9);
        k++;
    }
    cn_published_free(p);
    cn_dataset_free(table);
    /* A run whose figures contradict each other. */
    char *text = strdup(runs_text);
    memcpy(strstr(text, "14.0"), "41.0", 4);
    cn_dataset_free(runs);
    runs = parse(text);
    table = parse("model,quant,joules\nm-1,q4,11.01\n");
    assert_int_equal(cn_published_check(runs, table, &o, &p, NULL), CN_OK);
    assert_int_equal(p->n_products_wrong, 1);
    assert_int_equal(p->first_wrong, 3);
    assert_int_equal(p->n_missing, 1);
    cn_published_free(p);
    cn_dataset_free(runs);
    cn_dataset_free(table);
    free(text);
}

static void refused(void **state)
{
    static const struct {
        struct cn_published_options o;
        const char *table, *says;
    } cases[] = {
        {{ "nope", NULL, NULL },                 "joules\n1\n",             "found 'nope'"                         },
        { { "", NULL, NULL },                    "joules\n1\n",             "found none"                           },
        { { "model,quant", NULL, NULL },
         "name,joules\nother,1\n",                                          "expected a published row for 'm-1 q4'"},
        { { "model,quant", NULL, NULL },
         "name,energy\nm-1-q4,1\n",                                         "published under the same name"        },
        { { "model,quant", "joules", NULL },     "name,energy\nm-1-q4,1\n", "found 'joules'"                       },
        { { "model,quant", "joules=x", NULL },   "name,energy\nm-1-q4,1\n", "found 'x'"                            },
        { { "model,quant", "x=energy", NULL },   "name,energy\nm-1-q4,1\n", "found 'x'"                            },
        { { "model,quant", NULL, "joules" },     "name,joules\nm-1-q4,1\n", "found 'joules'"                       },
        { { "model,quant", NULL, "joules=s*x" }, "name,joules\nm-1-q4,1\n", "found 'x'"                            },
        { { "model,quant", NULL, "joules=s=s" }, "name,joules\nm-1-q4,1\n", "expected a product"                   },
    };
    struct cn_dataset *runs = parse(runs_text);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cn_dataset *table = parse(cases[i].table);
        struct cn_published *p = NULL;
        struct cn_error err = { "" };
        assert_int_equal(cn_published_check(runs, table, &cases[i].o, &p, &err), CN_ERR_ARGUMENT);
        assert_null(p);
        if (!strstr(err.text, cases[i].says))
            fail_msg("'%s' expected, '%s' found", cases[i].says, err.text);
        cn_dataset_free(table);
    }
    cn_dataset_free(runs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_right_agrees),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
