/* SPDX-License-Identifier: MIT
 *
 * The power management chip of a Raspberry Pi 5, which only the firmware can read: `vcgencmd
 * pmic_read_adc` prints volts and amperes of 12 rails, one a line:
 *
 *     VDD_CORE_A current(7)=1.04530000A
 *     VDD_CORE_V volt(15)=0.72001630V
 *
 * and other firmware without the middle, "VDD_CORE_A=1.0453". The 5 V input has no current, so
 * what the board draws is not measured: pmic:rails is the sum of V x A behind the regulators.
 * pmic:board adds their losses by a line that others fitted to an outside meter, 1.1451 x rails +
 * 0.5879 W; it is a model, and says so.
 *
 * Each reading starts a process, so there are at most four a second.
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "profiler/meters/meter.h"
#include "profiler/sysfs.h"

static const char program[] = "/usr/bin/vcgencmd";
static const double fit_slope = 1.1451, fit_watts = 0.5879;

enum { N_RAILS = 12, TIMEOUT_MS = 2000, PERIOD_MS = 250 };

static const char *const rails[N_RAILS] = {
    "3V7_WL_SW", "3V3_SYS",  "1V8_SYS", "DDR_VDD2", "DDR_VDDQ", "1V1_SYS",
    "0V8_SW",    "VDD_CORE", "3V3_DAC", "3V3_ADC",  "0V8_AON",  "HDMI",
};

struct state {
    char path[CN_PATH_MAX];
    bool fitted;
    int64_t read_ns;
};

/* ---- one reading ----------------------------------------------------------------------------- */

/* "VDD_CORE_A current(7)=1.045A": whether the line is of this rail and quantity, 'A' or 'V'. */
static bool is_line(const char *line, const char *rail, char quantity)
{
    size_t n = strlen(rail);
    return !strncmp(line, rail, n) && line[n] == '_' && line[n + 1] == quantity &&
           !isalnum((unsigned char)line[n + 2]) && line[n + 2] != '_';
}

static bool parse_value(const char *line, char quantity, double *value)
{
    const char *equals = strchr(line, '=');
    if (!equals)
        return false;
    char *end;
    *value = strtod(equals + 1, &end);
    if (end == equals + 1)
        return false;
    end += strspn(end, " \t");
    if (*end == 'm') {
        *value *= 1e-3;
        end++;
    }
    if (*end == quantity)
        end++;
    end += strspn(end, " \t\r");
    return *end == 0 && isfinite(*value);
}

/* Watts behind the regulators. False, and why not. */
static bool parse(char *text, double *watts, char *why, size_t n_bytes)
{
    double value[2][N_RAILS];
    bool seen[2][N_RAILS] = { { false } };
    static const char quantities[2] = { 'A', 'V' };
    char first[80];
    snprintf(first, sizeof first, "%.*s", (int)strcspn(text, "\r\n"), text);
    for (char *save = text, *line; (line = strsep(&save, "\n")) != NULL;) {
        line += strspn(line, " \t\r");
        for (int i = 0; i < N_RAILS; i++)
            for (int q = 0; q < 2; q++) {
                if (!is_line(line, rails[i], quantities[q]))
                    continue;
                if (seen[q][i] || !parse_value(line, quantities[q], &value[q][i])) {
                    snprintf(why, n_bytes,
                             "pmic_read_adc: expected one value of %s_%c, found %.60s", rails[i],
                             quantities[q], line);
                    return false;
                }
                seen[q][i] = true;
            }
    }
    *watts = 0;
    for (int i = 0; i < N_RAILS; i++) {
        if (!seen[0][i] || !seen[1][i]) {
            snprintf(why, n_bytes, "pmic_read_adc gave no %s of %s; it said \"%s\"",
                     seen[0][i] ? "volts" : "amperes", rails[i], first);
            return false;
        }
        *watts += value[0][i] * value[1][i];
    }
    if (*watts < 0) {
        snprintf(why, n_bytes,
                 "pmic_read_adc: the sum of the rails is below 0, which is no "
                 "consumption");
        return false;
    }
    return true;
}

static bool read_watts(const char *path, double *watts, char *why, size_t n_bytes)
{
    const char *const argv[] = { path, "pmic_read_adc", NULL };
    char text[8192];
    int status = 0;
    int n = cn_child_run(argv, TIMEOUT_MS, text, sizeof text, &status);
    if (n < 0) {
        snprintf(why, n_bytes, "vcgencmd: %s",
                 n == -ETIMEDOUT ? "no answer in 2 s" : cn_sysfs_strerror(n));
        return false;
    }
    if (status != 0) {
        char how[40];
        cn_child_describe(status, how, sizeof how);
        snprintf(why, n_bytes, "vcgencmd pmic_read_adc: %s: %.*s", how,
                 (int)(strcspn(text, "\n") < 90 ? strcspn(text, "\n") : 90), text);
        return false;
    }
    return parse(text, watts, why, n_bytes);
}

/* ---- the meter ------------------------------------------------------------------------------- */

static struct cn_channel *add(struct cn_channel_list *channels, bool fitted)
{
    struct cn_channel *c =
        fitted ? cn_channel_add(channels, "pmic:board", "board (modelled)", "uW", PERIOD_MS)
               : cn_channel_add(channels, "pmic:rails", "rails", "uW", PERIOD_MS);
    if (!c)
        return NULL;
    c->automatic = !fitted;
    c->info.modelled = fitted;
    if (fitted)
        snprintf(c->info.sources, sizeof c->info.sources,
                 "modelled: %g x (sum of V x A of %d rails) + %g W, a fit to an outside meter",
                 fit_slope, (int)N_RAILS, fit_watts);
    else
        snprintf(c->info.sources, sizeof c->info.sources,
                 "sum of V x A of %d rails; the losses of their regulators and USB are not in it",
                 (int)N_RAILS);
    return c;
}

static void probe(const struct cn_meter_request *request, struct cn_channel_list *channels)
{
    char path[CN_PATH_MAX], why[200];
    double watts;
    if (!cn_sysfs_path(path, request->root, "%s", program) || access(path, X_OK) != 0) {
        struct cn_channel *c = cn_channel_add(channels, "pmic", "rails", "uW", PERIOD_MS);
        cn_channel_reason(c, "no %s%s: this is no Raspberry Pi", request->root, program);
        cn_channel_remedy(c, "on a Raspberry Pi 5: apt install raspi-utils");
        return;
    }
    bool ok = read_watts(path, &watts, why, sizeof why);
    for (int fitted = 0; fitted < 2; fitted++) {
        struct cn_channel *c = add(channels, fitted);
        if (ok)
            continue;
        cn_channel_reason(c, "%s", why);
        cn_channel_remedy(c, "only a Raspberry Pi 5 has this chip; there, be root or in the group "
                             "video");
    }
}

static void *open_state(const struct cn_meter_request *request, struct cn_channel *channel,
                        struct cn_opened *opened)
{
    struct state *s = calloc(1, sizeof *s);
    if (!s || !cn_sysfs_path(s->path, request->root, "%s", program)) {
        cn_channel_reason(channel, "out of memory");
        free(s);
        return NULL;
    }
    s->fitted = channel->info.modelled;
    opened->n_sources = 1;
    return s;
}

static enum cn_read read_power(void *opaque, unsigned source, struct cn_reading *r)
{
    (void)source;
    struct state *s = opaque;
    /* A tenth early is soon enough: the sampler's turns are no multiple of the period. */
    if (s->read_ns && cn_now_ns(CLOCK_MONOTONIC) - s->read_ns < PERIOD_MS * (int64_t)900000)
        return CN_READ_SKIP;
    s->read_ns = cn_now_ns(CLOCK_MONOTONIC);
    double watts;
    if (!read_watts(s->path, &watts, r->why, sizeof r->why))
        return CN_READ_FAIL;
    r->value = 1e6 * (s->fitted ? fit_slope * watts + fit_watts : watts);
    if (!cn_power_plausible(watts, r->value, "pmic_read_adc", r->why, sizeof r->why))
        return CN_READ_FAIL;
    return CN_READ_OK;
}

static void close_state(void *opaque)
{
    free(opaque);
}

const struct cn_meter cn_meter_pmic = {
    .name = "pmic",
    .probe = probe,
    .open = open_state,
    .read = read_power,
    .close = close_state,
};
