/* SPDX-License-Identifier: MIT
 *
 * carnot logits: the raw logits of every position, for comparison with other engines.
 */
#include "cli/cli.h"
#include "cli/lists.h"
#include "cli/open_model.h"
#include "cli/outputs.h"
#include "cli/tokens.h"

#include "engine/carnot.h"
#include "engine/tools.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
    const char *model, *tokens, *out, *kv, *tiers, *precision;
    int64_t batch, threads, ctx;
};

static bool write_logits(FILE *f, struct cn_session *s, const int32_t *tokens, size_t n,
                         int64_t batch, int32_t n_vocab, struct cn_error *err)
{
    for (size_t i = 0; i < n; i += (size_t)batch) {
        int32_t now = (int32_t)(n - i < (size_t)batch ? n - i : (size_t)batch);
        if (cn_session_eval(s, tokens + i, now, CN_WANT_ALL, err) != CN_OK)
            return false;
        for (int32_t j = 0; j < now; j++) {
            const float *logits = cn_session_logits(s, j);
            if (!cn_all_finite(logits, n_vocab)) {
                snprintf(err->text, sizeof err->text,
                         "the model's logits are not finite at position %zu", i + (size_t)j);
                return false;
            }
            if (fwrite(logits, sizeof *logits, (size_t)n_vocab, f) != (size_t)n_vocab) {
                snprintf(err->text, sizeof err->text, "write: %s", strerror(errno));
                return false;
            }
        }
        cn_progress("logits", (double)i + now, (double)n);
        if (cn_interrupted()) {
            snprintf(err->text, sizeof err->text, "interrupted");
            return false;
        }
    }
    return true;
}

static int run(const struct arguments *a, const int32_t *tokens, size_t n)
{
    struct cn_error err = { "" };
    struct cn_model *model = NULL;
    struct cn_session *session = NULL;
    struct cn_model_options model_options = { .tiers = a->tiers };
    struct cn_session_options options = { .n_batch = (int32_t)a->batch,
                                          .n_logits = (int32_t)a->batch,
                                          .n_threads = (int32_t)a->threads };
    options.n_ctx = a->ctx ? (int32_t)a->ctx : (int32_t)n;
    if (!cn_kv_parse(a->kv, &options.kv) || !cn_precision_parse(a->precision, &options.fast))
        return CN_EXIT_USAGE;
    if (cn_open_model(a->model, &model_options, options.n_ctx, &model, &err) != CN_OK)
        return cn_die("%s", err.text);
    int result = CN_EXIT_FAILED;
    struct cn_outfile *out = NULL;
    enum cn_status status = cn_session_create(model, &options, &session, &err);
    if (status == CN_OK)
        status = cn_outfile_create(a->out, &out, &err);
    if (status == CN_OK && !write_logits(cn_outfile_stream(out), session, tokens, n, a->batch,
                                         cn_model_get_info(model)->n_vocab, &err)) {
        cn_outfile_abandon(out);
        cn_die("%s: %s", a->out, err.text);
    } else if (status != CN_OK || cn_outfile_finish(out, &err) != CN_OK) {
        cn_die("%s", err.text);
    } else {
        result = CN_EXIT_OK;
    }
    cn_session_free(session);
    cn_model_close(model);
    return result;
}

int cn_cmd_logits(int argc, char **argv)
{
    struct arguments a = {
        .model = cn_default_model(), .kv = "f32", .precision = "exact", .batch = 512
    };
    const struct cn_usage usage = {
        "carnot logits [-m FILE] --tokens @FILE|1,2,3 --out OUT.f32 [options]",
        "Evaluates the tokens as they are (nothing is added) and writes little-endian float32\n"
        "[n_tokens, n_vocab]: the logits after every position.",
    };
    /* clang-format off */
    const struct cn_option options[] = {
        { "--model", "-m", CN_OPT_STRING, &a.model, "FILE",
          "GGUF model (the default model)", 0, 0 },
        { "--tokens", NULL, CN_OPT_STRING, &a.tokens, "@FILE|IDS", "token ids", 0, 0 },
        { "--out", "-o", CN_OPT_STRING, &a.out, "FILE", "where the logits go", 0, 0 },
        { "--batch", "-b", CN_OPT_INT, &a.batch, "N", "tokens per forward pass (512)", 1, 65536 },
        { "--kv", NULL, CN_OPT_STRING, &a.kv, "TYPE", "KV cache: f32, f16 or q8_0 (f32)", 0, 0 },
        { "--ctx", "-c", CN_OPT_INT, &a.ctx, "N", "context (the number of tokens)", 1, 1 << 30 },
        { "--threads", "-t", CN_OPT_INT, &a.threads, "N", "threads (every core)", 1, 1024 },
        { "--tiers", NULL, CN_OPT_STRING, &a.tiers, "LIST", "kernels to use, like ref,avx2", 0, 0 },
        { "--precision", NULL, CN_OPT_STRING, &a.precision, "P",
          "exact, or fast: coarser prefill (exact)", 0, 0 },
        CN_OPTION_FORCE,
    };
    /* clang-format on */
    int code =
        cn_options_parse(argc, argv, &usage, options, sizeof options / sizeof *options, NULL, 0, 0);
    if (code >= 0)
        return code;
    if (!a.tokens || !a.out)
        return cn_usage_error("%s is needed", a.tokens ? "--out" : "--tokens");
    code = cn_check_tiers(a.tiers);
    if (code >= 0)
        return code;
    const char *const in[] = { a.model, a.tokens[0] == '@' ? a.tokens + 1 : NULL };
    code = cn_output_check(a.out, CN_FILE_DATA, in, sizeof in / sizeof *in);
    if (code >= 0)
        return code;
    int32_t *tokens;
    size_t n;
    code = cn_tokens_parse(a.tokens, &tokens, &n);
    if (code >= 0)
        return code;
    code = run(&a, tokens, n);
    free(tokens);
    return code;
}
