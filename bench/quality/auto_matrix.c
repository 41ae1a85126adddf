/* SPDX-License-Identifier: MIT
 *
 * The types that one matrix may have.
 */
#include <math.h>

#include "bench/quality/auto_part.h"
#include "quant/quant.h"

bool cn_auto_of_families(const struct cn_auto_options *o, const struct cn_format *format)
{
    const enum cn_family family = cn_format_family(format);
    return o->families == 0 || family == CN_FAMILY_OTHER || o->families >> family & 1;
}

static bool may_have(const struct cn_auto_matrix *m, const struct cn_format *format)
{
    const struct cn_file_type *any = cn_file_type_by_name("Q4_K_M");
    return format->block_elems > 1 && m->t->ne[0] % format->block_elems == 0 &&
           (m->importance || (!format->ref->needs_weights &&
                              !cn_mix_needs_imatrix(any, m->name, format->gguf_type)));
}

void cn_auto_list_types(const struct cn_auto_options *o, struct cn_auto_matrix *m)
{
    for (int i = 0; i < CN_N_TYPES; i++) {
        const struct cn_format *f = &cn_formats[i];
        if (!cn_auto_of_families(o, f) || !may_have(m, f))
            continue;
        size_t at = m->n_types++;
        while (at > 0 &&
               cn_row_bytes(m->type[at - 1], m->t->ne[0]) > cn_row_bytes(f, m->t->ne[0])) {
            m->type[at] = m->type[at - 1];
            at--;
        }
        m->type[at] = f;
    }
}

size_t cn_auto_nearest(const struct cn_auto_matrix *m, double bpw)
{
    size_t best = 0;
    double least = HUGE_VAL;
    for (size_t c = 0; c < m->n_types; c++) {
        double bits = 8.0 * m->type[c]->block_bytes / m->type[c]->block_elems;
        if (fabs(bits - bpw) < least) {
            least = fabs(bits - bpw);
            best = c;
        }
    }
    return best;
}
