/* SPDX-License-Identifier: MIT */
#include "base/sha256.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Fractions of the cube roots of the first 64 primes. */
/* clang-format off */
static const uint32_t k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};
/* clang-format on */

static uint32_t rotate(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static void digest(uint32_t s[8], const uint8_t block[64])
{
    uint32_t w[64], v[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[i - 7] +
               (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
    memcpy(v, s, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t a = v[0], e = v[4];
        uint32_t t1 = v[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
                      ((e & v[5]) ^ (~e & v[6])) + k[i] + w[i];
        uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +
                      ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
        s[i] += v[i];
}

void cn_sha256_begin(struct cn_sha256 *h)
{
    /* Fractions of the square roots of the first 8 primes. */
    *h = (struct cn_sha256){
        .state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
                  0x1f83d9ab, 0x5be0cd19}
    };
}

void cn_sha256_add(struct cn_sha256 *h, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    while (n) {
        size_t held = h->n_bytes % 64, take = 64 - held < n ? 64 - held : n;
        if (take == 64) {
            digest(h->state, p);
        } else {
            memcpy(h->block + held, p, take);
            if (held + take == 64)
                digest(h->state, h->block);
        }
        h->n_bytes += take;
        p += take;
        n -= take;
    }
}

void cn_sha256_end(struct cn_sha256 *h, char hex[CN_SHA256_HEX])
{
    uint64_t bits = 8 * h->n_bytes;
    uint8_t tail[72] = { 0x80 }, *length = tail + (55 - h->n_bytes % 64 + 64) % 64 + 1;
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)(bits >> (56 - 8 * i));
    cn_sha256_add(h, tail, (size_t)(length - tail) + 8);
    for (int i = 0; i < 8; i++)
        snprintf(hex + 8 * i, 9, "%08x", h->state[i]);
}

enum cn_status cn_sha256_file(const char *path, bool (*cancel)(void *user), void *user,
                              char hex[CN_SHA256_HEX], struct cn_error *err)
{
    enum { CHUNK = 1 << 20 };
    FILE *f = fopen(path, "rb");
    CN_RETURN_IF(!f, CN_ERR_IO, err, "%s: %s", path, strerror(errno));
    uint8_t *chunk = malloc(CHUNK);
    enum cn_status status = chunk ? CN_OK : cn_fail(err, CN_ERR_MEMORY, "out of memory");
    struct cn_sha256 h;
    cn_sha256_begin(&h);
    for (size_t n = 1; status == CN_OK && n;) {
        n = fread(chunk, 1, CHUNK, f);
        cn_sha256_add(&h, chunk, n);
        if (ferror(f))
            status = cn_fail(err, CN_ERR_IO, "%s: %s", path, strerror(errno));
        else if (cancel && cancel(user))
            status = cn_fail(err, CN_ERR_CANCELLED, "interrupted");
    }
    fclose(f);
    free(chunk);
    if (status == CN_OK)
        cn_sha256_end(&h, hex);
    return status;
}
