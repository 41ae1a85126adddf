/* SPDX-License-Identifier: MIT
 *
 * Any bytes as an importance matrix, of either format.
 */
#include <math.h>
#include <string.h>

#include "engine/make/imatrix_file.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct cn_imatrix im = { 0 }, sum = { 0 };
    struct cn_error err;
    if (cn_imatrix_parse(data, n, "fuzz", &im, &err) != CN_OK) {
        expect(strncmp(err.text, "fuzz: ", 6) == 0 && !strchr(err.text, '\n'));
        return 0;
    }
    for (size_t i = 0; i < im.n_entries; i++) {
        const struct cn_imatrix_entry *e = im.entries[i];
        size_t cells = (size_t)(e->n_cols * e->n_matrices);
        expect(cn_imatrix_find(&im, e->name) == e);
        float *mean = malloc(cells * sizeof *mean + 1);
        expect(mean != NULL);
        cn_imatrix_mean(e, mean);
        for (size_t j = 0; j < cells; j++)
            expect(!isnan(mean[j]) && mean[j] >= 0);
        cn_imatrix_weights(e, e->n_cols, mean);
        free(mean);
    }
    expect(cn_imatrix_merge(&sum, &im, &err) == CN_OK);
    cn_imatrix_merge(&sum, &im, &err);
    expect(sum.n_entries == im.n_entries);
    cn_imatrix_free(&sum);
    cn_imatrix_free(&im);
    return 0;
}
