/* SPDX-License-Identifier: MIT
 *
 * Every kernel of this machine, through the product's own dispatch: the tiers are raised one by one
 * and what changes is checked. Needs libc alone, so that it also runs on a phone.
 *
 * Exit: 0 all passed, 1 failures, 2 usage, 77 nothing ran.
 */
#include "bench/kernel/kernel_check.h"
#include "tests/kernels/broken.h"

#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { EXIT_USAGE = 2, EXIT_SKIPPED = 77 };

struct options {
    const char *function, *format;
    uint32_t tiers;
    uint64_t seed;
    long repeat;
    bool test, bench, list, self_test, verbose;
};

struct totals {
    long n_run, n_failed;
    long long n_cases;
};

static const char help[] =
    "Usage: kernels [options]\n"
    "\n"
    "Checks the kernels of every format and tier that this machine has.\n"
    "\n"
    "  --test               check (the default)\n"
    "  --bench              time the kernels that --function and --format leave\n"
    "  --self-test          only show that kernels with faults are found out\n"
    "  --function WILDCARD  only these, as in 'q4_k_gemv_*' or 'vec_exp*'\n"
    "  --format WILDCARD    only these formats\n"
    "  --tiers LIST         only these tiers, as in ref,avx2\n"
    "  --seed S             of the inputs (default: the time)\n"
    "  --repeat N           with N seeds, one after the other (default 1)\n"
    "  --list               print the names of what would be checked\n"
    "  --verbose            a line for every kernel, not only for those that fail\n"
    "  --help\n";

static bool parse_number(const char *text, unsigned long long *value)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 0);
    return *text && *text != '-' && !*end && !errno;
}

/* Returns -1 to go on, else the exit code. */
static int parse(int argc, char **argv, struct options *o)
{
    static const struct option names[] = {
        {"test",       no_argument,       NULL, 't'},
        { "bench",     no_argument,       NULL, 'b'},
        { "self-test", no_argument,       NULL, 'x'},
        { "function",  required_argument, NULL, 'f'},
        { "format",    required_argument, NULL, 'F'},
        { "tiers",     required_argument, NULL, 'T'},
        { "seed",      required_argument, NULL, 's'},
        { "repeat",    required_argument, NULL, 'r'},
        { "list",      no_argument,       NULL, 'l'},
        { "verbose",   no_argument,       NULL, 'v'},
        { "help",      no_argument,       NULL, 'h'},
        { NULL,        0,                 NULL, 0  },
    };
    const char *tiers = getenv("CARNOT_TIERS"), *bad;
    size_t bad_len;
    unsigned long long n;
    int c;
    *o = (struct options){ .tiers = cn_tiers_detect(), .seed = (uint64_t)time(NULL), .repeat = 1 };
    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (c) {
        case 't':
            o->test = true;
            break;
        case 'b':
            o->bench = true;
            break;
        case 'x':
            o->self_test = true;
            break;
        case 'f':
            o->function = optarg;
            break;
        case 'F':
            o->format = optarg;
            break;
        case 'T':
            tiers = optarg;
            break;
        case 's':
        case 'r':
            if (!parse_number(optarg, &n) || (c == 'r' && (n == 0 || n > 1000000))) {
                fprintf(stderr, "kernels: expected a number, found '%s'\n", optarg);
                return EXIT_USAGE;
            }
            if (c == 's')
                o->seed = n;
            else
                o->repeat = (long)n;
            break;
        case 'l':
            o->list = true;
            break;
        case 'v':
            o->verbose = true;
            break;
        case 'h':
            fputs(help, stdout);
            return EXIT_SUCCESS;
        default:
            return EXIT_USAGE;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "kernels: takes no arguments, '%s' given\n", argv[optind]);
        return EXIT_USAGE;
    }
    uint32_t asked;
    if (tiers && *tiers) {
        if (!cn_tiers_parse(tiers, &asked, &bad, &bad_len)) {
            fprintf(stderr, "kernels: unknown tier '%.*s'\n", (int)bad_len, bad);
            return EXIT_USAGE;
        }
        o->tiers &= asked;
    }
    if (!o->bench && !o->self_test)
        o->test = true;
    return -1;
}

static bool wanted(const struct options *o, const char *name)
{
    return !o->function || fnmatch(o->function, name, 0) == 0;
}

static void report(const struct options *o, const char *name, const struct cn_check *check,
                   struct totals *totals)
{
    totals->n_run++;
    totals->n_cases += check->n_cases;
    totals->n_failed += check->n_failed > 0;
    if (check->n_failed)
        printf("FAIL  %-26s %6lld cases, %lld failed; %s\n", name, (long long)check->n_cases,
               (long long)check->n_failed, check->what);
    else if (o->verbose && check->bound > 0)
        printf("ok    %-26s %6lld cases, error at most %.3f of the bound\n", name,
               (long long)check->n_cases, check->max_error / check->bound);
    else if (o->verbose)
        printf("ok    %-26s %6lld cases, same bits\n", name, (long long)check->n_cases);
    fflush(stdout);
}

static void test_format(const struct options *o, struct cn_checker *c,
                        const struct cn_format *format, struct totals *totals)
{
    struct cn_kernel_set sets[CN_N_TIERS];
    int n = cn_kernel_sets(format, o->tiers, sets);
    for (int s = 0; s < n; s++)
        for (int job = 0; job < CN_N_JOBS; job++) {
            struct cn_check check;
            char name[80];
            snprintf(name, sizeof name, "%s_%s_%s", format->name, cn_job_name((enum cn_job)job),
                     cn_tier_name(sets[s].tier));
            if (!sets[s].own[job] || !wanted(o, name))
                continue;
            if (o->list) {
                puts(name);
                totals->n_run++;
                continue;
            }
            cn_check_kernels(c, format, &sets[s].kernels, &sets[s].ops, (enum cn_job)job, &check);
            report(o, name, &check, totals);
        }
}

static void test_vec(const struct options *o, struct cn_checker *c, struct totals *totals)
{
    typedef void slot_fn(void);
    slot_fn *before[CN_N_VEC_SLOTS] = { NULL };
    for (int tier = 0; tier < CN_N_TIERS; tier++) {
        if (tier != CN_TIER_REF && !(o->tiers >> tier & 1))
            continue;
        const struct cn_vec vec = cn_ops_for(o->tiers & ((2u << tier) - 1)).vec;
        for (int slot = 0; slot < CN_N_VEC_SLOTS; slot++) {
            struct cn_check check;
            char name[80];
            slot_fn *fn = ((slot_fn *const *)&vec)[slot];
            snprintf(name, sizeof name, "vec_%s_%s", cn_vec_slot_name(slot),
                     cn_tier_name((enum cn_tier)tier));
            bool is_new = fn != before[slot];
            before[slot] = fn;
            if (!is_new || !wanted(o, name))
                continue;
            if (o->list) {
                puts(name);
                totals->n_run++;
                continue;
            }
            cn_check_vec(c, &vec, slot, &check);
            report(o, name, &check, totals);
        }
    }
}

/* Returns false if out of memory. */
static bool test(const struct options *o, uint64_t seed, struct totals *totals)
{
    struct cn_checker *c = cn_checker_create(seed);
    if (!c)
        return false;
    for (int type = 0; type < CN_N_TYPES; type++)
        if (!o->format || fnmatch(o->format, cn_formats[type].name, 0) == 0)
            test_format(o, c, &cn_formats[type], totals);
    if (!o->format)
        test_vec(o, c, totals);
    cn_checker_free(c);
    return true;
}

int main(int argc, char **argv)
{
    struct options o;
    struct totals totals = { 0 };
    char text[64];
    int code = parse(argc, argv, &o);
    if (code >= 0)
        return code;
    if (!o.list)
        printf("kernels: tiers %s, seed %llu\n",
               cn_tiers_format(o.tiers | 1u << CN_TIER_REF, text, sizeof text),
               (unsigned long long)o.seed);
    for (long i = 0; (o.test || o.list) && i < (o.list ? 1 : o.repeat); i++)
        if (!test(&o, o.seed + (uint64_t)i, &totals)) {
            fprintf(stderr, "kernels: out of memory\n");
            return EXIT_FAILURE;
        }
    if (o.self_test || (o.test && !o.list && !o.function && !o.format)) {
        int n_wrong = cn_broken_check(o.tiers, o.seed, o.verbose || o.self_test);
        totals.n_run++;
        totals.n_failed += n_wrong != 0;
        if (n_wrong)
            printf("FAIL  self-test: %d faults judged wrongly\n", n_wrong);
    }
    if (totals.n_run && !o.list)
        printf("kernels: %ld checked with %lld cases, %ld failed\n", totals.n_run, totals.n_cases,
               totals.n_failed);
    if (totals.n_run == 0) {
        fprintf(stderr, "kernels: nothing fits --function and --format: nothing was checked\n");
        return EXIT_SKIPPED;
    }
    return totals.n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
