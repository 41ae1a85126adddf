/* SPDX-License-Identifier: MIT
 *
 * carnot kernels --against: this program's kernels and another one's, in turns.
 */
#include "cli/commands/kernels.h"

#include "bench/against/rival_child.h"
#include "bench/target/study_args.h"
#include "cli/cli.h"
#include "cli/commands/against.h"

#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* Of a kernel in a round, of all programs together: short, for the rounds are many. */
static const double KERNEL_S = 0.1;

/* The shorter a turn, the more alike is what else the machine does; every turn refills the caches
 * (some 0.1 ms). */
static const double SLICE_S = 0.002;

/* Older programs have no others than the first four, so these stand in only where they were asked
 * for. */
static size_t keys_of(const struct cn_kernels_arguments *a, const char *keys[CN_DUEL_KEYS])
{
    size_t n = 0;
    keys[n++] = "format";
    keys[n++] = "tier";
    keys[n++] = "job";
    keys[n++] = "threads";
    if (a->shapes) {
        keys[n++] = "rows";
        keys[n++] = "cols";
    }
    if (a->tokens)
        keys[n++] = "tokens";
    if (strcmp(a->caches, "memory") != 0)
        keys[n++] = "cache";
    return n;
}

struct contest {
    const struct cn_kernels_arguments *a;
    const char *metric;
};

/* `ref` is timed by every run, as what the others are a multiple of, and takes part if it was asked
 * for; OpenBLAS is nobody's kernel. */
static enum cn_status read_row(const void *context, const struct cn_dataset *table, size_t row,
                               bool *takes_part, struct cn_duel_reading *reading,
                               struct cn_error *err)
{
    const struct contest *c = context;
    const struct cn_kernels_arguments *a = c->a;
    const char *tier = cn_dataset_at(table, row, "tier")->text;
    const bool ref = tier && strcmp(tier, cn_tier_name(CN_TIER_REF)) == 0;
    *takes_part = ref ? a->tiers && strstr(a->tiers, tier) : !tier || strcmp(tier, "openblas") != 0;
    const char *keys[CN_DUEL_KEYS];
    const size_t n = keys_of(a, keys);
    return cn_against_read(table, row, keys, n, c->metric, reading, err);
}

/* Whether a program's help names an option of carnot kernels. */
static bool knows(const char *program, const char *option)
{
    const char *const argv[] = { program, "kernels", "--help", NULL };
    char *text;
    size_t n;
    struct cn_error err;
    if (cn_rival_child(argv, NULL, NULL, &text, &n, &err) != CN_OK)
        return false;
    const bool found = strstr(text, option) != NULL;
    free(text);
    return found;
}

/* What takes time and is not compared, where the other program can do without. */
struct left_out {
    bool ref, limits;
};

static void arguments(const struct cn_kernels_arguments *a, const char *program,
                      const struct left_out *out, struct cn_study_args *args)
{
    const char *const caches = strcmp(a->caches, "memory") == 0 ? NULL : a->caches;
    const struct {
        const char *option, *value;
    } given[] = {
        {"--format",   a->formats},
        { "--tier",    a->tiers  },
        { "--job",     a->jobs   },
        { "--shape",   a->shapes },
        { "--tokens",  a->tokens },
        { "--threads", a->threads},
        { "--cache",   caches    },
        { "--cores",   a->cores  },
    };
    cn_study_arg(args, "%s", program);
    cn_study_arg(args, "kernels");
    cn_study_arg(args, "--bench");
    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        if (given[i].value) {
            cn_study_arg(args, "%s", given[i].option);
            cn_study_arg(args, "%s", given[i].value);
        }
    if (out->ref)
        cn_study_arg(args, "--no-ref");
    if (out->limits)
        cn_study_arg(args, "--no-limits");
    cn_study_arg(args, "--seconds");
    cn_study_arg(args, "%g", KERNEL_S);
    cn_study_arg(args, "-o");
    cn_study_arg(args, "json");
}

int cn_kernels_against(const struct cn_kernels_arguments *a)
{
    char self[PATH_MAX], version[256];
    struct cn_study_args ours = { .n = 0 }, theirs = { .n = 0 };
    const char *keys[CN_DUEL_KEYS];
    /* A program that knows the option also tells the figure that other load disturbs least. */
    const bool recent = knows(a->against, "--no-ref");
    const struct left_out out = {
        .ref = recent && !(a->tiers && strstr(a->tiers, cn_tier_name(CN_TIER_REF))),
        .limits = knows(a->against, "--no-limits"),
    };
    const struct contest contest = { a, recent ? "weights_per_s_high" : "weights_per_s" };
    arguments(a, cn_against_self(self, sizeof self), &out, &ours);
    arguments(a, a->against, &out, &theirs);
    if (ours.full || theirs.full)
        return cn_usage_error("--against: too many or too long arguments");
    const struct cn_against against = { .metric = contest.metric,
                                        .scale = 1e-9,
                                        .title = "Gweights/s",
                                        .margin = a->margin,
                                        .seconds = a->seconds,
                                        .seed = (uint64_t)a->seed,
                                        .samples = a->samples,
                                        .save = a->save,
                                        .format = a->output };
    const struct cn_rival rivals[] = {
        {"new",  ours.argv,   read_row},
        { "old", theirs.argv, read_row},
    };
    /* Kernels are timed by CPU time, so their programs can be stopped. With one thread both stay on
     * one CPU: two may differ by more than two programs do. */
    const struct cn_rival_turns turns = { SLICE_S, !a->cores && strcmp(a->threads, "1") == 0
                                                       ? sched_getcpu()
                                                       : -1 };
    struct cn_duel_options options = cn_against_options(&against);
    options.turns = &turns;
    options.rivals = rivals;
    options.n_rivals = 2;
    options.keys = keys;
    options.n_keys = keys_of(a, keys);
    options.context = &contest;
    struct cn_error err = { "" };
    struct cn_duel duel;
    cn_against_version(a->against, version, sizeof version);
    if (version[0])
        cn_say("old: %s (%s)\n", a->against, version);
    enum cn_status status = cn_duel_run(&options, &duel, &err);
    cn_progress("against", 1, 1);
    int code = status == CN_OK ? cn_against_print(&against, &duel, 1) : cn_die("%s", err.text);
    cn_duel_free(&duel);
    return code;
}
