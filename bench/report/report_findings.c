/* SPDX-License-Identifier: MIT
 *
 * The first chapter: what the data say, each sentence with its test, and what they cannot say.
 */
#include "bench/report/report_findings.h"
#include "bench/report/report_layout.h"

#include <stdlib.h>
#include <string.h>

static void missing_energy(struct cn_findings *j)
{
    const struct cn_report *r = j->r;
    const char *states[] = { "unsupported", "unresolved" };
    bool modelled = r->n_sources > 0;
    for (int s = 0; s < r->n_sources; s++)
        modelled &= r->sources[s].modelled;
    for (int k = 0; k < 2; k++) {
        int n = 0;
        const char *reason = "";
        for (int i = 0; i < r->n_runs; i++)
            if (strcmp(r->runs[i].energy_status, states[k]) == 0) {
                n++;
                reason = *reason ? reason : r->runs[i].energy_reason;
            }
        if (n)
            cn_cannot(j, "Joules", "Energy is `%s` in %d of %d runs%s%s.", states[k], n, r->n_runs,
                      *reason ? ": " : "", reason);
    }
    if (modelled)
        cn_cannot(
            j, "Joules, measured",
            "All joules here are modelled, none measured: what is said of them is said of the "
            "model.");
}

static void comparison_columns(const struct cn_report *r, struct cn_table *t)
{
    cn_table_column(t, "metric", "metric", -1);
    cn_table_column(t, "model", "model", -1);
    cn_table_column(t, "iq", "IQ", -1);
    cn_table_column(t, "k", "K", -1);
    cn_table_column(t, "iq_bpw", "bits", 2);
    cn_table_column(t, "k_bpw", "bits", 2);
    cn_table_column(t, "setting", r->n_settings > 1 ? "setting" : NULL, -1);
    cn_table_column(t, "n", "pairs", -1);
    cn_table_column(t, "ratio", "IQ / K", 3);
    cn_table_column(t, "lo", "90% from", 3);
    cn_table_column(t, "hi", "to", 3);
    cn_table_column(t, "p", "p (Wilcoxon, Holm)", -1);
    cn_table_column(t, "r", "rank-biserial", 2);
    cn_table_column(t, "p_tost", "p (TOST 5%)", -1);
    cn_table_column(t, "verdict", "IQ is", -1);
}

static void fit_columns(const struct cn_report *r, struct cn_table *t)
{
    cn_table_column(t, "metric", "metric", -1);
    cn_table_column(t, "model", "model", -1);
    cn_table_column(t, "setting", r->n_settings > 1 ? "setting" : NULL, -1);
    cn_table_column(t, "n", "quantisations", -1);
    cn_table_column(t, "slope", "per bit", 5);
    cn_table_column(t, "lo", "95% from", 5);
    cn_table_column(t, "hi", "to", 5);
    cn_table_column(t, "intercept", "at 0 bits", 5);
    cn_table_column(t, "r2", "R\u00b2", 3);
    cn_table_column(t, "p", "p (slope)", -1);
    cn_table_column(t, "curved", "p (curved)", -1);
    cn_table_column(t, "normal", "p (residuals not normal)", -1);
}

static void size_columns(struct cn_table *t)
{
    cn_table_column(t, "bytes", "bytes", -1);
    cn_table_column(t, "model", "model", -1);
    cn_table_column(t, "quant", "type", -1);
    cn_table_column(t, "bpw", "bpw", 2);
    cn_table_column(t, "mib", "MiB", 2);
    cn_table_column(t, "quality", "quality", 3);
    cn_table_column(t, "rival", "against", -1);
    cn_table_column(t, "rival_quant", "type", -1);
    cn_table_column(t, "rival_bpw", "bpw", 2);
    cn_table_column(t, "rival_mib", "MiB", 2);
    cn_table_column(t, "rival_quality", "quality", 3);
    cn_table_column(t, "better", "better", -1);
}

static void depth_columns(const struct cn_report *r, struct cn_table *t)
{
    cn_table_column(t, "model", "model", -1);
    cn_table_column(t, "quant", "type", -1);
    cn_table_column(t, "setting", r->n_settings > 1 ? "setting" : NULL, -1);
    cn_table_column(t, "depth", "depth", 0);
    cn_table_column(t, "weights", "weights, MiB/token", 2);
    cn_table_column(t, "kv", "KV cache, MiB/token", 2);
    cn_table_column(t, "state", "states, MiB/token", 2);
    cn_table_column(t, "metric", "metric", -1);
    cn_table_column(t, "median", "median", 4);
}

/* All that follows rests on these runs too. */
static void put_disturbed(struct cn_report *r)
{
    char what[512];
    int n = cn_report_disturbed(r, what, sizeof what);
    if (n)
        cn_page_warning(r->page,
                        "%d of %d runs were disturbed: %s. They are in all medians and plots here. "
                        "Below each comparison stands what is left of it without them.",
                        n, r->n_runs, what);
}

/* Files whose types are not what the plan calls them. */
static void odd_files(struct cn_findings *j)
{
    for (int f = 0; f < j->r->n_files; f++) {
        const struct cn_report_file *file = &j->r->files[f];
        if (strcmp(file->status, "ready") == 0 && *file->reason)
            cn_cannot(j, "What a file is called",
                      "%s: %s. What is said of the name is said of that "
                      "file.",
                      file->name, file->reason);
    }
}

static void find(struct cn_findings *j)
{
    static const struct {
        const char *heading;
        void (*step)(struct cn_findings *j);
    } questions[] = {
        {"K against IQ at equal bits",                          cn_find_k_against_iq    },
        { "The format or the kernel?",                          cn_find_format_or_kernel},
        { "Near-linear in bits per weight?",                    cn_find_near_linear     },
        { "Where quality breaks",                               cn_find_threshold       },
        { "A large model in few bits, or a small one in many?", cn_find_sizes           },
        { "The place of mixtures of experts",                   cn_find_experts         },
        { "How many threads?",                                  cn_find_threads         },
        { "Which lever saves joules, which only seconds?",      cn_find_levers          },
        { "What does a token cost at depth d?",                 cn_find_depth           },
    };
    for (size_t i = 0; j->ok && i < sizeof questions / sizeof *questions; i++) {
        j->heading = questions[i].heading;
        questions[i].step(j);
    }
    missing_energy(j);
    odd_files(j);
    if (j->n_gaps)
        cn_page_heading(j->r->page, "What this study cannot say");
    for (int i = 0; i < j->n_gaps; i++)
        cn_page_finding(j->r->page, j->gaps[i].what.s, j->gaps[i].why.s);
}

bool cn_report_findings(struct cn_report *r)
{
    struct cn_findings *j = calloc(1, sizeof *j);
    if (!j)
        return false;
    j->r = r;
    j->comparisons = cn_table_create("comparisons");
    j->fits = cn_table_create("fits");
    j->sizes = cn_table_create("sizes");
    j->depths = cn_table_create("depths");
    j->ok = j->comparisons && j->fits && j->sizes && j->depths;
    if (j->ok) {
        comparison_columns(r, j->comparisons);
        fit_columns(r, j->fits);
        size_columns(j->sizes);
        depth_columns(r, j->depths);
        cn_page_section(r->page, "findings", "Findings");
        put_disturbed(r);
        find(j);
    }
    bool ok = j->ok;
    if (ok) {
        cn_report_table(r, j->comparisons, "All comparisons of IQ with K");
        cn_report_table(r, j->fits, "All fits against bits per weight");
        cn_report_table(r, j->sizes, "Models in the same bytes");
        cn_report_table(r, j->depths, "A token at each depth");
    } else {
        cn_table_free(j->comparisons);
        cn_table_free(j->fits);
        cn_table_free(j->sizes);
        cn_table_free(j->depths);
    }
    free(j);
    return ok;
}
