/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a session file of a small model: as they are, and with the checksum that they should
 * have. What is taken is gone back in and goes on.
 */
#include <string.h>

#include "base/sha256.h"
#include "engine/carnot.h"
#include "tests/fuzz/fuzz.h"

enum { N_CTX = 32, CHECKSUM_BYTES = CN_SHA256_HEX - 1 };

static struct cn_session *open_session(void)
{
    static struct cn_model *m;
    const struct cn_session_options o = {
        .n_ctx = N_CTX, .n_batch = 4, .n_threads = 1, .kv = CN_KV_F32
    };
    struct cn_session *s;
    if (!m)
        expect(cn_model_open("tests/fixtures/arch2/lfm2.gguf", NULL, &m, NULL) == CN_OK);
    expect(cn_session_create(m, &o, &s, NULL) == CN_OK);
    return s;
}

static void go_on(struct cn_session *s)
{
    const int32_t token = 5;
    const int32_t n = cn_session_position(s);
    expect(n >= 1 && n <= N_CTX);
    expect(cn_session_rewind(s, n / 2, NULL) == CN_OK);
    expect(cn_session_position(s) == n / 2);
    expect(cn_session_eval(s, &token, 1, CN_WANT_LAST, NULL) == CN_OK);
}

static void load(const uint8_t *data, size_t n)
{
    struct cn_session *s = open_session();
    struct cn_error err = { "" };
    char path[32];
    int fd = fuzz_file(data, n, path);
    if (cn_session_load(s, path, &err) == CN_OK)
        go_on(s);
    else
        expect(strstr(err.text, path) != NULL && !strchr(err.text, '\n') &&
               cn_session_position(s) == 0);
    close(fd);
    cn_session_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    load(data, n);
    if (n < CHECKSUM_BYTES)
        return 0;
    struct cn_sha256 h;
    char checksum[CN_SHA256_HEX];
    uint8_t *copy = malloc(n);
    expect(copy != NULL);
    memcpy(copy, data, n);
    cn_sha256_begin(&h);
    cn_sha256_add(&h, copy, n - CHECKSUM_BYTES);
    cn_sha256_end(&h, checksum);
    memcpy(copy + n - CHECKSUM_BYTES, checksum, CHECKSUM_BYTES);
    load(copy, n);
    free(copy);
    return 0;
}
