/* SPDX-License-Identifier: MIT
 *
 * Any bytes as text, through a byte-level BPE and an SPM vocabulary; the former gives them back.
 */
#include <string.h>

#include "engine/carnot.h"
#include "tests/fuzz/fuzz.h"

static const struct cn_model *vocabulary(const char *path)
{
    const struct cn_model_options options = { .vocab_only = true };
    struct cn_model *m;
    struct cn_error err;
    if (cn_model_open(path, &options, &m, &err) == CN_OK)
        return m;
    fprintf(stderr, "%s (to be run from the root of the source)\n", err.text);
    exit(1);
}

static void there_and_back(const struct cn_model *m, const char *bytes, size_t n, unsigned flags,
                           int exact)
{
    int32_t *tokens = NULL;
    size_t n_tokens, n_text;
    char *text;
    struct cn_error err;
    expect(cn_tokenize(m, bytes, n, flags, &tokens, &n_tokens, &err) == CN_OK);
    expect(cn_detokenize(m, tokens, n_tokens, true, &text, &n_text, &err) == CN_OK);
    if (exact)
        expect(n_text == n && memcmp(text, bytes, n) == 0);
    free(text);
    free(tokens);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct cn_model *bpe, *spm;
    if (!bpe) {
        bpe = vocabulary("tests/fixtures/bad/good-bpe.gguf");
        spm = vocabulary("tests/fixtures/bad/good.gguf");
    }
    there_and_back(bpe, (const char *)data, n, 0, 1);
    there_and_back(bpe, (const char *)data, n, CN_TOKENIZE_SPECIAL | CN_TOKENIZE_BOS, 0);
    there_and_back(spm, (const char *)data, n, CN_TOKENIZE_SPECIAL, 0);
    return 0;
}
