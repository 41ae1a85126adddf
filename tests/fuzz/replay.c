/* SPDX-License-Identifier: MIT
 *
 * Runs a fuzz target over the files given as arguments, for compilers without libFuzzer: a corpus
 * and old crashes are then an ordinary regression test. Exits 0 when all have been through, 1 when
 * a file cannot be read or none was given; whatever the target dies of is the finding.
 */
#include "tests/fuzz/fuzz.h"

static int replay(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = NULL;
    long n = -1;
    if (f && fseek(f, 0, SEEK_END) == 0)
        n = ftell(f);
    /* exactly n bytes, so that a sanitizer sees the first one beyond */
    if (n >= 0 && fseek(f, 0, SEEK_SET) == 0)
        data = malloc(n ? (size_t)n : 1);
    if (!data || fread(data, 1, (size_t)n, f) != (size_t)n) {
        fprintf(stderr, "%s: cannot read\n", path);
        free(data);
        if (f)
            fclose(f);
        return 1;
    }
    fclose(f);
    LLVMFuzzerTestOneInput(data, (size_t)n);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    int failed = argc < 2;
    for (int i = 1; i < argc; i++)
        failed |= replay(argv[i]);
    printf("%d files replayed\n", argc - 1);
    return failed;
}
