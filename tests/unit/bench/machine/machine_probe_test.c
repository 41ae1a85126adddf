/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "bench/machine/machine_probe.h"
#include "bench/machine/probe.h"
#include "quant/peak.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

struct counted {
    atomic_int calls[4];
};

static double count_step(void *context, int thread)
{
    struct counted *c = context;
    double start = cn_seconds();
    atomic_fetch_add(&c->calls[thread], 1);
    while (cn_seconds() - start < 20e-6)
        ;
    return 20e-6; /* seconds: the rate is how many threads ran */
}

static void test_rate(void **state)
{
    (void)state;
    for (int n = 1; n <= 3; n++) {
        struct counted c;
        struct cn_pool *pool = cn_pool_create(n, false);
        assert_non_null(pool);
        for (int i = 0; i < 4; i++)
            atomic_init(&c.calls[i], 0);
        struct cn_rate r = cn_rate_measure(pool, n, count_step, &c, 5e-3);
        /* Every thread had a part, and no rate is above what the clock allows. */
        for (int i = 0; i < 4; i++)
            assert_true((atomic_load(&c.calls[i]) > 0) == (i < n));
        assert_true(r.wall > 0 && r.wall <= n * 1.001);
        if (!(r.busy > 0 && r.busy < 1.01))
            fail_msg("%g busy on %d threads", r.busy, n);
        cn_pool_free(pool);
    }
}

static void test_big_memory(void **state)
{
    (void)state;
    uint8_t *p = cn_big_alloc(3000000);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % (2 << 20), 0);
    for (size_t i = 0; i < 3000000; i += 4096) {
        assert_int_equal(p[i], 0);
        p[i] = 1;
    }
    cn_big_free(p, 3000000);
    cn_big_free(NULL, 1);
    assert_null(cn_big_alloc(SIZE_MAX));
}

/* Every bit of what is read reaches the result, whatever the pattern: nothing is skipped. */
/* Whether a file comes in huge pages is up to its file system: what is told must make sense. */
static void test_huge_page_share(void **state)
{
    (void)state;
    const size_t n = (size_t)1 << 29, touched = 4 << 20;
    assert_true(isnan(cn_huge_page_share(n)));
    FILE *f = tmpfile();
    assert_non_null(f);
    assert_int_equal(ftruncate(fileno(f), (off_t)n), 0);
    const uint8_t *p = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fileno(f), 0);
    assert_true(p != MAP_FAILED);
    unsigned sum = 0;
    for (size_t i = 0; i < touched; i += 4096)
        sum += p[i];
    assert_int_equal(sum, 0);
    const double share = cn_huge_page_share(n);
    print_message("%g of a file's pages are huge\n", share);
    assert_true(isnan(share) || (share >= 0 && share <= 1));
    assert_true(isnan(cn_huge_page_share(n + 1)));
    munmap((void *)(uintptr_t)p, n);
    assert_true(isnan(cn_huge_page_share(n)));
    fclose(f);
}

static void test_reads_everything(void **state)
{
    (void)state;
    enum { N = 4096 };
    uint8_t *p = aligned_alloc(64, N);
    assert_non_null(p);
    memset(p, 0, N);
    for (int tier = 0; tier < CN_N_TIERS; tier++) {
        const struct cn_peak *peak = cn_peak_for((enum cn_tier)tier);
        if (!peak || !peak->read || !(cn_tiers_detect() >> tier & 1))
            continue;
        for (int streams = 1; streams <= 4; streams *= 2)
            for (size_t ahead = 0; ahead <= 1024; ahead += 1024) {
                assert_true(peak->read(p, N, streams, ahead) == 0);
                for (int i = 0; i < N; i++) {
                    p[i] = 16;
                    if (peak->read(p, N, streams, ahead) == 0)
                        fail_msg("%s, %d streams: byte %d was not read",
                                 cn_tier_name((enum cn_tier)tier), streams, i);
                    p[i] = 0;
                }
            }
    }
    free(p);
}

static void test_operations(void **state)
{
    (void)state;
    for (int tier = 0; tier < CN_N_TIERS; tier++) {
        const struct cn_peak *peak = cn_peak_for((enum cn_tier)tier);
        if (!peak || !(cn_tiers_detect() >> tier & 1))
            continue;
        assert_true(peak->int8(0) == 0);
        assert_true(peak->int8(10) > 0 && peak->int8(20) == 2 * peak->int8(10));
        if (peak->f32)
            assert_true(peak->f32(10) > 0 && peak->f32(20) == 2 * peak->f32(10));
    }
    assert_null(cn_peak_for(CN_N_TIERS));
}

static void test_measure(void **state)
{
    (void)state;
    struct cn_machine_rates ref, all;
    struct cn_machine_info info;
    const uint32_t tiers = cn_tiers_detect();
    cn_machine_describe(&info);
    assert_true(info.n_usable >= 1 && info.memory_bytes > 0);
    struct cn_machine_probe *p = cn_machine_probe_create(8 << 20, 1);
    assert_non_null(p);
    cn_machine_probe_run(p, tiers, CN_TIER_REF, 1, 0.02, &ref);
    cn_machine_probe_free(p);
    assert_true(ref.read_gbps > 0 && ref.int8_gops > 0 && ref.f32_gflops > 0);
    assert_non_null(strstr(ref.read_how, "stream"));
    assert_true(cn_machine_measure(tiers, 1, &all));
    assert_true(all.read_gbps > 0 && all.f32_gflops > 0);
    assert_true(isnan(all.int8_gops) || all.int8_gops > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_big_memory),
        cmocka_unit_test(test_huge_page_share),
        cmocka_unit_test(test_reads_everything),
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_measure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
