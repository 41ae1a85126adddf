/* SPDX-License-Identifier: MIT
 *
 * The GGUF reader, what uses its results, and the metadata check, on any bytes at all. Everything
 * that the reader lets through is walked, so that a pointer or a count it should have refused is
 * followed here.
 */
#include <string.h>

#include "engine/gguf/gguf.h"
#include "engine/gguf/gguf_check.h"
#include "tests/fuzz/fuzz.h"

/* Keys hold no NUL, so each is found as a C string. */
static void walk_key(const struct cn_gguf *g, const struct cn_gguf_kv *kv)
{
    char shown[CN_SHOW_BYTES];
    const uint8_t *cursor = kv->data;
    char *key = malloc(kv->key.n + 1);
    expect(key != NULL);
    memcpy(key, kv->key.p, kv->key.n);
    key[kv->key.n] = 0;
    expect(cn_gguf_find(g, key) == kv);
    free(key);
    expect(strlen(cn_str_show(kv->key, shown, sizeof shown)) < sizeof shown);
    for (uint64_t i = 0; i < kv->n; i++) {
        if (kv->elem_type == CN_GGUF_STRING) {
            cn_str_show(cn_gguf_next_str(&cursor), shown, sizeof shown);
        } else {
            cn_gguf_elem_i64(kv, i);
            cn_gguf_elem_f64(kv, i);
        }
    }
    if (kv->elem_type == CN_GGUF_STRING)
        expect(cursor == kv->raw + kv->raw_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct cn_gguf g;
    struct cn_error err;
    if (cn_gguf_parse(data, n, "fuzz", &g, &err) != CN_OK) {
        expect(strncmp(err.text, "fuzz: ", 6) == 0 && !strchr(err.text, '\n'));
        return 0;
    }
    for (int64_t i = 0; i < g.n_kv; i++)
        walk_key(&g, &g.kv[i]);
    for (int64_t i = 0; i < g.n_tensors; i++) {
        const struct cn_gguf_tensor *t = &g.tensors[i];
        const uint8_t *p = t->data;
        expect(p >= data && t->bytes <= n && p <= data + n - t->bytes);
        if (cn_gguf_check_data(&g, t, &err) != CN_OK)
            expect(strncmp(err.text, "fuzz: tensor \"", 14) == 0);
    }
    if (cn_gguf_check_metadata(&g, &err) != CN_OK)
        expect(strncmp(err.text, "fuzz: ", 6) == 0);
    cn_gguf_close(&g);
    return 0;
}
