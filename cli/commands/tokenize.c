/* SPDX-License-Identifier: MIT
 *
 * carnot tokenize: text to token ids, and back.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/open_model.h"
#include "cli/tokens.h"
#include "engine/carnot.h"

static const struct cn_usage usage = {
    "carnot tokenize [options] [TEXT]",
    "Prints the token ids of TEXT, or of the file given with -f, separated by spaces on one line.\n"
    "BOS and EOS are added as the model's file asks.\n"
    "\n"
    "With --lines every line of the input is tokenised on its own, without its newline, to a line\n"
    "of the output. --detokenize goes the other way: from ids, separated by blanks or commas, to\n"
    "bytes; control tokens are then left out, unless --parse-special is given.\n"
    "\n"
    "The model may be a file without tensors (a vocabulary).\n",
};

/* Texts of more than 1 GiB are not tokenised in one go. */
#define MAX_INPUT_BYTES ((size_t)1 << 30)

struct job {
    const struct cn_model *model;
    unsigned flags; /* of cn_tokenize */
    const char *source;
};

static int print_ids(const struct job *job, const char *text, size_t n)
{
    int32_t *ids = NULL;
    size_t n_ids;
    struct cn_error err;
    if (cn_tokenize(job->model, text, n, job->flags, &ids, &n_ids, &err) != CN_OK)
        return cn_die("%s: %s", job->source, err.text);
    for (size_t i = 0; i < n_ids; i++)
        printf(i ? " %" PRId32 : "%" PRId32, ids[i]);
    putchar('\n');
    free(ids);
    return CN_EXIT_OK;
}

static int print_text(const struct job *job, const char *text, size_t n, bool newline)
{
    int32_t *ids;
    size_t n_ids, n_bytes;
    char *bytes;
    struct cn_error err;
    if (!cn_ids_parse(text, n, job->source, &ids, &n_ids))
        return CN_EXIT_FAILED;
    enum cn_status status = cn_detokenize(job->model, ids, n_ids, job->flags & CN_TOKENIZE_SPECIAL,
                                          &bytes, &n_bytes, &err);
    free(ids);
    if (status != CN_OK)
        return cn_die("%s: %s", job->source, err.text);
    fwrite(bytes, 1, n_bytes, stdout);
    if (newline)
        putchar('\n');
    free(bytes);
    return CN_EXIT_OK;
}

static int run(const struct job *job, const char *text, size_t n, bool lines, bool detokenize)
{
    if (!lines)
        return detokenize ? print_text(job, text, n, false) : print_ids(job, text, n);
    int code = CN_EXIT_OK;
    for (const char *end = text + n, *next; text < end && code == CN_EXIT_OK; text = next) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t length = (size_t)((newline ? newline : end) - text);
        next = newline ? newline + 1 : end;
        code = detokenize ? print_text(job, text, length, true) : print_ids(job, text, length);
    }
    return code;
}

int cn_cmd_tokenize(int argc, char **argv)
{
    const char *model_path = cn_default_model(), *input = NULL;
    bool parse_special = false, no_bos = false, lines = false, detokenize = false;
    /* clang-format off */
    const struct cn_option options[] = {
        { "-m", NULL, CN_OPT_STRING, &model_path, "FILE",
          "the model (default: the default model)", 0, 0 },
        { "-f", NULL, CN_OPT_STRING, &input, "FILE", "the input, - for stdin", 0, 0 },
        { "--parse-special", NULL, CN_OPT_FLAG, &parse_special, NULL,
          "texts of control tokens become those tokens", 0, 0 },
        { "--no-bos", NULL, CN_OPT_FLAG, &no_bos, NULL, "add neither BOS nor EOS", 0, 0 },
        { "--lines", NULL, CN_OPT_FLAG, &lines, NULL,
          "one line of output per line of input", 0, 0 },
        { "--detokenize", NULL, CN_OPT_FLAG, &detokenize, NULL, "from ids to text", 0, 0 },
    };
    /* clang-format on */
    struct cn_string_list args = { 0 };
    int code = cn_options_parse(argc, argv, &usage, options, sizeof options / sizeof *options,
                                &args, 0, 1);
    const char *text = args.n ? args.items[0] : NULL;
    free(args.items);
    if (code >= 0)
        return code;
    if (!text == !input)
        return cn_usage_error("expected either TEXT or -f FILE");

    size_t n = text ? strlen(text) : 0;
    char *from_file = NULL;
    if (input) {
        from_file = cn_read_file(input, MAX_INPUT_BYTES, &n);
        if (!from_file)
            return CN_EXIT_FAILED;
        text = from_file;
    }
    struct cn_model *model = NULL;
    struct cn_error err;
    const struct cn_model_options vocab_only = { .vocab_only = true };
    if (cn_open_model(model_path, &vocab_only, 0, &model, &err) != CN_OK) {
        code = cn_die("%s", err.text);
    } else {
        const struct job job = { model,
                                 (no_bos ? 0u : CN_TOKENIZE_BOS) |
                                     (parse_special ? CN_TOKENIZE_SPECIAL : 0u),
                                 input ? input : "TEXT" };
        code = run(&job, text, n, lines, detokenize);
    }
    cn_model_close(model);
    free(from_file);
    return code;
}
