/* SPDX-License-Identifier: MIT
 *
 * Makes the vectors of a format: make_vectors ID DIR writes DIR/ID.blocks.bin (rows, back to back)
 * and DIR/ID.f32.bin (what the reference decodes them to), and prints the format's row of
 * manifest.csv. They prove nothing by themselves: another decoder has to agree with them once, and
 * from then on they hold the format to the bit.
 */
#include "base/rng.h"
#include "base/sha256.h"
#include "bench/kernel/kernel_data.h"
#include "engine/tools.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLS = 1024, ROWS_OF_A_PATTERN = 8 };

/* One row of the pattern whose values are all finite, and the values. */
static void make_row(const struct cn_format *f, const struct cn_blocks *blocks,
                     enum cn_pattern pattern, struct cn_rng *rng, uint8_t *row, float *x)
{
    do {
        const float scale = 0.001f * (float)(1 + cn_rng_below(rng, 1000));
        const uint16_t half = cn_f32_to_f16(scale);
        if (f->header_bytes == sizeof half)
            memcpy(row, &half, sizeof half);
        else if (f->header_bytes == sizeof scale)
            memcpy(row, &scale, sizeof scale);
        cn_blocks_fill(blocks, pattern, rng, COLS / f->block_elems, row + f->header_bytes);
        f->ref->dequantize(COLS, row, x);
    } while (!cn_all_finite(x, COLS));
}

static FILE *create(const char *dir, const char *id, const char *what)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.%s.bin", dir, id, what);
    FILE *f = fopen(path, "wb");
    if (!f) {
        perror(path);
        exit(1);
    }
    return f;
}

/* Writes and hashes. */
static void put(FILE *f, struct cn_sha256 *hash, const void *bytes, size_t n)
{
    cn_sha256_add(hash, bytes, n);
    if (fwrite(bytes, 1, n, f) != n) {
        perror("make_vectors");
        exit(1);
    }
}

int main(int argc, char **argv)
{
    static const enum cn_pattern patterns[] = { CN_PATTERN_ZEROS,    CN_PATTERN_RANDOM,
                                                CN_PATTERN_EXTREME,  CN_PATTERN_NEG_ZERO,
                                                CN_PATTERN_DENORMAL, CN_PATTERN_NOISE };
    enum { N_PATTERNS = sizeof patterns / sizeof *patterns };
    const struct cn_format *f = argc == 3 ? cn_format_by_name(argv[1]) : NULL;
    if (!f) {
        fprintf(stderr, "usage: make_vectors ID DIR; ID is a row of quant/formats.def\n");
        return 2;
    }
    struct cn_blocks *blocks = cn_blocks_create(f, 1);
    uint8_t *row = malloc(cn_row_bytes(f, COLS));
    float x[COLS];
    if (!blocks || !row) {
        fprintf(stderr, "make_vectors: out of memory\n");
        return 1;
    }
    FILE *to_blocks = create(argv[2], f->name, "blocks"), *to_f32 = create(argv[2], f->name, "f32");
    struct cn_sha256 hash_blocks, hash_f32;
    cn_sha256_begin(&hash_blocks);
    cn_sha256_begin(&hash_f32);
    struct cn_rng rng = { 2 };
    for (int i = 0; i < N_PATTERNS * ROWS_OF_A_PATTERN; i++) {
        make_row(f, blocks, patterns[i / ROWS_OF_A_PATTERN], &rng, row, x);
        put(to_blocks, &hash_blocks, row, cn_row_bytes(f, COLS));
        put(to_f32, &hash_f32, x, sizeof x);
    }
    if (fclose(to_blocks) != 0 || fclose(to_f32) != 0) {
        perror("make_vectors");
        return 1;
    }
    char a[CN_SHA256_HEX], b[CN_SHA256_HEX];
    cn_sha256_end(&hash_blocks, a);
    cn_sha256_end(&hash_f32, b);
    const int64_t n = (int64_t)N_PATTERNS * ROWS_OF_A_PATTERN * COLS;
    printf("%s,%" PRIu32 ",%" PRId64 ",%" PRId64 ",%s,%s\n", f->name, f->gguf_type,
           n / f->block_elems, n, a, b);
    free(row);
    cn_blocks_free(blocks);
    return 0;
}
