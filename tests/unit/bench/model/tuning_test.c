/* SPDX-License-Identifier: MIT */
#include "bench/model/tuning.h"

#include "tests/arch_fixture.h"

#include <math.h>

static int n_lost;

static struct cn_profiler *start(const char *meter)
{
    struct cn_profiler_options o = { .meter = meter };
    struct cn_profiler_error err = { "" };
    struct cn_profiler *p = cn_profiler_create(&o, &err);
    if (!p || cn_profiler_start(p, &err) != 0)
        fail_msg("%s", err.text);
    return p;
}

static void count_lost(void *user, const struct cn_core_set *set)
{
    (void)user;
    assert_true(CPU_ISSET(CPU_SETSIZE - 1, &set->cpus));
    n_lost++;
}

static double cost(enum cn_tune_goal goal, const struct cn_candidate *p,
                   const struct cn_candidate *d)
{
    double seconds = 16 * p->seconds + 32 * d->seconds, joules = 16 * p->joules + 32 * d->joules;
    return goal == CN_TUNE_TIME ? seconds : goal == CN_TUNE_ENERGY ? joules : seconds * joules;
}

/* Every candidate is there with its evidence, and no pair that can run together is cheaper than
 * the chosen one. */
static void choose(enum cn_tune_goal goal, const char *meter, bool joules)
{
    struct cn_profiler *profiler = start(meter);
    struct cn_model *model = fixture_open("models/prose-8m-f16.gguf", NULL);
    struct cn_core_set sets[4] = { 0 };
    cpu_set_t before, after;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    sets[0].cpus = before;
    sets[0].n = 2;
    for (int cpu = 0; CPU_COUNT(&sets[1].cpus) == 0; cpu++)
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &sets[1].cpus);
    sets[1].n = 1;
    /* A core that is not there, alone and among others: both sets are left out. */
    CPU_SET(CPU_SETSIZE - 1, &sets[2].cpus);
    sets[3].cpus = before;
    CPU_SET(CPU_SETSIZE - 1, &sets[3].cpus);
    sets[2].n = 1;
    sets[3].n = 2;
    n_lost = 0;
    const int threads[] = { 1, 2 };
    struct cn_tune_options o = { .goal = goal,
                                 .n_prefill = 16,
                                 .n_decode = 32,
                                 .seconds = 0.015,
                                 .n_rounds = 3,
                                 .sets = sets,
                                 .n_sets = 4,
                                 .lost = count_lost,
                                 .threads = threads,
                                 .n_threads = 2,
                                 .profiler = profiler };
    struct cn_tune *tune;
    struct cn_error err;
    if (cn_tune_run(model, &o, &tune, &err) != CN_OK)
        fail_msg("%s", err.text);
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
    cn_profiler_stop(profiler, NULL);
    int n, chosen[2] = { -1, -1 }, n_chosen = 0;
    const char *why;
    const struct cn_candidate *c = cn_tune_choose(tune, profiler, &n, &why);
    assert_int_equal(n_lost, 2);
    /* One thread; two that spin or sleep; on the one core a single one. Of each two tests. */
    assert_int_equal(n, 2 * (3 + 1));
    if (goal != CN_TUNE_TIME && !joules) {
        assert_null(c);
        assert_non_null(why);
    } else {
        assert_non_null(c);
        for (int i = 0; i < n; i++) {
            assert_true(c[i].s_lo <= c[i].seconds && c[i].seconds <= c[i].s_hi && c[i].s_lo > 0);
            assert_true(joules ? c[i].joules > 0 : isnan(c[i].joules));
            assert_true(c[i].lo <= c[i].cost && c[i].cost <= c[i].hi);
            if (c[i].chosen) {
                chosen[c[i].decode] = i;
                n_chosen++;
            }
        }
        assert_int_equal(n_chosen, 2);
        assert_true(chosen[0] >= 0 && chosen[1] >= 0);
        double best = cost(goal, &c[chosen[0]], &c[chosen[1]]);
        assert_int_equal(c[chosen[0]].set, c[chosen[1]].set);
        for (int p = 0; p < n; p++)
            for (int d = 0; d < n; d++)
                if (!c[p].decode && c[d].decode && c[p].set == c[d].set &&
                    (c[p].sleep == c[d].sleep || c[p].threads == 1 || c[d].threads == 1))
                    assert_true(cost(goal, &c[p], &c[d]) >= best);
    }
    cn_tune_free(tune);
    cn_model_close(model);
    cn_profiler_free(profiler);
}

static void test_goals(void **state)
{
    (void)state;
    choose(CN_TUNE_TIME, "none", false);
    choose(CN_TUNE_ENERGY, "none", false);
    choose(CN_TUNE_ENERGY, "model:2,20", true);
    choose(CN_TUNE_EDP, "model:2,20", true);
    assert_string_equal(cn_tune_goal_name(CN_TUNE_EDP), "edp");
    assert_null(cn_tune_goal_name(CN_TUNE_N_GOALS));
}

/* Cores of which none is there. */
static void test_no_cores(void **state)
{
    (void)state;
    struct cn_profiler *profiler = start("none");
    struct cn_model *model = fixture_open("models/prose-8m-f16.gguf", NULL);
    struct cn_core_set set = { .name = "all", .list = "1023", .n = 1 };
    cpu_set_t before, after;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_SET(CPU_SETSIZE - 1, &set.cpus);
    const int threads[] = { 1 };
    struct cn_tune_options o = { .n_prefill = 4,
                                 .n_decode = 4,
                                 .seconds = 0.001,
                                 .n_rounds = 2,
                                 .sets = &set,
                                 .n_sets = 1,
                                 .threads = threads,
                                 .n_threads = 1,
                                 .profiler = profiler };
    struct cn_tune *tune;
    struct cn_error err = { "" };
    assert_int_equal(cn_tune_run(model, &o, &tune, &err), CN_ERR_IO);
    assert_non_null(strstr(err.text, "found none of 1023"));
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
    cn_profiler_stop(profiler, NULL);
    cn_profiler_free(profiler);
    cn_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_goals),
                                        cmocka_unit_test(test_no_cores) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
