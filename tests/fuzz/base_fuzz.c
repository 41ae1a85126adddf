/* SPDX-License-Identifier: MIT
 *
 * Any bytes as the logits of a base model (carnot perplexity --base).
 */
#include <string.h>

#include "bench/quality/ppl.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct cn_model *model;
    static const int32_t tokens[] = { 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17 };
    struct cn_error err = { "" };
    struct cn_perplexity result;
    struct cn_perplexity_options o = { .n_ctx = 8, .n_threads = 1, .base_name = "fuzz" };
    if (!model && cn_model_open("tests/fixtures/bad/good.gguf", NULL, &model, &err) != CN_OK) {
        fprintf(stderr, "%s (to be run from the root of the source)\n", err.text);
        exit(1);
    }
    if (n == 0) /* fmemopen takes no empty memory */
        return 0;
    o.base = fmemopen((void *)(uintptr_t)data, n, "r");
    expect(o.base != NULL);
    if (cn_perplexity_run(model, tokens, sizeof tokens / sizeof *tokens, &o, &result, &err) !=
        CN_OK)
        expect(err.text[0] && !strchr(err.text, '\n'));
    fclose(o.base);
    return 0;
}
