/* SPDX-License-Identifier: MIT
 *
 * Any bytes as samples of a meter, joined with a trace.
 */
#include <string.h>

#include "profiler/samples/samples.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const struct cn_clock clock = { .realtime_offset_ns = INT64_C(1700000000000000000),
                                    .boottime_offset_ns = 5 };
    struct cn_samples s;
    struct cn_profiler_error err = { "" };
    char path[32];
    int fd = fuzz_file(data, n, path);
    if (cn_samples_load(path, NULL, &s, &err) == 0) {
        expect(s.first_ns <= s.last_ns);
        if (cn_samples_join(&s, &clock, 0, INT64_C(10000000000), 1000000))
            cn_series_settle(&s.series);
        cn_samples_free(&s);
    } else {
        expect(strstr(err.text, path) != NULL && !strchr(err.text, '\n'));
    }
    close(fd);
    return 0;
}
