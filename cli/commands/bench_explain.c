/* SPDX-License-Identifier: MIT
 *
 * carnot bench --explain: where the time goes, beside what each part could do at best.
 */
#include "cli/commands/bench.h"

#include <math.h>
#include <stdio.h>

struct cn_table *cn_bench_explain_table(struct cn_bench *b)
{
    struct cn_table *t = b->table = cn_table_create("explain");
    if (!t)
        return NULL;
    cn_table_column(t, "model", b->a->models.n > 1 ? "model" : NULL, -1);
    cn_table_column(t, "file_type", "type", -1);
    cn_table_column(t, "threads", "threads", -1);
    cn_table_column(t, "tiers", NULL, -1);
    cn_table_column(t, "test", "test", -1);
    cn_table_column(t, "n_tokens", NULL, -1);
    cn_table_column(t, "depth", NULL, -1);
    cn_table_column(t, "op", "op", -1);
    cn_table_column(t, "formats", "formats", -1);
    cn_table_column(t, "share", "of time", 3);
    cn_table_column(t, "ms_per_token", "ms/token", 4);
    cn_table_column(t, "gbps", "GB/s", 1);
    cn_table_column(t, "gops", "Gop/s", 0);
    cn_table_column(t, "memory_ms", "memory needs", 4);
    cn_table_column(t, "ops_ms", "operations need", 4);
    cn_table_column(t, "reached", "of bound", 2);
    cn_table_column(t, "bottleneck", "bottleneck", -1);
    cn_table_column(t, "gain", "to gain", 3);
    for (size_t i = 0; i < b->n_rows; i++) {
        const struct cn_bench_row *row = &b->rows[i];
        for (int k = 0; k < row->explain->n; k++) {
            const struct cn_explain_part *p = &row->explain->parts[k];
            const bool matrices = p->bottleneck != CN_OVERHEAD;
            cn_table_row(t);
            cn_table_str(t, "model", cn_bench_model_name(b, row->model));
            cn_table_str(t, "file_type", row->file_type);
            cn_table_i64(t, "threads", row->threads);
            cn_table_str(t, "tiers", row->tiers);
            cn_table_str(t, "test", row->decode ? "decode" : "prefill");
            cn_table_i64(t, "n_tokens", row->n_tokens);
            cn_table_i64(t, "depth", row->depth);
            cn_table_str(t, "op", p->op);
            cn_table_str(t, "formats", p->formats[0] ? p->formats : NULL);
            cn_table_f64(t, "share", p->share);
            cn_table_f64(t, "ms_per_token", p->ms);
            if (matrices) {
                cn_table_f64(t, "gbps", p->gbps);
                cn_table_f64(t, "gops", p->gops);
                cn_table_f64(t, "memory_ms", p->memory_ms);
                cn_table_f64(t, "ops_ms", p->ops_ms);
                cn_table_f64(t, "reached", p->reached);
            }
            cn_table_str(t, "bottleneck", cn_bottleneck_name(p->bottleneck));
            cn_table_f64(t, "gain", p->gain);
        }
    }
    return t;
}

void cn_bench_explain_notes(const struct cn_bench *b)
{
    for (size_t i = 0; i < b->n_rows; i++) {
        const struct cn_bench_row *row = &b->rows[i];
        char text[512];
        cn_explain_text(row->explain, text, sizeof text);
        printf("\n%s %s of %d tokens, %d threads: limits read %.1f GB/s, int8 %.0f Gop/s, float "
               "%.0f Gflop/s",
               row->file_type, row->decode ? "decode" : "prefill", row->n_tokens, row->threads,
               row->limits.read_gbps, row->limits.int8_gops, row->limits.f32_gflops);
        if (row->limits.bf16_gops > 0)
            printf(", bf16 %.0f Gop/s", row->limits.bf16_gops);
        printf(".\n%s\n", text);
    }
    printf("\nNeeds are milliseconds per token at these limits; what a part could gain is its time "
           "above the\nlarger of them, as a share of all.\n");
}
