/* SPDX-License-Identifier: MIT */
#include "bench/machine/machine_probe.h"

#include "base/clock.h"
#include "base/layout.h"
#include "bench/machine/probe.h"
#include "bench/stats/stats.h"
#include "quant/peak.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MIB = 1024 * 1024, MAX_CPUS = 4096 };

/* ---- what it is ------------------------------------------------------------------------------ */

/* First line of a file, without blanks at its end; false if it cannot be read. */
static bool read_line(const char *path, char *line, size_t n)
{
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    bool ok = fgets(line, (int)n, f) != NULL;
    fclose(f);
    if (!ok)
        return false;
    size_t len = strlen(line);
    while (len > 0 && isspace((unsigned char)line[len - 1]))
        line[--len] = 0;
    return len > 0;
}

static bool read_cpu(int cpu, const char *what, char *line, size_t n)
{
    char path[160];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/%s", cpu, what);
    return read_line(path, line, n);
}

/* The value of the first line "key : value" of /proc/cpuinfo. */
static bool read_cpuinfo(const char *key, char *value, size_t n)
{
    char line[512];
    bool found = false;
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && !found && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (!colon || strncmp(line, key, strlen(key)) != 0)
            continue;
        char *end = line + strlen(key);
        if (end + strspn(end, " \t") != colon)
            continue;
        char *text = colon + 1 + strspn(colon + 1, " \t");
        text[strcspn(text, "\n")] = 0;
        snprintf(value, n, "%s", text);
        found = *text != 0;
    }
    if (f)
        fclose(f);
    return found;
}

static void find_name(char *name, size_t n)
{
    char implementer[32], part[32];
    name[0] = 0;
    if (read_cpuinfo("model name", name, n) || read_cpuinfo("Hardware", name, n) ||
        read_line("/sys/firmware/devicetree/base/model", name, n))
        return;
    if (read_cpuinfo("CPU implementer", implementer, sizeof implementer) &&
        read_cpuinfo("CPU part", part, sizeof part))
        snprintf(name, n, "Arm implementer %s part %s", implementer, part);
}

static void append(char *text, size_t n, const char *more)
{
    size_t len = strlen(text);
    snprintf(text + len, n - len, "%s%s", len ? ", " : "", more);
}

static void find_caches(char *text, size_t n)
{
    text[0] = 0;
    for (int i = 0; i < 8; i++) {
        char what[64], level[16], type[32], size[32], one[96];
        snprintf(what, sizeof what, "cache/index%d/level", i);
        if (!read_cpu(0, what, level, sizeof level))
            break;
        snprintf(what, sizeof what, "cache/index%d/type", i);
        if (!read_cpu(0, what, type, sizeof type) || strcmp(type, "Instruction") == 0)
            continue;
        snprintf(what, sizeof what, "cache/index%d/size", i);
        unsigned long kib;
        if (!read_cpu(0, what, size, sizeof size) || sscanf(size, "%luK", &kib) != 1)
            continue;
        bool mib = kib >= 1024 && kib % 1024 == 0;
        snprintf(one, sizeof one, "L%s%s %lu %s", level, strcmp(type, "Data") == 0 ? "d" : "",
                 mib ? kib / 1024 : kib, mib ? "MiB" : "KiB");
        append(text, n, one);
    }
}

/* Counts CPUs by their highest frequency. */
static void find_frequency(char *text, size_t n)
{
    struct {
        unsigned long khz;
        int n;
    } kinds[8] = {
        {0, 0}
    };
    int n_kinds = 0;
    text[0] = 0;
    for (int cpu = 0; cpu < MAX_CPUS; cpu++) {
        char line[32], *end;
        if (!read_cpu(cpu, "topology/core_id", line, sizeof line))
            break;
        if (!read_cpu(cpu, "cpufreq/cpuinfo_max_freq", line, sizeof line))
            continue;
        unsigned long khz = strtoul(line, &end, 10);
        int k = 0;
        while (k < n_kinds && kinds[k].khz != khz)
            k++;
        if (k == n_kinds && n_kinds == (int)(sizeof kinds / sizeof *kinds))
            continue;
        n_kinds += k == n_kinds;
        kinds[k].khz = khz;
        kinds[k].n++;
    }
    for (int k = 0; k < n_kinds; k++) {
        char one[64];
        snprintf(one, sizeof one, "%d x %.2f GHz", kinds[k].n, (double)kinds[k].khz * 1e-6);
        append(text, n, one);
    }
}

/* Cores are distinct pairs of socket and core number. */
static void find_cores(struct cn_machine_info *info)
{
    int *seen = malloc(2 * MAX_CPUS * sizeof *seen), n_cpus = 0;
    for (int cpu = 0; seen && cpu < MAX_CPUS; cpu++) {
        char core_text[32], socket_text[32];
        if (!read_cpu(cpu, "topology/core_id", core_text, sizeof core_text))
            break;
        if (!read_cpu(cpu, "topology/physical_package_id", socket_text, sizeof socket_text))
            strcpy(socket_text, "0");
        int core = atoi(core_text), socket = atoi(socket_text), i;
        bool new_socket = true;
        for (i = 0; i < info->n_cores; i++) {
            new_socket &= seen[2 * i] != socket;
            if (seen[2 * i] == socket && seen[2 * i + 1] == core)
                break;
        }
        n_cpus++;
        if (i < info->n_cores)
            continue;
        seen[2 * i] = socket;
        seen[2 * i + 1] = core;
        info->n_cores++;
        info->n_sockets += new_socket;
    }
    if (info->n_cores)
        info->threads_per_core = n_cpus / info->n_cores;
    free(seen);
}

void cn_machine_describe(struct cn_machine_info *info)
{
    *info = (struct cn_machine_info){ .n_usable = cn_available_cores() };
    long n = sysconf(_SC_NPROCESSORS_ONLN), pages = sysconf(_SC_PHYS_PAGES);
    info->n_cpus = n > 0 ? (int)n : 0;
    info->memory_bytes = pages > 0 ? (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
    info->last_cache_bytes = cn_last_cache_bytes();
    find_name(info->cpu, sizeof info->cpu);
    find_caches(info->caches, sizeof info->caches);
    find_frequency(info->frequency, sizeof info->frequency);
    find_cores(info);
    if (!read_cpu(0, "cpufreq/scaling_governor", info->governor, sizeof info->governor))
        info->governor[0] = 0;
}

/* ---- what it can do -------------------------------------------------------------------------- */

/* Bytes read in one step: small beside the buffer, large beside the cost of asking for the time. */
enum { STEP_BYTES = MIB };

struct reader {
    _Alignas(64) const uint8_t *begin;
    size_t n_bytes, next;
    volatile uint64_t sink;
};

struct cn_machine_probe {
    uint8_t *memory;
    size_t n_bytes;
    size_t span;   /* of each thread; 0: all of its part */
    unsigned only; /* rates to measure; 0: all */
    struct cn_pool *pool;
    struct reader *readers;
    /* The loop at hand. */
    const struct cn_peak *peak;
    int n_streams;
    size_t ahead;
    int64_t (*ops)(int64_t n_rounds);
    int64_t n_rounds;
    bool (*cancel)(void);
};

static bool cancelled(const struct cn_machine_probe *p)
{
    return p->cancel && p->cancel();
}

static void touch_chunk(void *context, int chunk, int thread)
{
    struct cn_machine_probe *p = context;
    (void)thread;
    const size_t n = p->n_bytes / 64;
    memset(p->memory + (size_t)chunk * n, 1, n);
}

struct cn_machine_probe *cn_machine_probe_create(size_t n_bytes, int n_threads)
{
    struct cn_machine_probe *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    size_t most = cn_available_memory_bytes() / 4;
    if (most && n_bytes > most)
        n_bytes = most;
    const size_t unit = (size_t)n_threads * STEP_BYTES * 2;
    p->n_bytes = cn_round_up(n_bytes, unit);
    if (!(p->memory = cn_big_alloc(p->n_bytes)) || !(p->pool = cn_pool_create(n_threads, false)) ||
        !(p->readers = aligned_alloc(64, (size_t)n_threads * sizeof *p->readers))) {
        const int reason = errno; /* of the first that failed */
        cn_machine_probe_free(p);
        errno = reason;
        return NULL;
    }
    /* Pages are there only once they have been written. */
    cn_pool_run(p->pool, n_threads, touch_chunk, p, 64);
    return p;
}

void cn_machine_probe_free(struct cn_machine_probe *p)
{
    if (!p)
        return;
    cn_big_free(p->memory, p->n_bytes);
    cn_pool_free(p->pool);
    free(p->readers);
    free(p);
}

size_t cn_machine_probe_bytes(const struct cn_machine_probe *p)
{
    return p->n_bytes;
}

static double read_step(void *context, int thread)
{
    struct cn_machine_probe *p = context;
    struct reader *r = &p->readers[thread];
    const size_t piece = r->n_bytes < STEP_BYTES ? r->n_bytes : STEP_BYTES;
    size_t done = 0;
    while (done < STEP_BYTES) {
        if (r->next + piece > r->n_bytes)
            r->next = 0;
        r->sink = p->peak->read(r->begin + r->next, piece, p->n_streams, p->ahead);
        r->next += piece;
        done += piece;
    }
    return (double)done;
}

static double ops_step(void *context, int thread)
{
    const struct cn_machine_probe *p = context;
    (void)thread;
    return (double)p->ops(p->n_rounds);
}

/* Rates of one loop. Those seen while another program had one of the cores are kept only until
 * there is one without. */
struct samples {
    double rate[128];
    size_t n;
    bool calm;
};

/* Shorter than the time slices of schedulers, so that a sample may fit between two interruptions.
 */
#define SAMPLE_S 1.5e-3
/* How much longer than asked a busy machine is given. */
enum { PATIENCE = 4 };

static void sample(struct cn_machine_probe *p, cn_step_fn *step, int n_threads, struct samples *s)
{
    struct cn_rate r = cn_rate_measure(p->pool, n_threads, step, p, SAMPLE_S);
    bool calm = r.busy > 0.97;
    if (calm && !s->calm)
        s->n = 0;
    s->calm |= calm;
    if (calm == s->calm && s->n < sizeof s->rate / sizeof *s->rate)
        s->rate[s->n++] = r.wall;
}

static double median_ops(struct cn_machine_probe *p, int64_t (*ops)(int64_t), int n_threads,
                         double seconds)
{
    struct samples samples = { .n = 0 };
    double start;
    if (!ops)
        return (double)NAN;
    p->ops = ops;
    p->n_rounds = 64;
    do { /* until a step takes long enough */
        p->n_rounds *= 2;
        start = cn_seconds();
        ops(p->n_rounds);
    } while (cn_seconds() - start < 50e-6);
    const size_t wanted = (size_t)(seconds / SAMPLE_S) + 1;
    start = cn_seconds();
    do
        sample(p, ops_step, n_threads, &samples);
    while ((!samples.calm || samples.n < wanted) && cn_seconds() - start < PATIENCE * seconds &&
           !cancelled(p));
    return cn_median(samples.rate, samples.n) * 1e-9;
}

/* One stream is what a gemv is; several keep more of the hardware's prefetchers busy. The limit is
 * the median of the way that reads fastest: what memory gives for as long as a product takes. The
 * best sample would be a moment of a shared machine that no product can live on. */
static const struct {
    int n_streams;
    size_t ahead;
} patterns[] = {
    {1,  0   },
    { 1, 1024},
    { 1, 4096},
    { 2, 0   },
    { 2, 1024},
    { 2, 4096},
    { 4, 0   },
    { 4, 1024},
};
enum { N_PATTERNS = sizeof patterns / sizeof *patterns };

static void read_rate(struct cn_machine_probe *p, const struct cn_peak *peak, int n_threads,
                      double seconds, struct cn_machine_rates *rates)
{
    const size_t part = p->n_bytes / (size_t)n_threads / STEP_BYTES * STEP_BYTES;
    const size_t span = p->span && p->span < part ? p->span : part;
    struct samples samples[N_PATTERNS] = { { .n = 0 } };
    for (int i = 0; i < n_threads; i++)
        p->readers[i] = (struct reader){ .begin = p->memory + (size_t)i * part, .n_bytes = span };
    p->peak = peak;
    double start = cn_seconds(), spent;
    bool calm;
    do {
        calm = true;
        for (int i = 0; i < N_PATTERNS; i++) {
            p->n_streams = patterns[i].n_streams;
            p->ahead = patterns[i].ahead;
            sample(p, read_step, n_threads, &samples[i]);
            calm &= samples[i].calm;
        }
        spent = cn_seconds() - start;
    } while ((spent < seconds || (!calm && spent < PATIENCE * seconds)) && !cancelled(p));
    double best = 0;
    for (int i = 0; i < N_PATTERNS; i++) {
        double rate = cn_median(samples[i].rate, samples[i].n);
        if (rate <= best)
            continue;
        best = rate;
        int n = snprintf(rates->read_how, sizeof rates->read_how, "%d stream%s",
                         patterns[i].n_streams, patterns[i].n_streams > 1 ? "s" : "");
        if (patterns[i].ahead)
            snprintf(rates->read_how + n, sizeof rates->read_how - (size_t)n, ", prefetch %zu",
                     patterns[i].ahead);
    }
    rates->read_gbps = best * 1e-9;
}

void cn_machine_probe_span(struct cn_machine_probe *p, size_t n_bytes)
{
    p->span = n_bytes && n_bytes < 1024 ? 1024 : n_bytes / 1024 * 1024;
}

void cn_machine_probe_only(struct cn_machine_probe *p, unsigned rates)
{
    p->only = rates;
}

static bool wanted(const struct cn_machine_probe *p, unsigned rate)
{
    return !p->only || (p->only & rate);
}

void cn_machine_probe_cancel(struct cn_machine_probe *p, bool (*cancel)(void))
{
    p->cancel = cancel;
}

void cn_machine_probe_run(struct cn_machine_probe *p, uint32_t tiers, enum cn_tier tier,
                          int n_threads, double seconds, struct cn_machine_rates *rates)
{
    const struct cn_peak *own = cn_peak_for(tier), *f32 = NULL, *reads = NULL;
    for (int t = 0; t <= (int)tier; t++) {
        const struct cn_peak *peak = cn_peak_for((enum cn_tier)t);
        if (!peak || (t != CN_TIER_REF && !(tiers >> t & 1)))
            continue;
        f32 = peak->f32 ? peak : f32;
        reads = peak->read ? peak : reads;
    }
    *rates = (struct cn_machine_rates){ .read_gbps = (double)NAN };
    if (wanted(p, CN_RATE_READ))
        read_rate(p, reads, n_threads, 0.6 * seconds, rates);
    rates->int8_gops =
        median_ops(p, own && wanted(p, CN_RATE_INT8) ? own->int8 : NULL, n_threads, 0.2 * seconds);
    rates->f32_gflops =
        median_ops(p, wanted(p, CN_RATE_F32) ? f32->f32 : NULL, n_threads, 0.2 * seconds);
    rates->bf16_gops =
        median_ops(p, own && wanted(p, CN_RATE_BF16) ? own->bf16 : NULL, n_threads, 0.2 * seconds);
}

bool cn_machine_measure(uint32_t tiers, int n_threads, struct cn_machine_rates *rates)
{
    /* Beyond any cache, as far as the system tells of it. */
    size_t n_bytes = 4 * cn_last_cache_bytes();
    struct cn_machine_probe *p =
        cn_machine_probe_create(n_bytes < 256 * MIB ? 256 * MIB : n_bytes, n_threads);
    bool first = true;
    if (!p)
        return false;
    tiers |= 1u << CN_TIER_REF;
    int n = 0;
    for (int t = CN_N_TIERS - 1; t >= 0 && n < 2; t--) {
        struct cn_machine_rates r;
        if (!(tiers >> t & 1))
            continue;
        cn_machine_probe_run(p, tiers, (enum cn_tier)t, n_threads, 0.15, &r);
        n++;
        if (first) {
            *rates = r;
        } else if (r.read_gbps > rates->read_gbps) {
            rates->read_gbps = r.read_gbps;
            memcpy(rates->read_how, r.read_how, sizeof r.read_how);
        }
        first = false;
    }
    cn_machine_probe_free(p);
    return true;
}
