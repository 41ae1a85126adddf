/* SPDX-License-Identifier: MIT */
#include "bench/report/report_layout.h"

#include "bench/page/plot.h"

enum { TALL_TABLE = 16 /* rows from which a table is folded up */ };

void cn_report_plot(struct cn_report *r, struct cn_plot *plot, const char *title)
{
    if (plot && r->plots && cn_plot_count(plot))
        cn_page_plot(r->page, plot, title);
    cn_plot_free(plot);
}

void cn_report_table(struct cn_report *r, struct cn_table *t, const char *title)
{
    if (cn_table_n_rows(t) > TALL_TABLE) {
        cn_page_folded_table(r->page, t, title);
    } else if (cn_table_n_rows(t)) {
        cn_page_heading(r->page, title);
        cn_page_table(r->page, t, false);
    }
    cn_table_free(t);
}
