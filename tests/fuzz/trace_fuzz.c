/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a trace, and what follows a NUL in them as its samples: attribution as a whole.
 */
#include <string.h>

#include "profiler/profiler.h"
#include "tests/fuzz/fuzz.h"

static const char samples[] = "t_ms,power_mw\n0,1000\n10,1200\n20,900\n1000,1000\n5000,1500\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const uint8_t *nul = n ? memchr(data, 0, n) : NULL, *second = (const uint8_t *)samples;
    size_t n_trace = nul ? (size_t)(nul - data) : n, n_second = sizeof samples - 1;
    char trace_path[32], samples_path[32];
    struct cn_profiler_error err = { "" };
    if (nul) {
        second = nul + 1;
        n_second = n - n_trace - 1;
    }
    int a = fuzz_file(data, n_trace, trace_path), b = fuzz_file(second, n_second, samples_path);
    struct cn_profiler *p = cn_attribute_files(trace_path, samples_path, NULL, &err);
    if (p) {
        struct cn_energy e;
        struct cn_baseline baseline;
        for (size_t i = 0; i < cn_profiler_n_phases(p); i++)
            cn_profiler_phase(p, 0, i, &e);
        cn_profiler_total(p, 0, NULL, 0, SIZE_MAX, &e);
        cn_profiler_total(p, 0, "decode", 0, SIZE_MAX, &e);
        cn_profiler_baseline(p, 0, &baseline);
        cn_profiler_free(p);
    } else {
        expect(err.text[0] && !strchr(err.text, '\n'));
    }
    close(b);
    close(a);
    return 0;
}
