/* SPDX-License-Identifier: MIT
 *
 * Any bytes as results: read, compared by their first column, and checked against themselves as a
 * published table.
 */
#include <stdio.h>
#include <string.h>

#include "bench/stats/comparison.h"
#include "bench/stats/published.h"
#include "tests/fuzz/fuzz.h"

static void one_line(const char *text)
{
    expect(text[0] && !strchr(text, '\n') && !strchr(text, '\x1b'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct cn_dataset *d = NULL;
    struct cn_error err = { "" };
    if (cn_dataset_parse((const char *)data, n, "fuzz", &d, &err) != CN_OK) {
        expect(strncmp(err.text, "fuzz: ", 6) == 0);
        one_line(err.text);
        return 0;
    }
    struct cn_compare_options o = { .by = d->columns[0], .margin = 0.05 };
    struct cn_comparisons *c = NULL;
    if (cn_compare(d, &o, &c, &err) == CN_OK) {
        for (size_t i = 0; i < c->n; i++) {
            char text[512];
            const struct cn_rank_test *t = &c->items[i].test;
            cn_comparison_verdict(&c->items[i], text, sizeof text);
            one_line(text);
            expect(t->p >= 0 && t->p <= 1 && t->effect >= -1 && t->effect <= 1);
        }
        cn_comparisons_free(c);
    } else {
        one_line(err.text);
    }
    struct cn_published_options p = { .by = d->columns[0] };
    struct cn_published *found = NULL;
    if (cn_published_check(d, d, &p, &found, &err) == CN_OK)
        cn_published_free(found);
    else
        one_line(err.text);
    cn_dataset_free(d);
    return 0;
}
