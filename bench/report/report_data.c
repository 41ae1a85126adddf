/* SPDX-License-Identifier: MIT
 *
 * The database of a study, read into memory.
 */
#include "base/error.h"
#include "bench/report/report_part.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const cn_report_phase_names[CN_REPORT_PHASES] = { "load", "prefill", "decode", "sample",
                                                              "all" };

enum { MAX_SOURCES = 16, MAX_SETTINGS = 4096 };

/* Room for one more item behind n of them; false if out of memory. */
static bool grow(void *items, int n, size_t item_bytes)
{
    if (n & (n - 1)) /* grows at powers of two */
        return true;
    void *old, *more;
    memcpy(&old, items, sizeof old);
    more = realloc(old, (size_t)(n ? 2 * n : 1) * item_bytes);
    if (!more)
        return false;
    memcpy(items, &more, sizeof more);
    return true;
}

/* A copy of the text that lives as long as the report; "" for NULL, and NULL if out of memory. */
static const char *keep(struct cn_report *r, const char *text)
{
    if (!text || !*text)
        return "";
    if (!grow(&r->texts, (int)r->n_texts, sizeof *r->texts))
        return NULL;
    return (r->texts[r->n_texts] = strdup(text)) ? r->texts[r->n_texts++] : NULL;
}

/* The columns of a row, one after the other. */
struct cursor {
    struct cn_report *r;
    struct cn_study_rows *rows;
    int column;
    bool out_of_memory;
};

static const char *next_text(struct cursor *c)
{
    const char *text = keep(c->r, cn_study_rows_text(c->rows, c->column++));
    c->out_of_memory |= !text;
    return text ? text : "";
}

static double next_number(struct cursor *c)
{
    return cn_study_rows_f64(c->rows, c->column++);
}

static int64_t next_integer(struct cursor *c)
{
    return cn_study_rows_i64(c->rows, c->column++);
}

/* Runs one SELECT and `row` for each of its rows; a false of `row` is lack of memory. */
static enum cn_status each(struct cn_report *r, struct cn_error *err, bool (*row)(struct cursor *c),
                           const char *sql)
{
    struct cn_study_rows *rows;
    bool ok = true;
    CN_TRY(cn_study_select(r->db, &rows, err, sql, ""));
    while (ok && cn_study_rows_next(rows)) {
        struct cursor c = { .r = r, .rows = rows };
        ok = row(&c) && !c.out_of_memory;
    }
    CN_TRY(cn_study_rows_close(rows, err));
    return ok ? CN_OK : cn_fail(err, CN_ERR_MEMORY, "out of memory");
}

static bool put_study(struct cursor *c)
{
    struct cn_report_study_info *s = &c->r->study;
    s->name = next_text(c);
    s->plan = next_text(c);
    s->seed = next_integer(c);
    s->n_blocks = next_integer(c);
    s->created_s = next_number(c);
    s->n_planned = next_integer(c);
    s->n_done = next_integer(c);
    s->n_failed = next_integer(c);
    s->n_skipped = next_integer(c);
    s->n_other_root = next_integer(c);
    s->n_open = s->n_planned - s->n_done - s->n_failed - s->n_skipped;
    return true;
}

static bool put_file(struct cursor *c)
{
    struct cn_report *r = c->r;
    if (!grow(&r->files, r->n_files, sizeof *r->files))
        return false;
    struct cn_report_file *f = &r->files[r->n_files++];
    f->id = next_integer(c);
    f->model = next_text(c);
    f->quant = next_text(c);
    f->architecture = next_text(c);
    f->sha256 = next_text(c);
    f->tensor_types = next_text(c);
    f->status = next_text(c);
    f->reason = next_text(c);
    f->bpw = next_number(c);
    f->n_params = next_number(c);
    f->n_active_params = next_number(c);
    f->file_bytes = next_number(c);
    f->tensor_bytes = next_number(c);
    f->decode_bytes = next_number(c);
    f->decode_ops = next_number(c);
    f->experts = f->n_active_params < f->n_params;
    snprintf(f->name, sizeof f->name, "%s %s", f->model, f->quant);
    return true;
}

static bool put_device(struct cursor *c)
{
    struct cn_report *r = c->r;
    if (!grow(&r->devices, r->n_devices, sizeof *r->devices))
        return false;
    struct cn_report_device *d = &r->devices[r->n_devices++];
    d->id = next_integer(c);
    d->target = next_text(c);
    d->name = next_text(c);
    d->tiers = next_text(c);
    return true;
}

static int device_of(const struct cn_report *r, int64_t id)
{
    for (int d = 0; d < r->n_devices; d++)
        if (r->devices[d].id == id)
            return d;
    return -1;
}

static int file_of(const struct cn_report *r, int64_t id)
{
    for (int f = 0; f < r->n_files; f++)
        if (r->files[f].id == id)
            return f;
    return -1;
}

static bool put_limit(struct cursor *c)
{
    struct cn_report *r = c->r;
    if (!grow(&r->limits, r->n_limits, sizeof *r->limits))
        return false;
    struct cn_report_limit *l = &r->limits[r->n_limits++];
    l->device = device_of(r, next_integer(c));
    l->threads = next_number(c);
    l->tier = next_text(c);
    l->read_gbps = next_number(c);
    l->int8_gops = next_number(c);
    l->f32_gflops = next_number(c);
    return true;
}

static bool put_quality(struct cursor *c)
{
    struct cn_report *r = c->r;
    if (!grow(&r->quality, r->n_quality, sizeof *r->quality))
        return false;
    struct cn_report_quality *q = &r->quality[r->n_quality];
    q->file = file_of(r, next_integer(c));
    q->measure = next_text(c);
    q->text = next_text(c);
    q->tokens = next_number(c);
    q->ppl = next_number(c);
    q->ppl_se = next_number(c);
    q->kld_mean = next_number(c);
    q->kld_se = next_number(c);
    q->kld_p99 = next_number(c);
    q->top1 = next_number(c);
    q->tasks = next_number(c);
    q->accuracy = next_number(c);
    q->accuracy_lo = next_number(c);
    q->accuracy_hi = next_number(c);
    r->n_quality += q->file >= 0;
    return true;
}

static bool same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static bool same_setting(const struct cn_report_setting *a, const struct cn_report_setting *b)
{
    return a->device == b->device && strcmp(a->tiers, b->tiers) == 0 && strcmp(a->kv, b->kv) == 0 &&
           strcmp(a->lever, b->lever) == 0 && strcmp(a->prompt, b->prompt) == 0 &&
           same(a->threads, b->threads) && same(a->threads_prefill, b->threads_prefill) &&
           same(a->input_length, b->input_length) && same(a->output_length, b->output_length);
}

/* The number of the setting, new if it has not been met; -1 if out of memory. */
static int setting_of(struct cn_report *r, const struct cn_report_setting *s)
{
    for (int i = 0; i < r->n_settings; i++)
        if (same_setting(&r->settings[i], s))
            return i;
    if (r->n_settings == MAX_SETTINGS || !grow(&r->settings, r->n_settings, sizeof *r->settings))
        return -1;
    r->settings[r->n_settings] = *s;
    return r->n_settings++;
}

bool cn_first_of_model(const struct cn_report *r, int f)
{
    return f == 0 || strcmp(r->files[f].model, r->files[f - 1].model) != 0;
}

bool cn_several_models(const struct cn_report *r)
{
    for (int f = 1; f < r->n_files; f++)
        if (cn_first_of_model(r, f))
            return true;
    return false;
}

int cn_report_group_of(const struct cn_report *r, int file, int setting)
{
    for (int g = 0; g < r->n_groups; g++)
        if (r->groups[g].file == file && r->groups[g].setting == setting)
            return g;
    return -1;
}

static int group_of(struct cn_report *r, int file, int setting)
{
    int g = cn_report_group_of(r, file, setting);
    if (g >= 0)
        return g;
    if (!grow(&r->groups, r->n_groups, sizeof *r->groups))
        return -1;
    r->groups[r->n_groups] = (struct cn_report_group){ .file = file, .setting = setting };
    return r->n_groups++;
}

static bool put_run(struct cursor *c)
{
    struct cn_report *r = c->r;
    struct cn_report_setting s = { 0 };
    if (!grow(&r->runs, r->n_runs, sizeof *r->runs))
        return false;
    struct cn_report_run *run = &r->runs[r->n_runs];
    run->id = next_integer(c);
    run->block = next_integer(c);
    run->file = file_of(r, next_integer(c));
    if (run->file < 0)
        return true;
    s.device = device_of(r, next_integer(c));
    s.tiers = next_text(c);
    s.kv = next_text(c);
    s.lever = next_text(c);
    s.prompt = next_text(c);
    s.threads = next_number(c);
    s.threads_prefill = next_number(c);
    s.input_length = next_number(c);
    s.output_length = next_number(c);
    s.threads_used = next_number(c);
    run->setting = setting_of(r, &s);
    run->group = run->setting < 0 ? -1 : group_of(r, run->file, run->setting);
    if (run->group < 0)
        return false;
    run->load_s = next_number(c);
    run->prefill_s = next_number(c);
    run->decode_s = next_number(c);
    run->sample_s = next_number(c);
    run->ttft_s = next_number(c);
    run->latency_s = next_number(c);
    run->prefill_tps = next_number(c);
    run->decode_tps = next_number(c);
    run->input_tokens = next_number(c);
    run->decoded_tokens = next_number(c);
    run->peak_bytes = next_number(c);
    run->model_bytes = next_number(c);
    run->kv_bytes = next_number(c);
    run->other_bytes = next_number(c);
    run->token_bytes = next_number(c);
    run->token_kv_bytes = next_number(c);
    run->token_state_bytes = next_number(c);
    run->celsius_max = next_number(c);
    run->throttled = next_number(c);
    run->energy_status = next_text(c);
    run->energy_reason = next_text(c);
    run->disturbed = next_text(c);
    run->carnot = next_text(c);
    run->governor = next_text(c);
    struct cn_report_group *g = &r->groups[run->group];
    if (!grow(&g->runs, g->n_runs, sizeof *g->runs))
        return false;
    g->runs[g->n_runs++] = r->n_runs++;
    return true;
}

/* The number of the source, new if it has not been met; -1 if there are too many. */
static int source_of(struct cn_report *r, const char *meter, const char *boundary, bool modelled)
{
    for (int s = 0; s < r->n_sources; s++)
        if (r->sources[s].modelled == modelled && strcmp(r->sources[s].meter, meter) == 0 &&
            strcmp(r->sources[s].boundary, boundary) == 0)
            return s;
    if (r->n_sources == MAX_SOURCES || !grow(&r->sources, r->n_sources, sizeof *r->sources))
        return -1;
    struct cn_report_source *s = &r->sources[r->n_sources];
    *s = (struct cn_report_source){ .meter = meter, .boundary = boundary, .modelled = modelled };
    snprintf(s->name, sizeof s->name, "%s by %s, %s", boundary, meter,
             modelled ? "modelled" : "measured");
    return r->n_sources++;
}

static bool put_source(struct cursor *c)
{
    const char *meter = next_text(c), *boundary = next_text(c);
    source_of(c->r, meter, boundary, strcmp(next_text(c), "modelled") == 0);
    return true;
}

/* Runs are sorted by id. */
static int run_of(const struct cn_report *r, int64_t id)
{
    int lo = 0, hi = r->n_runs;
    while (lo < hi) {
        int mid = (lo + hi) / 2;
        if (r->runs[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < r->n_runs && r->runs[lo].id == id ? lo : -1;
}

static bool put_phase(struct cursor *c)
{
    struct cn_report *r = c->r;
    int run = run_of(r, next_integer(c));
    const char *meter = cn_study_rows_text(c->rows, c->column++);
    const char *boundary = cn_study_rows_text(c->rows, c->column++);
    const char *status = cn_study_rows_text(c->rows, c->column++);
    const char *name = cn_study_rows_text(c->rows, c->column++);
    int phase = 0;
    while (phase < CN_REPORT_PHASES && (!name || strcmp(cn_report_phase_names[phase], name) != 0))
        phase++;
    if (run < 0 || phase == CN_REPORT_PHASES || !status)
        return true;
    for (int s = 0; s < r->n_sources; s++) {
        const struct cn_report_source *source = &r->sources[s];
        if (strcmp(source->meter, meter ? meter : "") != 0 ||
            strcmp(source->boundary, boundary ? boundary : "") != 0 ||
            source->modelled != (strcmp(status, "modelled") == 0))
            continue;
        struct cn_report_energy *e = &r->energy[run * r->n_sources + s];
        e->joules[phase] = next_number(c);
        e->net[phase] = next_number(c);
        e->uncertainty[phase] = next_number(c);
        break;
    }
    return true;
}

static enum cn_status load_energy(struct cn_report *r, struct cn_error *err)
{
    CN_TRY(each(r, err, put_source,
                "SELECT meter, boundary, status FROM phases WHERE joules IS NOT NULL AND status IN "
                "('measured', 'modelled') GROUP BY 1, 2, 3 ORDER BY min(channel), 1, 2, 3"));
    size_t n = (size_t)r->n_runs * (size_t)r->n_sources;
    r->energy = malloc((n ? n : 1) * sizeof *r->energy);
    CN_RETURN_IF(!r->energy, CN_ERR_MEMORY, err, "out of memory");
    for (size_t i = 0; i < n; i++)
        for (int p = 0; p < CN_REPORT_PHASES; p++)
            r->energy[i].joules[p] = r->energy[i].net[p] = r->energy[i].uncertainty[p] =
                (double)NAN;
    return each(r, err, put_phase,
                "SELECT run, meter, boundary, status, phase, joules, joules_net, uncertainty FROM "
                "phases WHERE joules IS NOT NULL AND status IN ('measured', 'modelled')");
}

/* Appends ", text" (or "text" to an empty name) as far as there is room. */
__attribute__((format(printf, 3, 4))) static void append(char *name, size_t n_bytes,
                                                         const char *format, ...)
{
    size_t n = strlen(name);
    va_list args;
    if (n)
        n += (size_t)snprintf(name + n, n_bytes - n, ", ");
    if (n >= n_bytes)
        return;
    va_start(args, format);
    vsnprintf(name + n, n_bytes - n, format, args);
    va_end(args);
}

static void name_number(char *name, size_t n_bytes, double v, const char *what, const char *unknown)
{
    if (isnan(v))
        append(name, n_bytes, "%s", unknown);
    else if (v == 1 && strncmp(what, "threads", 7) == 0)
        append(name, n_bytes, "1 thread%s", what + 7);
    else
        append(name, n_bytes, "%.0f %s", v, what);
}

/* A setting's name says what differs between settings, and nothing else. */
static void name_settings(struct cn_report *r)
{
    bool device = false, tiers = false, threads = false, prefill = false, kv = false, lever = false,
         prompt = false, input = false, output = false;
    const struct cn_report_setting *first = r->settings;
    for (int i = 1; i < r->n_settings; i++) {
        const struct cn_report_setting *s = &r->settings[i];
        device |= s->device != first->device;
        tiers |= strcmp(s->tiers, first->tiers) != 0;
        threads |= !same(s->threads, first->threads);
        prefill |= !same(s->threads_prefill, first->threads_prefill);
        kv |= strcmp(s->kv, first->kv) != 0;
        lever |= strcmp(s->lever, first->lever) != 0;
        prompt |= strcmp(s->prompt, first->prompt) != 0;
        input |= !same(s->input_length, first->input_length);
        output |= !same(s->output_length, first->output_length);
    }
    for (int i = 0; i < r->n_settings; i++) {
        struct cn_report_setting *s = &r->settings[i];
        size_t n = sizeof s->rest;
        if (device)
            append(s->rest, n, "%s", s->device < 0 ? "unknown device" : r->devices[s->device].name);
        if (threads)
            name_number(s->rest, n, s->threads, "threads", "all threads");
        if (prefill)
            name_number(s->rest, n, s->threads_prefill, "threads in prefill", "as many in prefill");
        if (kv)
            append(s->rest, n, "KV %s", s->kv);
        if (lever)
            append(s->rest, n, "%s", *s->lever ? s->lever : "no lever");
        if (prompt)
            append(s->rest, n, "prompt %s", s->prompt);
        if (input)
            name_number(s->rest, n, s->input_length, "tokens in", "prompt as it is");
        if (output)
            name_number(s->rest, n, s->output_length, "tokens out", "no limit");
        if (tiers)
            append(s->name, n, "%s", *s->tiers ? s->tiers : "all tiers");
        if (*s->rest)
            append(s->name, n, "%s", s->rest);
    }
}

static int by_block(const void *a, const void *b, void *runs)
{
    const struct cn_report_run *r = runs;
    int64_t x = r[*(const int *)a].block, y = r[*(const int *)b].block;
    return (x > y) - (x < y);
}

static int by_file(const void *a, const void *b)
{
    const struct cn_report_group *x = a, *y = b;
    return x->file != y->file ? x->file - y->file : x->setting - y->setting;
}

static void sort_groups(struct cn_report *r)
{
    if (r->n_groups)
        qsort(r->groups, (size_t)r->n_groups, sizeof *r->groups, by_file);
    for (int g = 0; g < r->n_groups; g++) {
        struct cn_report_group *group = &r->groups[g];
        qsort_r(group->runs, (size_t)group->n_runs, sizeof *group->runs, by_block, r->runs);
        for (int i = 0; i < group->n_runs; i++)
            r->runs[group->runs[i]].group = g;
    }
}

enum cn_status cn_report_load(struct cn_report *r, struct cn_error *err)
{
    r->study = (struct cn_report_study_info){ .name = "", .plan = "", .created_s = (double)NAN };
    CN_TRY(each(r, err, put_study,
                "SELECT name, plan, seed, n_blocks, created_s, (SELECT count(*) FROM runs), "
                "(SELECT count(*) FROM runs WHERE status = 'done'), "
                "(SELECT count(*) FROM runs WHERE status = 'failed'), "
                "(SELECT count(*) FROM runs WHERE status = 'skipped'), (SELECT count(*) FROM runs "
                "WHERE status = 'done' AND command LIKE '% --root %') FROM study"));
    CN_TRY(each(r, err, put_file,
                "SELECT file, model, quant, architecture, sha256, tensor_types, status, reason, "
                "bpw, n_params, n_active_params, file_bytes, tensor_bytes, decode_bytes, "
                "decode_ops FROM files f ORDER BY (SELECT min(file) FROM files g WHERE g.model = "
                "f.model), bpw DESC, quant"));
    CN_TRY(each(r, err, put_device,
                "SELECT device, target, name, tiers FROM devices ORDER BY device"));
    CN_TRY(each(r, err, put_limit,
                "SELECT device, threads, tier, read_gbps, int8_gops, f32_gflops FROM limits ORDER "
                "BY device, tier, threads"));
    CN_TRY(each(r, err, put_quality,
                "SELECT file, measure, text, tokens, ppl, ppl_se, kld_mean, kld_se, kld_p99, "
                "top1_agreement, tasks, accuracy, accuracy_lo, accuracy_hi FROM quality WHERE "
                "status = 'done' ORDER BY measure, text"));
    CN_TRY(
        each(r, err, put_run,
             "SELECT r.run, r.block, c.file, r.device, c.tiers, c.kv, c.lever, p.name, c.threads, "
             "c.threads_prefill, c.input_length, c.output_length, r.threads, r.load_s, "
             "r.prefill_s, r.decode_s, r.sample_s, r.ttft_s, r.latency_s, r.prefill_tps, "
             "r.decode_tps, r.input_tokens, coalesce(r.decoded_tokens, r.output_tokens - 1), "
             "r.peak_bytes, r.model_bytes, "
             "r.kv_bytes, r.other_bytes, r.token_bytes, r.token_kv_bytes, r.token_state_bytes, "
             "r.celsius_max, r.throttled, r.energy_status, "
             "r.energy_reason, r.disturbed, r.carnot, r.governor FROM runs r JOIN cells c USING "
             "(cell) JOIN prompts p USING (prompt) WHERE r.status = 'done' ORDER BY r.run"));
    sort_groups(r);
    name_settings(r);
    return load_energy(r, err);
}

void cn_report_empty(struct cn_report *r)
{
    for (int g = 0; g < r->n_groups; g++)
        free(r->groups[g].runs);
    for (size_t i = 0; i < r->n_texts; i++)
        free(r->texts[i]);
    free(r->texts);
    free(r->files);
    free(r->devices);
    free(r->limits);
    free(r->settings);
    free(r->sources);
    free(r->energy);
    free(r->runs);
    free(r->groups);
    free(r->quality);
    *r = (struct cn_report){ 0 };
}
