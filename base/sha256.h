/* SPDX-License-Identifier: MIT
 *
 * SHA-256 (FIPS 180-4): which file it is that was measured, or that is on the phone already.
 */
#ifndef CN_SHA256_H
#define CN_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct cn_sha256 {
    uint32_t state[8];
    uint64_t n_bytes;
    uint8_t block[64];
};

enum { CN_SHA256_HEX = 65 }; /* bytes of the result as text, NUL included */

void cn_sha256_begin(struct cn_sha256 *h);
void cn_sha256_add(struct cn_sha256 *h, const void *bytes, size_t n);
void cn_sha256_end(struct cn_sha256 *h, char hex[CN_SHA256_HEX]);

/* Of a file. cancel may be NULL; true ends it with CN_ERR_CANCELLED. */
enum cn_status cn_sha256_file(const char *path, bool (*cancel)(void *user), void *user,
                              char hex[CN_SHA256_HEX], struct cn_error *err);

#endif
