/* SPDX-License-Identifier: MIT
 *
 * The table of carnot bench: one row for each test.
 */
#include "cli/commands/bench.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct cn_table *make_table(const struct cn_bench *b)
{
    struct cn_table *t = cn_table_create("bench");
    if (!t)
        return NULL;
    const bool metered = cn_profiler_channel(b->suite.profiler, 0)->ok;
    const bool modelled = cn_profiler_channel(b->suite.profiler, 0)->modelled;
    const bool lengths = b->suite.prefill.n > 1 || b->suite.decode.n > 1;
    const bool deep = b->suite.depth.n > 1 || b->suite.depth.values[0] > 0;
    const bool together = b->suite.lanes.n > 1 || b->suite.lanes.values[0] > 1;
    cn_table_column(t, "model", "model", -1);
    cn_table_column(t, "architecture", NULL, -1);
    cn_table_column(t, "file_type", "type", -1);
    cn_table_column(t, "bytes", NULL, -1);
    cn_table_column(t, "mib", "MiB", 1);
    cn_table_column(t, "n_params", NULL, -1);
    cn_table_column(t, "bpw", "bpw", 2);
    cn_table_column(t, "kld_mean", b->suite.base ? "KL" : NULL, 5);
    cn_table_column(t, "kld_p99", NULL, 5);
    cn_table_column(t, "top1_agreement", b->suite.base ? "same top" : NULL, 3);
    cn_table_column(t, "threads", "threads", -1);
    cn_table_column(t, "tiers", NULL, -1);
    cn_table_column(t, "kv", NULL, -1);
    cn_table_column(t, "precision", b->suite.fast ? "precision" : NULL, -1);
    cn_table_column(t, "test", "test", -1);
    cn_table_column(t, "draft", b->suite.drafts ? "draft" : NULL, -1);
    cn_table_column(t, "tokens_per_pass", b->suite.drafts ? "tokens/pass" : NULL, 2);
    cn_table_column(t, "acceptance", b->suite.drafts ? "kept" : NULL, 2);
    cn_table_column(t, "draft_time_share", b->suite.drafts ? "drafting" : NULL, 2);
    cn_table_column(t, "same_text", NULL, 3);
    cn_table_column(t, "n_tokens", lengths ? "tokens" : NULL, -1);
    cn_table_column(t, "depth", deep ? "depth" : NULL, -1);
    cn_table_column(t, "lanes", together ? "lanes" : NULL, -1);
    cn_table_column(t, "reps", NULL, -1);
    cn_table_column(t, "tps_median", "tokens/s", 1);
    cn_table_column(t, "tps_lo", "95% from", 1);
    cn_table_column(t, "tps_hi", "to", 1);
    cn_table_column(t, "weight_gbps", "GB/s", 1);
    cn_table_column(t, "bandwidth_share", "of read bw", 2);
    cn_table_column(t, "read_gbps", NULL, 1);
    cn_table_column(t, "gops", NULL, 1);
    cn_table_column(t, "int8_peak_share", "of int8 peak", 2);
    cn_table_column(t, "int8_gops", NULL, 1);
    cn_table_column(t, "j_per_token", modelled ? "J/token modelled" : "J/token",
                    CN_TABLE_SIGNIFICANT + 3);
    cn_table_column(t, "j_per_token_net", metered ? "net" : NULL, CN_TABLE_SIGNIFICANT + 3);
    cn_table_column(t, "j_draft", metered && b->suite.drafts ? "J of drafts" : NULL,
                    CN_TABLE_SIGNIFICANT + 3);
    cn_table_column(t, "j_uncertainty", metered ? "±" : NULL, CN_TABLE_SIGNIFICANT + 2);
    cn_table_column(t, "watts", NULL, 2);
    cn_table_column(t, "meter", NULL, -1);
    cn_table_column(t, "boundary", metered ? "boundary" : NULL, -1);
    cn_table_column(t, "energy_status", NULL, -1);
    cn_table_column(t, "energy_reason", NULL, -1);
    cn_table_column(t, "disturbed", NULL, -1);
    cn_table_column(t, "governor", NULL, -1);
    cn_table_column(t, "celsius", NULL, -1);
    return t;
}

static void put_energy(struct cn_bench *b, const struct cn_bench_row *row)
{
    struct cn_energy e;
    const struct cn_meter_info *meter = cn_profiler_channel(b->suite.profiler, 0);
    struct cn_energy drafts;
    const size_t first = row->result.first_phase, n = row->result.n_phases;
    if (row->draft[0])
        cn_speculation_energy(b->suite.profiler, first, n, &e, &drafts);
    else
        cn_profiler_total(b->suite.profiler, 0, row->decode ? "decode" : "prefill", first, n, &e);
    const char *status = cn_energy_status_name(e.status);
    cn_table_str(b->table, "energy_status", status);
    cn_table_str(b->table, "meter", meter->ok ? meter->name : NULL);
    cn_table_str(b->table, "boundary", meter->ok ? meter->boundary : NULL);
    cn_table_str(b->table, "energy_reason", meter->ok ? e.reason : meter->reason);
    if (e.status != CN_ENERGY_MEASURED && e.status != CN_ENERGY_MODELLED) {
        cn_table_null(b->table, "j_per_token", status);
        b->n_unresolved += e.status == CN_ENERGY_UNRESOLVED;
        b->unresolved = b->unresolved ? b->unresolved : e.reason;
        return;
    }
    double per = 1 / (double)row->result.total_tokens;
    cn_table_f64(b->table, "j_per_token", e.joules * per);
    cn_table_f64(b->table, "j_per_token_net", e.joules_net * per);
    cn_table_f64(b->table, "j_uncertainty", e.uncertainty * per);
    if (row->draft[0])
        cn_table_f64(b->table, "j_draft", drafts.joules * per);
    cn_table_f64(b->table, "watts", e.joules / ((double)e.busy_ns * 1e-9));
}

/* What drafts did. */
static void put_drafts(struct cn_bench *b, const struct cn_bench_row *row)
{
    const struct cn_speculation *s = &row->speculation;
    cn_table_str(b->table, "draft", row->draft[0] ? cn_bench_model_name(b, row->draft) : NULL);
    if (!row->draft[0])
        return;
    cn_table_f64(b->table, "tokens_per_pass", (double)s->n_tokens / (double)s->n_passes);
    if (s->n_drafted > 0)
        cn_table_f64(b->table, "acceptance", (double)s->n_accepted / (double)s->n_drafted);
    cn_table_f64(b->table, "draft_time_share", s->draft_s / (s->draft_s + s->verify_s));
    cn_table_f64(b->table, "same_text", row->same);
}

/* Of the whole run, so the same in each row. */
static void put_state(struct cn_bench *b)
{
    struct cn_system_state after;
    cn_profiler_state(b->suite.profiler, NULL, &after);
    cn_table_str(b->table, "disturbed", cn_profiler_disturbance(b->suite.profiler));
    cn_table_str(b->table, "governor", after.governor[0] ? after.governor : NULL);
    cn_table_f64(b->table, "celsius", after.celsius);
}

static void put_row(struct cn_bench *b, const struct cn_bench_row *row)
{
    struct cn_table *t = b->table;
    const struct cn_model_info *info = &row->info;
    const struct cn_bench_result *r = &row->result;
    static const char *const kv_names[] = {
        [CN_KV_F16] = "f16", [CN_KV_F32] = "f32", [CN_KV_Q8_0] = "q8_0"
    };
    cn_table_row(t);
    cn_table_str(t, "model", cn_bench_model_name(b, row->model));
    cn_table_str(t, "architecture", row->architecture);
    cn_table_str(t, "file_type", row->file_type);
    cn_table_i64(t, "bytes", info->tensor_bytes);
    cn_table_f64(t, "mib", (double)info->tensor_bytes / 1048576);
    cn_table_i64(t, "n_params", info->n_params);
    cn_table_f64(t, "bpw", info->bpw);
    cn_table_f64(t, "kld_mean", row->kld_mean);
    cn_table_f64(t, "kld_p99", row->kld_p99);
    cn_table_f64(t, "top1_agreement", row->top1);
    cn_table_i64(t, "threads", row->threads);
    cn_table_str(t, "tiers", row->tiers);
    cn_table_str(t, "kv", kv_names[b->suite.kv]);
    cn_table_str(t, "precision", b->suite.fast ? "fast" : "exact");
    cn_table_str(t, "test", row->decode ? "decode" : "prefill");
    cn_table_i64(t, "n_tokens", row->n_tokens);
    cn_table_i64(t, "depth", row->depth);
    cn_table_i64(t, "lanes", row->lanes);
    cn_table_i64(t, "reps", b->suite.n_reps);
    cn_table_f64(t, "tps_median", r->tps_median);
    cn_table_f64(t, "tps_lo", r->tps_lo);
    cn_table_f64(t, "tps_hi", r->tps_hi);
    if (!row->draft[0])
        cn_table_f64(t, "gops", info->decode_ops * r->tps_median * 1e-9);
    put_drafts(b, row);
    if (row->draft[0]) {
        cn_table_f64(t, "read_gbps", r->limit * 1e-9); /* a pass reads the weights, not a token */
    } else if (row->decode) {
        /* All lanes read them once. */
        const double bytes = (double)info->decode_bytes / row->lanes;
        cn_table_f64(t, "weight_gbps", bytes * r->tps_median * 1e-9);
        cn_table_f64(t, "bandwidth_share", bytes * r->per_limit);
        cn_table_f64(t, "read_gbps", r->limit * 1e-9);
    } else {
        cn_table_f64(t, "int8_peak_share", info->decode_ops * r->per_limit);
        cn_table_f64(t, "int8_gops", r->limit * 1e-9);
    }
    put_energy(b, row);
    put_state(b);
}

struct cn_table *cn_bench_table(struct cn_bench *b)
{
    b->table = make_table(b);
    for (size_t i = 0; b->table && i < b->n_rows; i++)
        put_row(b, &b->rows[i]);
    return b->table;
}

const char *cn_bench_model_name(const struct cn_bench *b, const char *path)
{
    const char *slash = strrchr(path, '/');
    return b->a->format == CN_TABLE_MD && slash ? slash + 1 : path;
}

/* Models whose weights the system holds in small pages. */
static void small_pages(const struct cn_bench *b)
{
    const char *last = NULL;
    for (size_t i = 0; i < b->n_rows; i++) {
        const struct cn_bench_row *row = &b->rows[i];
        if (!row->decode || !(row->huge_pages < 0.5) || (last && strcmp(last, row->model) == 0))
            continue;
        last = row->model;
        printf(
            "%s: %.0f%% of the weights in huge pages, for want of which decode is up to a tenth "
            "slower. Where\nthe file system has them, a file that was dropped from the cache comes "
            "back in them: dd if=%s iflag=nocache count=0\n",
            cn_bench_model_name(b, last), 100 * row->huge_pages, last);
    }
}

/* The rows' limits, from the least to the most, for each count of threads. */
static void limits(const struct cn_bench *b)
{
    const char *before = "";
    for (size_t i = 0; i < b->n_rows; i++) {
        const struct cn_bench_row *row = &b->rows[i];
        double lo = row->result.limit, hi = lo;
        bool told = false;
        for (size_t j = 0; j < b->n_rows; j++) {
            const struct cn_bench_row *other = &b->rows[j];
            if (other->decode != row->decode || other->threads != row->threads)
                continue;
            told = told || j < i;
            lo = fmin(lo, other->result.limit);
            hi = fmax(hi, other->result.limit);
        }
        if (told)
            continue;
        char least[32], most[32];
        snprintf(least, sizeof least, row->decode ? "%.1f" : "%.0f", lo * 1e-9);
        snprintf(most, sizeof most, row->decode ? "%.1f" : "%.0f", hi * 1e-9);
        const bool one = strcmp(least, most) == 0;
        printf("%s%s %s%s%s %s (%d thread%s)", before, row->decode ? "read" : "int8", least,
               one ? "" : " to ", one ? "" : most, row->decode ? "GB/s" : "Gop/s", row->threads,
               row->threads == 1 ? "" : "s");
        before = ", ";
    }
    printf(".\n");
}

void cn_bench_notes(const struct cn_bench *b)
{
    if (b->a->format != CN_TABLE_MD)
        return;
    const struct cn_meter_info *meter = cn_profiler_channel(b->suite.profiler, 0);
    const char *note = cn_profiler_note(b->suite.profiler);
    printf("\n");
    if (b->n_rows) {
        const struct cn_bench_row *row = &b->rows[0];
        printf("Tiers %s. Speeds are medians of %d; shares are of limits measured between the "
               "repetitions:\n",
               row->tiers, b->suite.n_reps);
        limits(b);
        if (b->suite.prefill.n && b->suite.prefill.values[0])
            printf(
                "The share of the int8 peak counts two operations for each weight and token, the "
                "output layer's too,\nas if every token's logits were made: only the last one's "
                "are. --explain counts what is done.\n");
        if (row->info.tensor_bytes < CN_BENCH_SMALL)
            printf("Models this small stay in the CPU's caches: shares of the memory's read "
                   "bandwidth can "
                   "pass 1.\n");
    }
    small_pages(b);
    if (!meter->ok)
        printf("J/token unsupported: %s%s%s.\n", meter->reason,
               meter->remedy[0] ? ". Remedy: " : "", meter->remedy);
    else
        printf("J/token of the boundary '%s', by %s%s.\n", meter->boundary, meter->name,
               meter->modelled ? ": modelled, not measured" : "");
    if (meter->ok && b->n_unresolved)
        printf("J/token unresolved in %d row%s: %s.\n", b->n_unresolved,
               b->n_unresolved == 1 ? "" : "s", b->unresolved);
    if (note)
        printf("%s\n", note);
}
