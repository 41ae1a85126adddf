/* SPDX-License-Identifier: MIT
 *
 * Commands that print samples, from their start to what the phases of a run cost by them.
 */
#include "profiler/meters/meter.h"
#include "profiler/profiler.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { MS = 1000000 };

static void sleep_ms(int ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000L };
    nanosleep(&t, NULL);
}

static struct cn_profiler *start(const char *meter)
{
    struct cn_profiler_options o = { .meter = meter };
    struct cn_profiler_error err = { "" };
    struct cn_profiler *p = cn_profiler_create(&o, &err);
    if (!p || cn_profiler_start(p, &err) != 0)
        fail_msg("%s", err.text);
    return p;
}

static struct cn_energy phase(struct cn_profiler *p, int ms)
{
    struct cn_energy e;
    cn_profiler_phase_begin(p, "prefill", 0);
    sleep_ms(ms);
    cn_profiler_phase_end(p);
    assert_int_equal(cn_profiler_stop(p, NULL), 0);
    cn_profiler_phase(p, 0, 0, &e);
    return e;
}

/* On a busy machine a phase may hold too few readings, or a stretch in which nothing ran. Tries
 * again with longer ones before it believes that. */
#define EVENTUALLY(attempt)                                    \
    do {                                                       \
        int ms = 300;                                          \
        while (!(attempt)) {                                   \
            if (ms > 5000)                                     \
                fail_msg("%s, also in %d ms", #attempt, ms);   \
            print_message("%s: not in %d ms\n", #attempt, ms); \
            ms *= 2;                                           \
        }                                                      \
    } while (0)

/* Watts of a phase while the command runs; NaN if it is not resolved. */
static double watts(const char *meter, int ms)
{
    struct cn_profiler *p = start(meter);
    struct cn_energy e = phase(p, ms);
    if (e.status != CN_ENERGY_MEASURED)
        print_message("%s: %s\n", meter, e.reason);
    else
        assert_true(e.updates >= CN_MIN_UPDATES);
    const char *note = cn_profiler_note(p);
    if (note)
        print_message("%s: %s\n", meter, note);
    cn_profiler_free(p);
    return e.joules / (1e-9 * (double)e.busy_ns);
}

static void test_power_in_all_units(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        double watts;
    } forms[] = {
        {"12.500$i",                  12.5},
        { "12.500$i W",               12.5},
        { "  12500.${i}"
          "mW",              12.5},
        { "0.0125000$i kW",           12.5},
        { "$(date +%s.%N),3.00$i",    3   },
        { "$(date +%s%3N) 3.00${i}W", 3   },
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char meter[160];
        /* The last digit moves: one value all through is no measurement. */
        snprintf(meter, sizeof meter,
                 "exec:i=0; while :; do i=$((1 - i)); echo \"%s\"; sleep 0.01; done",
                 forms[i].line);
        EVENTUALLY(fabs(watts(meter, ms) - forms[i].watts) < 1e-2);
    }
}

/* A counter of 20 mJ each 20 ms or so: about 1 W, however long its sleeps really are. */
static void test_energy(void **state)
{
    (void)state;
    static const char meter[] =
        "exec:n=0; while :; do n=$((n + 20000)); echo \"$n uJ\"; sleep 0.02; done";
    EVENTUALLY(fabs(watts(meter, ms) - 0.65) < 0.55);
}

/* Whether 5 W were measured, with a note that holds `why`. */
static bool five_watts(const char *meter, int ms, const char *why)
{
    struct cn_profiler *p = start(meter);
    struct cn_energy e = phase(p, ms);
    const char *note = cn_profiler_note(p);
    bool told = note && strstr(note, why);
    cn_profiler_free(p);
    return told && e.status == CN_ENERGY_MEASURED &&
           fabs(e.joules - 5e-9 * (double)e.busy_ns) < 1e-4;
}

static void test_other_lines_are_counted(void **state)
{
    (void)state;
    static const char meter[] = "exec:i=0; echo time,power; echo '# watts'; while :; do i=$((1 - "
                                "i)); echo 5.0000$i W; echo 7 "
                                "J; sleep 0.01; done";
    EVENTUALLY(five_watts(meter, ms, "no readings like the first, such as \"time,power\""));
}

static void refused(const char *meter, const char *why)
{
    struct cn_profiler *p = start(meter);
    const struct cn_meter_info *info = cn_profiler_channel(p, 0);
    assert_false(info->ok);
    if (!strstr(info->reason, why))
        fail_msg("expected \"%s\", found \"%s\"", why, info->reason);
    assert_true(info->remedy[0] != 0);
    struct cn_energy e = phase(p, 1);
    assert_int_equal(e.status, CN_ENERGY_UNSUPPORTED);
    assert_true(isnan(e.joules));
    cn_profiler_free(p);
}

static void test_commands_that_give_nothing(void **state)
{
    (void)state;
    refused("exec", "no command was named");
    refused("exec:exit 3", "ended (exit 3) without a reading");
    refused("exec:echo permission denied; exit 1", "it said \"permission denied\"");
    refused("exec:echo -4 W", "it said \"-4 W\"");
    refused("exec:echo 4 W 5", "it said \"4 W 5\"");
    refused("exec:echo 4 hp", "it said \"4 hp\"");
    refused("exec:echo nan", "it said \"nan\"");
    refused("exec:echo 1 2 3", "it said \"1 2 3\"");
    refused("exec:head -c 5000 /dev/zero | tr '\\0' 'x'", "it said \"xxxx");
}

/* It ends in the middle: what was before is known, what is after is not. */
static bool ends_in_mid_run(int ms)
{
    char meter[160];
    snprintf(meter, sizeof meter,
             "exec:i=0; while [ $i -lt %d ]; do i=$((i + 1)); echo 5.0000$((i %% 2)); sleep 0.02; "
             "done; exit 7",
             ms / 10);
    struct cn_profiler *p = start(meter);
    struct cn_energy before, after;
    cn_profiler_phase_begin(p, "prefill", 0);
    sleep_ms(ms);
    cn_profiler_phase_end(p);
    sleep_ms(4 * ms);
    phase(p, 300);
    cn_profiler_phase(p, 0, 0, &before);
    cn_profiler_phase(p, 0, 1, &after);
    const char *note = cn_profiler_note(p);
    bool ended = note && strstr(note, "the command ended (exit 7) after");
    cn_profiler_free(p);
    return before.status == CN_ENERGY_MEASURED && after.status == CN_ENERGY_UNRESOLVED && ended;
}

static void test_command_ends_in_mid_run(void **state)
{
    (void)state;
    EVENTUALLY(ends_in_mid_run(ms));
}

static void test_times_of_no_clock(void **state)
{
    (void)state;
    static const char meter[] = "exec:t=900000000; while :; do t=$((t + 1)); echo \"$t 5.0000$((t "
                                "% 2)) W\"; sleep 0.01; done";
    EVENTUALLY(five_watts(meter, ms, "no clock of this machine"));
}

/* Commas end a name only where the name of a meter follows. */
static void test_commas(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        size_t length;
    } lists[] = {
        {"powercap",               8 },
        { "powercap:dram,battery", 13},
        { "model:4,18",            10},
        { "model:4,18,battery",    10},
        { "model:4,18,none",       10},
        { "exec:a,b c,d,file:x,y", 12},
        { "file:a,powercap:b",     6 },
        { "file:a,powercapped",    18},
        { "battery,18",            7 },
        { "nonsense,file:x",       8 },
    };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        assert_int_equal(cn_meters_name_length(lists[i].list), lists[i].length);
    struct cn_profiler *p =
        start("exec:i=0; while :; do i=$((1 - i)); echo 3.0000$i,; sleep 0.01; done,model:4,18");
    assert_int_equal(cn_profiler_n_channels(p), 2);
    assert_string_equal(cn_profiler_channel(p, 1)->name, "model:4,18");
    cn_profiler_free(p);
}

/* What no source can have meant is no reading, and what was used until the next is not known. */
static void test_impossible_readings(void **state)
{
    (void)state;
    refused("exec:echo 4294967295 uW", "it said \"4294967295 uW\"");
    refused("exec:echo 21 kW", "it said \"21 kW\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_in_all_units),
        cmocka_unit_test(test_energy),
        cmocka_unit_test(test_other_lines_are_counted),
        cmocka_unit_test(test_commands_that_give_nothing),
        cmocka_unit_test(test_command_ends_in_mid_run),
        cmocka_unit_test(test_times_of_no_clock),
        cmocka_unit_test(test_commas),
        cmocka_unit_test(test_impossible_readings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
