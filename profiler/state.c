/* SPDX-License-Identifier: MIT */
#include "profiler/state.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "profiler/samples/series.h"
#include "profiler/sysfs.h"

__attribute__((format(printf, 2, 3))) static double number_at(const char *root, const char *format,
                                                              ...)
{
    char rest[CN_PATH_MAX], path[CN_PATH_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(rest, sizeof rest, format, args);
    va_end(args);
    int64_t v;
    return cn_sysfs_path(path, root, "%s", rest) && cn_sysfs_i64_at(path, &v) == 0 ? (double)v
                                                                                   : CN_UNKNOWN;
}

__attribute__((format(printf, 4, 5))) static bool text_at(const char *root, char *text,
                                                          size_t n_bytes, const char *format, ...)
{
    char rest[CN_PATH_MAX], path[CN_PATH_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(rest, sizeof rest, format, args);
    va_end(args);
    text[0] = 0;
    bool ok = cn_sysfs_path(path, root, "%s", rest) && cn_sysfs_text_at(path, text, n_bytes) > 0;
    if (!ok)
        text[0] = 0;
    return ok;
}

/* Names in a directory under root; none if it is not there. */
static size_t list(const char *root, const char *dir, char ***names)
{
    char path[CN_PATH_MAX];
    size_t n = 0;
    *names = NULL;
    if (!cn_sysfs_path(path, root, "%s", dir) || cn_sysfs_list(path, names, &n) != 0) {
        *names = NULL;
        return 0;
    }
    return n;
}

/* ---- frequency and throttling ---------------------------------------------------------------- */

struct mean {
    double sum, n;
};

static void add(struct mean *m, double v)
{
    if (isnan(v))
        return;
    m->sum += v;
    m->n++;
}

static double value(const struct mean *m, double scale)
{
    return m->n > 0 ? m->sum / m->n * scale : CN_UNKNOWN;
}

/* Where cpufreq is absent x86 tells the frequency here. */
static double cpuinfo_mhz(const char *root)
{
    char path[CN_PATH_MAX], line[512];
    FILE *f = cn_sysfs_path(path, root, "/proc/cpuinfo") ? fopen(path, "re") : NULL;
    struct mean m = { 0, 0 };
    while (f && fgets(line, sizeof line, f)) {
        const char *colon = strncmp(line, "cpu MHz", 7) ? NULL : strchr(line, ':');
        if (colon)
            add(&m, strtod(colon + 1, NULL));
    }
    if (f)
        fclose(f);
    return value(&m, 1);
}

static void read_cpus(const char *root, struct cn_system_state *s)
{
    static const char dir[] = "/sys/devices/system/cpu";
    char **names, governor[32];
    struct mean now = { 0, 0 }, limit = { 0, 0 }, most = { 0, 0 }, throttled = { 0, 0 };
    size_t n = list(root, dir, &names);
    for (size_t i = 0; i < n; i++) {
        unsigned cpu;
        int end = -1;
        if (sscanf(names[i], "cpu%u%n", &cpu, &end) != 1 || end < 0 || names[i][end])
            continue;
        add(&now, number_at(root, "%s/%s/cpufreq/scaling_cur_freq", dir, names[i]));
        add(&limit, number_at(root, "%s/%s/cpufreq/scaling_max_freq", dir, names[i]));
        add(&most, number_at(root, "%s/%s/cpufreq/cpuinfo_max_freq", dir, names[i]));
        add(&throttled,
            number_at(root, "%s/%s/thermal_throttle/core_throttle_count", dir, names[i]));
        add(&throttled,
            number_at(root, "%s/%s/thermal_throttle/package_throttle_count", dir, names[i]));
        if (!text_at(root, governor, sizeof governor, "%s/%s/cpufreq/scaling_governor", dir,
                     names[i]))
            continue;
        if (!s->governor[0])
            snprintf(s->governor, sizeof s->governor, "%s", governor);
        else if (strcmp(s->governor, governor) != 0)
            snprintf(s->governor, sizeof s->governor, "mixed");
    }
    cn_sysfs_list_free(names, n);
    s->mhz = value(&now, 1e-3);
    if (isnan(s->mhz))
        s->mhz = cpuinfo_mhz(root);
    s->mhz_limit = value(&limit, 1e-3);
    s->mhz_max = value(&most, 1e-3);
    s->throttle_count = throttled.n > 0 ? throttled.sum : CN_UNKNOWN;
    /* A Raspberry Pi's firmware: bits 0 to 3 are now, the rest since boot. */
    char text[32];
    s->throttle_flags = -1;
    if (text_at(root, text, sizeof text, "/sys/devices/platform/soc/soc:firmware/get_throttled"))
        s->throttle_flags = (int)(strtoul(text, NULL, 16) & 0xf);
}

/* ---- temperature ----------------------------------------------------------------------------- */

static bool names_cpu(const char *type)
{
    static const char *const parts[] = { "cpu",      "CPU",      "x86_pkg",  "soc",   "SOC",
                                         "coretemp", "k10temp",  "zenpower", "BIG",   "MID",
                                         "LITTLE",   "mtktscpu", "big",      "little" };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(type, parts[i]))
            return true;
    return false;
}

/* Of zones that name the CPU the hottest; without any the hottest of all. */
static void consider(struct cn_system_state *s, const char *type, double milli, bool *cpu)
{
    double celsius = 1e-3 * milli;
    if (!(celsius > -40 && celsius < 150) || fabs(celsius) < 1e-9)
        return; /* absent sensors say 0, -274 or the like */
    bool is_cpu = names_cpu(type);
    if ((*cpu && !is_cpu) || (*cpu == is_cpu && celsius <= s->celsius))
        return;
    *cpu = is_cpu;
    s->celsius = celsius;
    snprintf(s->zone, sizeof s->zone, "%.31s", type);
}

static void read_temperature(const char *root, struct cn_system_state *s)
{
    char **names, type[64];
    bool cpu = false;
    size_t n = list(root, "/sys/class/thermal", &names);
    for (size_t i = 0; i < n; i++)
        if (!strncmp(names[i], "thermal_zone", 12) &&
            text_at(root, type, sizeof type, "/sys/class/thermal/%s/type", names[i]))
            consider(s, type, number_at(root, "/sys/class/thermal/%s/temp", names[i]), &cpu);
    cn_sysfs_list_free(names, n);
    if (cpu)
        return;
    n = list(root, "/sys/class/hwmon", &names);
    for (size_t i = 0; i < n; i++)
        if (text_at(root, type, sizeof type, "/sys/class/hwmon/%s/name", names[i]) &&
            names_cpu(type))
            consider(s, type, number_at(root, "/sys/class/hwmon/%s/temp1_input", names[i]), &cpu);
    cn_sysfs_list_free(names, n);
}

/* ---- supply, screen, load -------------------------------------------------------------------- */

static void read_supply(const char *root, struct cn_system_state *s)
{
    static const char dir[] = "/sys/class/power_supply";
    char **names, type[32], scope[32];
    size_t n = list(root, dir, &names);
    for (size_t i = 0; i < n; i++) {
        text_at(root, scope, sizeof scope, "%s/%s/scope", dir, names[i]);
        if (!strcmp(scope, "Device") ||
            !text_at(root, type, sizeof type, "%s/%s/type", dir, names[i]))
            continue;
        if (!strcmp(type, "Battery")) {
            double percent = number_at(root, "%s/%s/capacity", dir, names[i]);
            if (isnan(s->battery_percent) || percent < s->battery_percent) {
                s->battery_percent = percent;
                s->battery_v = 1e-6 * number_at(root, "%s/%s/voltage_now", dir, names[i]);
            }
            continue;
        }
        double online = number_at(root, "%s/%s/online", dir, names[i]);
        if (!isnan(online) && s->charger != 1)
            s->charger = online > 0;
    }
    cn_sysfs_list_free(names, n);
    n = list(root, "/sys/class/backlight", &names);
    for (size_t i = 0; i < n; i++) {
        double now = number_at(root, "/sys/class/backlight/%s/brightness", names[i]);
        double most = number_at(root, "/sys/class/backlight/%s/max_brightness", names[i]);
        double power = number_at(root, "/sys/class/backlight/%s/bl_power", names[i]);
        if (most > 0 && now >= 0)
            s->screen = power > 0 ? 0 : now / most; /* bl_power 0 is on */
    }
    cn_sysfs_list_free(names, n);
}

/* CPU seconds that all programs together have used since boot. */
static double busy_seconds(const char *root)
{
    char text[256];
    double v[8] = { 0 };
    if (!text_at(root, text, sizeof text, "/proc/stat") ||
        sscanf(text, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &v[0], &v[1], &v[2], &v[3], &v[4],
               &v[5], &v[6], &v[7]) < 4)
        return CN_UNKNOWN;
    long hz = sysconf(_SC_CLK_TCK);
    /* user, nice, system, irq, softirq; not idle, iowait, nor steal, which ran on nothing of ours.
     */
    return (v[0] + v[1] + v[2] + v[5] + v[6]) / (double)(hz > 0 ? hz : 100);
}

void cn_state_read(const char *root, struct cn_system_state *state)
{
    struct cn_system_state s = { .celsius = CN_UNKNOWN,
                                 .battery_percent = CN_UNKNOWN,
                                 .battery_v = CN_UNKNOWN,
                                 .screen = CN_UNKNOWN,
                                 .load_1min = CN_UNKNOWN,
                                 .charger = -1 };
    char text[64], *end;
    read_cpus(root, &s);
    read_temperature(root, &s);
    read_supply(root, &s);
    if (text_at(root, text, sizeof text, "/proc/loadavg")) {
        double load = strtod(text, &end);
        if (end != text && load >= 0)
            s.load_1min = load;
    }
    s.busy_s = busy_seconds(root);
    s.own_cpu_s = cn_now_s(CLOCK_PROCESS_CPUTIME_ID);
    s.time_s = cn_now_s(CLOCK_MONOTONIC);
    *state = s;
}

/* ---- judging --------------------------------------------------------------------------------- */

/* What is said has its figures in brackets, behind it: reports count remarks without them. */
__attribute__((format(printf, 3, 4))) static void say(char *text, size_t n_bytes,
                                                      const char *format, ...)
{
    size_t used = strlen(text);
    if (used + 3 >= n_bytes)
        return;
    if (used)
        used += (size_t)snprintf(text + used, n_bytes - used, "; ");
    va_list args;
    va_start(args, format);
    vsnprintf(text + used, n_bytes - used, format, args);
    va_end(args);
}

static void judge_load(const struct cn_system_state *a, const struct cn_system_state *b, char *text,
                       size_t n_bytes)
{
    enum { TICKS_S = 1 /* shorter runs than this are too few ticks of the kernel's count */ };
    double seconds = b->time_s - a->time_s;
    double others = (b->busy_s - a->busy_s - (b->own_cpu_s - a->own_cpu_s)) / seconds;
    if (seconds >= TICKS_S && !isnan(others)) {
        if (others > 0.2)
            say(text, n_bytes, "other programs kept %.1f cores busy", others);
    } else if (a->load_1min > 0.5) {
        /* From before the run, so not of this process. */
        say(text, n_bytes, "other programs ran before it (load %.1f)", a->load_1min);
    }
}

void cn_state_judge(const struct cn_system_state *a, const struct cn_system_state *b, char *text,
                    size_t n_bytes)
{
    text[0] = 0;
    judge_load(a, b, text, n_bytes);
    if (b->throttle_count > a->throttle_count)
        say(text, n_bytes, "the CPU was throttled by heat (%.0f times)",
            b->throttle_count - a->throttle_count);
    int flags = (a->throttle_flags > 0 ? a->throttle_flags : 0) |
                (b->throttle_flags > 0 ? b->throttle_flags : 0);
    if (flags)
        say(text, n_bytes, "the firmware reports%s%s%s%s", flags & 1 ? " under-voltage" : "",
            flags & 2 ? " a capped frequency" : "", flags & 4 ? " throttling" : "",
            flags & 8 ? " the soft temperature limit" : "");
    if (b->mhz_limit < 0.98 * a->mhz_limit)
        say(text, n_bytes, "the frequency limit fell (from %.0f to %.0f MHz)", a->mhz_limit,
            b->mhz_limit);
    else if (a->mhz_limit < 0.98 * a->mhz_max)
        say(text, n_bytes, "the frequency is limited (to %.0f of %.0f MHz)", a->mhz_limit,
            a->mhz_max);
    if (strcmp(a->governor, b->governor) != 0)
        say(text, n_bytes, "the governor changed from %s to %s", a->governor, b->governor);
    if (a->charger >= 0 && b->charger >= 0 && a->charger != b->charger)
        say(text, n_bytes, "the charger was %s", b->charger ? "plugged in" : "unplugged");
    if (b->battery_percent <= 10 && b->charger != 1)
        say(text, n_bytes, "the battery is so low that systems save power (%.0f%%)",
            b->battery_percent);
    if (fabs(a->screen - b->screen) > 0.05)
        say(text, n_bytes, "the screen's brightness changed (from %.0f%% to %.0f%%)",
            100 * a->screen, 100 * b->screen);
}
