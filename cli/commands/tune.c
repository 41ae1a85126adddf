/* SPDX-License-Identifier: MIT
 *
 * carnot tune: the way to run a model that is cheapest in time, energy, or their product.
 */
#include "base/table.h"
#include "bench/model/tuning.h"
#include "cli/cli.h"
#include "cli/lists.h"
#include "cli/settings.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct cn_usage usage = {
    "carnot tune [-m FILE] [--for energy|time|edp] [options]",
    "Finds the numbers of threads for prefill and decode, the set of cores, and whether waiting\n"
    "threads had better spin or sleep, and (but for time, and where it may be set) which highest\n"
    "frequency, that minimise joules, seconds, or their product (edp) for\n"
    "-p tokens of prefill and -n of decode together. Every candidate takes its turn in each of\n"
    "several rounds, in random order; the table is the evidence, medians with 95% intervals.\n"
    "Candidates whose intervals overlap that of the chosen one are as good, as far as can be "
    "seen.\n"
    "\n"
    "  carnot tune -m model.gguf --for edp\n",
};

enum { N_FREQUENCIES = 2 };

struct arguments {
    const char *model, *goal, *threads, *tiers, *meter, *root;
    int64_t prefill, decode, rounds;
    double seconds;
    bool force_meter;
    enum cn_table_format format;
};

static bool cancelled(void *user)
{
    (void)user;
    return cn_interrupted();
}

static void progress(void *user, double done, double total)
{
    (void)user;
    cn_progress("tune", done, total);
}

static struct cn_table *columns(enum cn_tune_goal goal, const struct cn_meter_info *meter)
{
    struct cn_table *t = cn_table_create("tune");
    if (!t)
        return NULL;
    const bool joules = meter->ok;
    cn_table_column(t, "test", "test", -1);
    cn_table_column(t, "threads", "threads", -1);
    cn_table_column(t, "wait", "waiting", -1);
    cn_table_column(t, "cores", "cores", -1);
    cn_table_column(t, "core_list", NULL, -1);
    cn_table_column(t, "ms_per_token", "ms/token", 4);
    cn_table_column(t, "ms_lo", "95% from", 4);
    cn_table_column(t, "ms_hi", "to", 4);
    cn_table_column(t, "j_per_token",
                    !joules           ? NULL
                    : meter->modelled ? "J/token modelled"
                                      : "J/token",
                    5);
    cn_table_column(t, "j_lo", joules ? "95% from" : NULL, 5);
    cn_table_column(t, "j_hi", joules ? "to" : NULL, 5);
    cn_table_column(t, "cost", goal == CN_TUNE_EDP ? "mJ s" : NULL, 5);
    cn_table_column(t, "cost_lo", goal == CN_TUNE_EDP ? "95% from" : NULL, 5);
    cn_table_column(t, "cost_hi", goal == CN_TUNE_EDP ? "to" : NULL, 5);
    cn_table_column(t, "verdict", "", -1);
    cn_table_column(t, "goal", NULL, -1);
    cn_table_column(t, "meter", NULL, -1);
    cn_table_column(t, "boundary", NULL, -1);
    cn_table_column(t, "energy_status", NULL, -1);
    return t;
}

/* The chosen one of its test. */
static const struct cn_candidate *chosen(const struct cn_candidate *c, int n, bool decode)
{
    while (n-- > 0)
        if (c[n].chosen && c[n].decode == decode)
            return &c[n];
    return NULL;
}

static void row(struct cn_table *t, const struct cn_candidate *c, const struct cn_candidate *best,
                const struct cn_core_set *set, enum cn_tune_goal goal,
                const struct cn_meter_info *meter)
{
    double unit = goal == CN_TUNE_TIME ? 1e3 : goal == CN_TUNE_EDP ? 1e3 : 1;
    enum cn_energy_status status = !meter->ok         ? CN_ENERGY_UNSUPPORTED
                                   : isnan(c->joules) ? CN_ENERGY_UNRESOLVED
                                   : meter->modelled  ? CN_ENERGY_MODELLED
                                                      : CN_ENERGY_MEASURED;
    const char *name = cn_energy_status_name(status);
    cn_table_row(t);
    cn_table_str(t, "test", c->decode ? "decode" : "prefill");
    cn_table_i64(t, "threads", c->threads);
    cn_table_str(t, "wait", c->threads == 1 ? "-" : c->sleep ? "sleep" : "spin");
    cn_table_str(t, "cores", set->name);
    cn_table_str(t, "core_list", set->list);
    cn_table_f64(t, "ms_per_token", 1e3 * c->seconds);
    cn_table_f64(t, "ms_lo", 1e3 * c->s_lo);
    cn_table_f64(t, "ms_hi", 1e3 * c->s_hi);
    if (isfinite(c->joules))
        cn_table_f64(t, "j_per_token", c->joules);
    else
        cn_table_null(t, "j_per_token", name);
    cn_table_f64(t, "j_lo", c->j_lo);
    cn_table_f64(t, "j_hi", c->j_hi);
    cn_table_f64(t, "cost", unit * c->cost);
    cn_table_f64(t, "cost_lo", unit * c->lo);
    cn_table_f64(t, "cost_hi", unit * c->hi);
    cn_table_str(t, "verdict", c->chosen ? "chosen" : c->lo <= best->hi ? "as good" : "");
    cn_table_str(t, "goal", cn_tune_goal_name(goal));
    cn_table_str(t, "meter", meter->ok ? meter->name : NULL);
    cn_table_str(t, "boundary", meter->ok ? meter->boundary : NULL);
    cn_table_str(t, "energy_status", name);
}

static int report(const struct arguments *a, struct cn_tune *tune, enum cn_tune_goal goal,
                  const struct cn_core_set *sets, const struct cn_profiler *profiler)
{
    const struct cn_meter_info *meter = cn_profiler_channel(profiler, 0);
    const char *why;
    int n;
    const struct cn_candidate *c = cn_tune_choose(tune, profiler, &n, &why);
    if (!c)
        return cn_die("nothing can be chosen for %s: %s", a->goal, why);
    const struct cn_candidate *prefill = chosen(c, n, false), *decode = chosen(c, n, true);
    struct cn_table *t = columns(goal, meter);
    if (!t)
        return cn_die("out of memory");
    for (int test = 0; test < 2; test++)
        for (int i = test; i < n; i += 2)
            row(t, &c[i], test ? decode : prefill, &sets[c[i].set], goal, meter);
    const int code = cn_result_table(t, a->format);
    cn_table_free(t);
    if (code == CN_EXIT_OK && a->format == CN_TABLE_MD) {
        bool sleep = prefill->sleep || decode->sleep;
        printf("\nCheapest in %s for %d tokens of prefill and %d of decode:\n\n    ", a->goal,
               (int)a->prefill, (int)a->decode);
        if (!CPU_EQUAL(&sets[prefill->set].cpus, &sets[0].cpus))
            printf("taskset -c %s ", sets[prefill->set].list);
        printf("carnot run -m %s -t %d --threads-prefill %d%s", a->model, decode->threads,
               prefill->threads, sleep ? " --sleep" : "");
        if (sets[prefill->set].mhz > 0)
            printf(" --frequency %.0f", sets[prefill->set].mhz);
        printf("\n");
        if (meter->ok)
            printf("\nJ/token of the boundary '%s', by %s%s.\n", meter->boundary, meter->name,
                   meter->modelled ? ": modelled, not measured" : "");
    }
    return code;
}

static void lost(void *user, const struct cn_core_set *set)
{
    (void)user;
    cn_warn("the cores %s (%s) are left out: some are unplugged, or outside of the cpuset",
            set->list, set->name);
}

static int tune(const struct arguments *a, const struct cn_model *model, enum cn_tune_goal goal,
                const int *threads, int n_threads, const struct cn_core_set *sets, int n_sets,
                struct cn_profiler *profiler)
{
    struct cn_tune *t = NULL;
    struct cn_error err = { "" };
    struct cn_profiler_error profiler_err;
    struct cn_tune_options o = { .goal = goal,
                                 .n_prefill = (int32_t)a->prefill,
                                 .n_decode = (int32_t)a->decode,
                                 .seconds = a->seconds,
                                 .n_rounds = (int32_t)a->rounds,
                                 .sets = sets,
                                 .n_sets = n_sets,
                                 .root = a->root,
                                 .threads = threads,
                                 .n_threads = n_threads,
                                 .profiler = profiler,
                                 .progress = progress,
                                 .cancel = cancelled,
                                 .lost = lost };
    if (cn_profiler_start(profiler, &profiler_err) != 0)
        return cn_die("%s", profiler_err.text);
    enum cn_status status = cn_tune_run(model, &o, &t, &err);
    cn_progress("tune", 1, 1);
    if (cn_profiler_stop(profiler, &profiler_err) != 0)
        cn_warn("%s", profiler_err.text);
    const char *disturbance = cn_profiler_disturbance(profiler);
    if (disturbance)
        cn_warn("the machine was not quiet: %s", disturbance);
    int code = status == CN_OK ? report(a, t, goal, sets, profiler)
                               : cn_die("%s", err.text[0] ? err.text : cn_status_name(status));
    cn_tune_free(t);
    return code;
}

/* All cores once more below three quarters and half of their highest frequency, where it may be
 * set. Returns how many sets there are. */
static int add_frequencies(const struct arguments *a, struct cn_core_set *sets, int n)
{
    static const double parts[N_FREQUENCIES] = { 0.75, 0.5 };
    const double most = cn_cpu_settings_mhz(a->root);
    for (int i = 0; i < N_FREQUENCIES && most > 0; i++) {
        struct cn_core_set *set = &sets[n];
        const struct cn_cpu_settings limit = { .mhz = floor(most * parts[i] / 100 + 0.5) * 100 };
        struct cn_cpu_hold *hold;
        if (cn_cpu_settings_apply(a->root, &limit, &hold, NULL) != CN_OK ||
            cn_cpu_settings_release(hold, NULL) != CN_OK)
            return n;
        *set = sets[0];
        set->mhz = limit.mhz;
        snprintf(set->name, sizeof set->name, "all at %.0f MHz", set->mhz);
        n++;
    }
    return n;
}

static int execute(const struct arguments *a)
{
    enum cn_tune_goal goal = CN_TUNE_TIME;
    struct cn_core_set sets[CN_CORE_SETS + N_FREQUENCIES];
    int threads[CN_MAX_COUNTS], n_threads = 0, n_sets = cn_core_sets(a->root, sets);
    while (goal < CN_TUNE_N_GOALS && strcmp(a->goal, cn_tune_goal_name(goal)) != 0)
        goal++;
    if (goal == CN_TUNE_N_GOALS)
        return cn_usage_error("--for: energy, time or edp expected, '%s' given", a->goal);
    if (n_sets == 0)
        return cn_die("cannot tell the cores of this process");
    const struct cn_cpu_settings none = { .mhz = 0 };
    struct cn_cpu_hold *hold;
    const int left = cn_settings_begin(a->root, &none, &hold);
    if (left >= 0)
        return left;
    if (goal != CN_TUNE_TIME)
        n_sets = add_frequencies(a, sets, n_sets);
    if (a->threads) {
        int code = cn_parse_counts("--threads", a->threads, sets[0].n, threads, &n_threads);
        if (code >= 0)
            return code;
    } else {
        n_threads = cn_default_counts(sets[0].n, threads);
    }
    int wrong = cn_check_tiers(a->tiers);
    if (wrong >= 0)
        return wrong;
    struct cn_model_options options = { .tiers = a->tiers };
    struct cn_model *model;
    struct cn_error model_err;
    if (cn_model_open(a->model, &options, &model, &model_err) != CN_OK)
        return cn_die("%s", model_err.text);
    struct cn_profiler_options o = { .root = a->root, .meter = a->meter, .force = a->force_meter };
    struct cn_profiler_error err;
    struct cn_profiler *profiler = cn_profiler_create(&o, &err);
    int code;
    if (!profiler) {
        code = cn_meter_refused(err.text);
    } else {
        const struct cn_meter_info *meter = cn_profiler_channel(profiler, 0);
        if (goal != CN_TUNE_TIME && !meter->ok)
            code = cn_die("--for %s: unsupported: %s%s%s; --for time needs no meter", a->goal,
                          meter->reason, meter->remedy[0] ? "; " : "", meter->remedy);
        else
            code = tune(a, model, goal, threads, n_threads, sets, n_sets, profiler);
    }
    cn_profiler_free(profiler);
    cn_model_close(model);
    return code;
}

int cn_cmd_tune(int argc, char **argv)
{
    struct arguments a = { .model = cn_default_model(),
                           .goal = "energy",
                           .root = getenv("CARNOT_ROOT"),
                           .prefill = 128,
                           .decode = 128,
                           .rounds = 5,
                           .seconds = 0.25 };
    /* clang-format off */
    const struct cn_option options[] = {
        { "--model", "-m", CN_OPT_STRING, &a.model, "FILE",
          "GGUF model (the default model)", 0, 0 },
        { "--for", NULL, CN_OPT_STRING, &a.goal, "GOAL", "energy, time or edp (energy)", 0, 0 },
        { "--prefill", "-p", CN_OPT_INT, &a.prefill, "N", "tokens of prefill (128)", 1, 65536 },
        { "--decode", "-n", CN_OPT_INT, &a.decode, "N", "tokens to decode (128)", 1, 65536 },
        { "--threads", "-t", CN_OPT_STRING, &a.threads, "LIST",
          "numbers of threads to try (1, 2, 4 and so on to all cores)", 0, 0 },
        { "--rounds", "-r", CN_OPT_INT, &a.rounds, "N", "turns of each candidate (5)", 2, 256 },
        { "--seconds", NULL, CN_OPT_FLOAT, &a.seconds, "S",
          "of a turn's prefill, and of its decode, at least (0.25)", 0.001, 600 },
        { "--tiers", NULL, CN_OPT_STRING, &a.tiers, "LIST", "kernels to use, like ref,avx2", 0, 0 },
        { "--meter", NULL, CN_OPT_STRING, &a.meter, "NAME", "energy meter (the best)", 0, 0 },
        { "--root", NULL, CN_OPT_STRING, &a.root, "DIR",
          "where the files of meters and cores are (/)", 0, 0 },
        { "--force-meter", NULL, CN_OPT_FLAG, &a.force_meter, NULL,
          "take a battery that charges; while it does, joules are unresolved", 0, 0 },
        { "--output", "-o", CN_OPT_TABLE, &a.format, "FORMAT",
          "md, csv, json, jsonl or sql (md)", 0, 0 },
    };
    /* clang-format on */
    int code =
        cn_options_parse(argc, argv, &usage, options, sizeof options / sizeof *options, NULL, 0, 0);
    return code >= 0 ? code : execute(&a);
}
