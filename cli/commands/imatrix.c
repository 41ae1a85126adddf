/* SPDX-License-Identifier: MIT
 *
 * carnot imatrix: the importance matrix of a model on a text, or several files merged into one.
 */
#include "base/plain_text.h"
#include "base/sha256.h"
#include "cli/cli.h"
#include "cli/lists.h"
#include "cli/open_model.h"
#include "cli/outputs.h"

#include "engine/tools.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_TEXT_BYTES = 1 << 30 };

static const struct cn_usage usage = {
    "carnot imatrix -m FILE -f TEXT -o OUT [options]",
    "Runs a text through a model and keeps, for each column of each matrix, the sum of squares of\n"
    "what it was multiplied with: 'carnot quantize --imatrix OUT' spends its bits by it. Files of\n"
    "the GGUF and of the older .dat format are read (--in), GGUF is written. SIGINT ends it after\n"
    "the chunk under way and keeps what there is; --resume goes on from there.\n"
    "\n"
    "  carnot imatrix -m f16.gguf -f text.txt -o model.imatrix\n"
    "  carnot imatrix -m f16.gguf -f text.txt -o model.imatrix --resume\n"
    "  carnot imatrix --in prose.imatrix --in code.dat -o both.imatrix",
};

static void progress(void *user, int32_t done, int32_t total)
{
    (void)user;
    cn_progress("importance", done, total);
}

static bool interrupted(void *user)
{
    (void)user;
    return cn_interrupted();
}

static void summarise(const char *out, const struct cn_imatrix_result *r, int64_t n_ctx)
{
    fprintf(stderr, "%s: ", out);
    if (r->n_chunks > 0)
        fprintf(stderr, "%d chunks of %lld tokens", r->n_chunks, (long long)n_ctx);
    if (r->n_resumed > 0)
        fprintf(stderr, " (%d from before)", r->n_resumed);
    if ((int64_t)r->total_chunks != r->n_chunks)
        fprintf(stderr, "%s%u with those of --in",
                r->n_chunks > 0 ? ", " : "chunks: ", r->total_chunks);
    fprintf(stderr, ", %lld tensors\n", (long long)r->n_entries);
    if (r->n_never > 0)
        cn_warn("no token of the text reached %lld of %lld matrices (experts that were never "
                "chosen); their columns count alike",
                (long long)r->n_never, (long long)r->n_matrices);
}

static int make(const struct cn_model *model, const int32_t *tokens, size_t n,
                const struct cn_imatrix_options *o)
{
    struct cn_imatrix_result result = { 0 };
    struct cn_error err = { "" };
    enum cn_status status = cn_imatrix_make(model, tokens, n, o, &result, &err);
    cn_progress("importance", 1, 1); /* ends the line after a failure too */
    if (status == CN_ERR_CANCELLED && result.n_chunks > 0)
        return cn_die("interrupted; %s holds %d chunks, --resume goes on from there", o->out,
                      result.n_chunks);
    if (status != CN_OK)
        return cn_die("%s", err.text);
    summarise(o->out, &result, o->n_ctx);
    return CN_EXIT_OK;
}

static int collect(const char *path, const char *tiers, const char *text_path,
                   struct cn_imatrix_options *o)
{
    struct cn_model_options model_options = { .tiers = tiers };
    struct cn_model *model = NULL;
    struct cn_error err = { "" };
    int32_t *tokens = NULL;
    size_t n_bytes, n;
    char *text = cn_read_file(text_path, MAX_TEXT_BYTES, &n_bytes);
    if (!text)
        return CN_EXIT_FAILED;
    /* Of the bytes as they are: the file itself is what must not change before --resume. */
    char hex[CN_SHA256_HEX];
    struct cn_sha256 hash;
    cn_sha256_begin(&hash);
    cn_sha256_add(&hash, text, n_bytes);
    cn_sha256_end(&hash, hex);
    o->text_sha256 = hex;
    n_bytes = cn_plain_text(text, n_bytes);
    int code = CN_EXIT_FAILED;
    if (cn_open_model(path, &model_options, o->n_ctx, &model, &err) != CN_OK ||
        cn_tokenize(model, text, n_bytes, CN_TOKENIZE_BOS, &tokens, &n, &err) != CN_OK)
        cn_die("%s", err.text);
    else
        code = make(model, tokens, n, o);
    free(tokens);
    cn_model_close(model);
    free(text);
    return code;
}

int cn_cmd_imatrix(int argc, char **argv)
{
    struct cn_imatrix_options o = { .progress = progress, .cancel = interrupted };
    struct cn_string_list in = { 0 };
    const char *model = NULL, *text = NULL, *tiers = NULL;
    int64_t ctx = 512, chunks = 0, every = 10, threads = 0;
    /* clang-format off */
    const struct cn_option options[] = {
        { "--model", "-m", CN_OPT_STRING, &model, "FILE",
          "GGUF model, float best (the default model)", 0, 0 },
        { "--file", "-f", CN_OPT_STRING, &text, "TEXT", "the text", 0, 0 },
        { "--output", "-o", CN_OPT_STRING, &o.out, "OUT", "importance matrix to write", 0, 0 },
        { "--in", NULL, CN_OPT_LIST, &in, "FILE",
          "add this importance matrix; may be repeated; without -f nothing but that", 0, 0 },
        { "--ctx", "-c", CN_OPT_INT, &ctx, "N", "tokens of a chunk (512)", 1, 1 << 24 },
        { "--chunks", NULL, CN_OPT_INT, &chunks, "N", "chunks to use (all)", 1, 1 << 24 },
        { "--every", NULL, CN_OPT_INT, &every, "N",
          "write OUT after so many chunks, and at the end (10)", 1, 1 << 24 },
        { "--resume", NULL, CN_OPT_FLAG, &o.resume, NULL,
          "go on from the chunks that OUT holds of the same text", 0, 0 },
        { "--output-tensor", NULL, CN_OPT_FLAG, &o.output_tensor, NULL,
          "the output matrix too", 0, 0 },
        { "--threads", "-t", CN_OPT_INT, &threads, "N", "threads (every core)", 1, 1024 },
        { "--tiers", NULL, CN_OPT_STRING, &tiers, "LIST", "kernels to use, like ref,avx2", 0, 0 },
        CN_OPTION_FORCE,
    };
    /* clang-format on */
    int code =
        cn_options_parse(argc, argv, &usage, options, sizeof options / sizeof *options, NULL, 0, 0);
    if (code < 0) {
        o.in = in.items;
        o.n_in = in.n;
        o.dataset = text;
        o.n_ctx = (int32_t)ctx;
        o.n_chunks = (int32_t)chunks;
        o.every = (int32_t)every;
        o.n_threads = (int32_t)threads;
        const char *const made_of[] = { model ? model : cn_default_model(), text };
        if (!o.out)
            code = cn_usage_error("-o OUT is needed");
        else if (!text && in.n == 0)
            code = cn_usage_error("-f TEXT is needed (or --in FILE, to merge)");
        else if (!text && model)
            code = cn_usage_error("-m needs -f TEXT; merging needs no model");
        else if (o.resume && in.n > 0)
            code = cn_usage_error("--resume and --in exclude each other: merge when it is done");
        else if (o.resume && !text)
            code = cn_usage_error("--resume needs -f TEXT");
        else if ((code = cn_check_tiers(tiers)) <
                 0) /* of --in one may be it: files are added to it */
            code =
                cn_output_check(o.out, CN_FILE_IMATRIX, made_of, sizeof made_of / sizeof *made_of);
        if (code < 0 && !text)
            code = make(NULL, NULL, 0, &o);
        else if (code < 0)
            code = collect(made_of[0], tiers, text, &o);
    }
    free(in.items);
    return code;
}
