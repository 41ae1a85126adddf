/* SPDX-License-Identifier: MIT
 *
 * carnot perplexity: how well models predict a text; with a base, how far they are from it.
 */
#include "cli/cli.h"
#include "cli/lists.h"
#include "cli/open_model.h"
#include "cli/outputs.h"
#include "cli/tokens.h"

#include "base/table.h"
#include "bench/quality/ppl.h"
#include "engine/tools.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TEXT_BYTES = 1 << 30 };

struct arguments {
    struct cn_string_list models;
    const char *text, *save_base, *base, *kv, *tiers, *precision;
    int64_t ctx, chunks, threads;
    enum cn_table_format format;
};

static bool progress(void *user, int32_t done, int32_t total, double ppl)
{
    char what[256];
    snprintf(what, sizeof what, "%s: perplexity %.4f", (const char *)user, ppl);
    cn_progress(what, done, total);
    return cn_interrupted();
}

static void add_row(struct cn_table *table, const char *path, const struct cn_model_info *info,
                    const struct cn_perplexity *p, bool fast, bool base)
{
    cn_table_row(table);
    cn_table_str(table, "model", path);
    cn_table_str(table, "file_type", info->file_type);
    cn_table_f64(table, "bpw", info->bpw);
    cn_table_str(table, "precision", fast ? "fast" : "exact");
    cn_table_i64(table, "tokens", p->n_tokens);
    cn_table_f64(table, "ppl", p->ppl);
    cn_table_f64(table, "ppl_se", p->ppl_se);
    if (!base)
        return;
    cn_table_f64(table, "base_ppl", p->base_ppl);
    cn_table_f64(table, "kld_mean", p->kld_mean);
    cn_table_f64(table, "kld_se", p->kld_se);
    cn_table_f64(table, "kld_median", p->kld_median);
    cn_table_f64(table, "kld_p90", p->kld_p90);
    cn_table_f64(table, "kld_p99", p->kld_p99);
    cn_table_f64(table, "kld_max", p->kld_max);
    cn_table_f64(table, "top1_agreement", p->top1_agreement);
    cn_table_f64(table, "top1_se", p->top1_se);
    cn_table_f64(table, "delta_p_rms", p->delta_p_rms);
}

/* One model: opened, tokenised, scored. */
static int score(const struct arguments *a, const char *path, const char *text, size_t n_bytes,
                 struct cn_perplexity_options *options, struct cn_table *table)
{
    struct cn_error err = { "" };
    struct cn_model *model = NULL;
    struct cn_model_options model_options = { .tiers = a->tiers };
    struct cn_perplexity result;
    int32_t *tokens = NULL;
    size_t n;
    const char *slash = strrchr(path, '/');
    options->user = (void *)(uintptr_t)(slash ? slash + 1 : path);
    bool ok = cn_open_model(path, &model_options, options->n_ctx, &model, &err) == CN_OK &&
              cn_tokenize(model, text, n_bytes, CN_TOKENIZE_BOS, &tokens, &n, &err) == CN_OK &&
              cn_perplexity_run(model, tokens, n, options, &result, &err) == CN_OK;
    if (ok)
        add_row(table, path, cn_model_get_info(model), &result, options->fast,
                options->base != NULL);
    else
        cn_die("%s", err.text);
    free(tokens);
    cn_model_close(model);
    return ok ? CN_EXIT_OK : CN_EXIT_FAILED;
}

static struct cn_table *make_table(bool fast, bool base)
{
    struct cn_table *t = cn_table_create("perplexity");
    if (!t)
        return NULL;
    cn_table_column(t, "model", "model", -1);
    cn_table_column(t, "file_type", "type", -1);
    cn_table_column(t, "bpw", "bpw", 2);
    cn_table_column(t, "precision", fast ? "precision" : NULL, -1);
    cn_table_column(t, "tokens", "tokens", -1);
    cn_table_column(t, "ppl", "perplexity", 4);
    cn_table_column(t, "ppl_se", "±", 4);
    cn_table_column(t, "base_ppl", NULL, 4);
    cn_table_column(t, "kld_mean", base ? "KL mean" : NULL, 5);
    cn_table_column(t, "kld_se", base ? "± " : NULL, 5);
    cn_table_column(t, "kld_median", base ? "median" : NULL, 5);
    cn_table_column(t, "kld_p90", base ? "90%" : NULL, 5);
    cn_table_column(t, "kld_p99", base ? "99%" : NULL, 5);
    cn_table_column(t, "kld_max", NULL, 5);
    cn_table_column(t, "top1_agreement", base ? "same top" : NULL, 4);
    cn_table_column(t, "top1_se", base ? "±  " : NULL, 4);
    cn_table_column(t, "delta_p_rms", base ? "rms Δp" : NULL, 4);
    return t;
}

static int run(const struct arguments *a, struct cn_perplexity_options *options)
{
    size_t n_bytes;
    char *text = cn_read_text(a->text, MAX_TEXT_BYTES, &n_bytes);
    if (!text)
        return CN_EXIT_FAILED;
    int code = CN_EXIT_OK;
    struct cn_error err = { "" };
    struct cn_outfile *saved = NULL;
    struct cn_table *table = make_table(options->fast, a->base != NULL);
    if (a->save_base) {
        if (cn_outfile_create(a->save_base, &saved, &err) == CN_OK)
            options->save_base = cn_outfile_stream(saved);
        else
            code = cn_die("%s", err.text);
    }
    const char *only = cn_default_model();
    const char *const *models = a->models.n ? a->models.items : &only;
    for (size_t i = 0; code == CN_EXIT_OK && i < (a->models.n ? a->models.n : 1); i++) {
        if (a->base && !(options->base = fopen(a->base, "rb"))) {
            code = cn_die("%s: %s", a->base, strerror(errno));
            break;
        }
        code = score(a, models[i], text, n_bytes, options, table);
        if (options->base)
            fclose(options->base);
    }
    if (code != CN_EXIT_OK)
        cn_outfile_abandon(saved);
    else if (saved && cn_outfile_finish(saved, &err) != CN_OK)
        code = cn_die("%s", err.text);
    if (!table || cn_table_n_rows(table)) {
        const int printed = cn_result_table(table, a->format);
        code = code == CN_EXIT_OK ? printed : code;
    }
    cn_table_free(table);
    free(text);
    return code;
}

static int check_output(const struct arguments *a)
{
    const char *const in[] = { a->models.n ? a->models.items[0] : cn_default_model(), a->text,
                               a->base };
    return cn_output_check(a->save_base, CN_FILE_BASE, in, sizeof in / sizeof *in);
}

int cn_cmd_perplexity(int argc, char **argv)
{
    struct arguments a = { .kv = "f16", .precision = "exact" };
    struct cn_perplexity_options o = { .progress = progress };
    const struct cn_usage usage = {
        "carnot perplexity [-m FILE]... -f TEXT [options]",
        "Scores a text by the field's protocol: chunks of the context, each from an empty cache, "
        "the\n"
        "second half of each scored. With --base: Kullback-Leibler divergence from the model that "
        "wrote\n"
        "the base file with --save-base.\n"
        "\n"
        "  carnot perplexity -m f16.gguf -f text.txt --save-base f16.base\n"
        "  carnot perplexity -m q4.gguf -m q3.gguf -f text.txt --base f16.base",
    };
    /* clang-format off */
    const struct cn_option options[] = {
        { "--model", "-m", CN_OPT_LIST, &a.models, "FILE", "GGUF model; may be repeated", 0, 0 },
        { "--file", "-f", CN_OPT_STRING, &a.text, "TEXT", "the text", 0, 0 },
        { "--ctx", "-c", CN_OPT_INT, &a.ctx, "N", "tokens of a chunk (512)", 8, 1 << 24 },
        { "--chunks", NULL, CN_OPT_INT, &a.chunks, "N", "chunks to score (all)", 1, 1 << 24 },
        { "--save-base", NULL, CN_OPT_STRING, &a.save_base, "FILE", "keep the logits here", 0, 0 },
        { "--base", NULL, CN_OPT_STRING, &a.base, "FILE", "compare with these logits", 0, 0 },
        { "--kv", NULL, CN_OPT_STRING, &a.kv, "TYPE", "KV cache: f32, f16 or q8_0 (f16)", 0, 0 },
        { "--threads", "-t", CN_OPT_INT, &a.threads, "N", "threads (every core)", 1, 1024 },
        { "--tiers", NULL, CN_OPT_STRING, &a.tiers, "LIST", "kernels to use, like ref,avx2", 0, 0 },
        { "--precision", NULL, CN_OPT_STRING, &a.precision, "P",
          "exact, or fast: coarser prefill (exact)", 0, 0 },
        { "--output", "-o", CN_OPT_TABLE, &a.format, "FORMAT",
          "md, csv, json, jsonl or sql (md)", 0, 0 },
        CN_OPTION_FORCE,
    };
    /* clang-format on */
    int code =
        cn_options_parse(argc, argv, &usage, options, sizeof options / sizeof *options, NULL, 0, 0);
    if (code < 0) {
        o.n_ctx = (int32_t)a.ctx;
        o.n_chunks = (int32_t)a.chunks;
        o.n_threads = (int32_t)a.threads;
        o.base_name = a.base;
        if (!a.text)
            code = cn_usage_error("-f TEXT is needed");
        else if (a.save_base && a.models.n > 1)
            code = cn_usage_error("--save-base takes one model");
        else if (!cn_kv_parse(a.kv, &o.kv) || !cn_precision_parse(a.precision, &o.fast))
            code = CN_EXIT_USAGE;
        else if ((code = cn_check_tiers(a.tiers)) < 0)
            code = check_output(&a);
        if (code < 0)
            code = run(&a, &o);
    }
    free(a.models.items);
    return code;
}
