/* SPDX-License-Identifier: MIT
 *
 * carnot machine --energy and --predict: joules of a machine as a sum of four terms.
 */
#include "cli/commands/machine.h"
#include "cli/lists.h"

#include "base/temporary.h"
#include "bench/machine/energy_sweep.h"
#include "engine/tools.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Formats of different sizes and kinds; one that needs no unpacking is among them. */
static const char *const types[] = { "Q8_0", "Q6_K", "Q4_K_M", "Q4_0", "Q2_K" };
/* Wide rows, a small vocabulary; three layers of it are beyond most caches. */
static const char shape[] = "granite-3-2b";

enum { N_TYPES = sizeof types / sizeof *types, LAYERS = 3, PREFILL = 256, ROUNDS = 3 };

static bool cancelled(void *user)
{
    (void)user;
    return cn_interrupted();
}

static void progress(void *user, double done, double total)
{
    cn_progress(user ? user : "energy", done, total);
}

/* ---- the models of the sweep ----------------------------------------------------------------- */

struct made {
    char folder[512];
    char *paths[N_TYPES];
    int n;
};

static int make(struct made *m)
{
    struct cn_error why = { "" };
    if (cn_temporary_folder(m->folder, sizeof m->folder, "", &why) != CN_OK)
        return cn_die("the sweep's models: %s", why.text);
    for (int i = 0; i < N_TYPES; i++) {
        static char what[] = "making models";
        struct cn_synth_options o = { .shape = shape,
                                      .type = types[i],
                                      .n_layers = LAYERS,
                                      .seed = 1,
                                      .user = what,
                                      .progress = progress,
                                      .cancel = cancelled };
        struct cn_file_result result;
        struct cn_error err = { "" };
        if (asprintf(&m->paths[m->n], "%s/%s.gguf", m->folder, types[i]) < 0)
            return cn_die("out of memory");
        m->n++;
        if (cn_synth_file(m->paths[i], &o, &result, &err) != CN_OK)
            return cn_die("%s", err.text);
    }
    return -1;
}

static void unmake(struct made *m)
{
    for (int i = 0; i < m->n; i++) {
        unlink(m->paths[i]);
        free(m->paths[i]);
    }
    rmdir(m->folder);
}

/* ---- the table ------------------------------------------------------------------------------- */

static struct cn_table *columns(bool sweep, const char *joules)
{
    struct cn_table *t = cn_table_create("energy");
    if (!t)
        return NULL;
    cn_table_column(t, "model", sweep ? NULL : "model", -1);
    cn_table_column(t, "file_type", "type", -1);
    cn_table_column(t, "threads", "threads", -1);
    cn_table_column(t, "test", "test", -1);
    cn_table_column(t, "role", sweep ? "role" : NULL, -1);
    cn_table_column(t, "ms_per_token", "ms/token", 3);
    cn_table_column(t, "bytes_per_token", NULL, -1);
    cn_table_column(t, "int8_ops_per_token", NULL, -1);
    cn_table_column(t, "unpacked_per_token", NULL, -1);
    cn_table_column(t, "j_per_token", sweep ? joules : NULL, 5);
    cn_table_column(t, "j_uncertainty", sweep ? "±" : NULL, 5);
    cn_table_column(t, "j_predicted", "J/token modelled", 5);
    cn_table_column(t, "j_predicted_lo", "95% from", 5);
    cn_table_column(t, "j_predicted_hi", "to", 5);
    cn_table_column(t, "error_percent", sweep ? "error %" : NULL, 2);
    cn_table_column(t, "energy_status", NULL, -1);
    cn_table_column(t, "energy_reason", sweep ? NULL : "reason", -1);
    cn_table_column(t, "static_w", NULL, -1);
    cn_table_column(t, "pj_per_byte", NULL, -1);
    cn_table_column(t, "pj_per_int8_op", NULL, -1);
    cn_table_column(t, "pj_per_unpack", NULL, -1);
    cn_table_column(t, "meter", NULL, -1);
    cn_table_column(t, "boundary", NULL, -1);
    cn_table_column(t, "cpu", NULL, -1);
    return t;
}

static void put_model(struct cn_table *t, const struct cn_energy_model *m)
{
    cn_table_f64(t, "static_w", m->coef[0]);
    cn_table_f64(t, "pj_per_byte", 1e12 * m->coef[1]);
    cn_table_f64(t, "pj_per_int8_op", 1e12 * m->coef[2]);
    cn_table_f64(t, "pj_per_unpack", 1e12 * m->coef[3]);
    cn_table_str(t, "meter", m->meter);
    cn_table_str(t, "boundary", m->boundary);
    cn_table_str(t, "cpu", m->cpu[0] ? m->cpu : NULL);
}

static void put_point(struct cn_table *t, const struct cn_sweep_point *p, const char *path,
                      const struct cn_energy_model *m, bool modelled)
{
    double per = 1 / (double)p->tokens;
    cn_table_row(t);
    cn_table_str(t, "model", path);
    cn_table_str(t, "file_type", p->file_type);
    cn_table_i64(t, "threads", p->threads);
    cn_table_str(t, "test", p->decode ? "decode" : "prefill");
    cn_table_str(t, "role", p->floats ? "left out" : p->held_out ? "held out" : "fitted");
    cn_table_f64(t, "ms_per_token", 1e3 * p->took.x[0] * per);
    cn_table_f64(t, "bytes_per_token", p->took.x[1] * per);
    cn_table_f64(t, "int8_ops_per_token", p->took.x[2] * per);
    cn_table_f64(t, "unpacked_per_token", p->took.x[3] * per);
    bool known = isfinite(p->joules);
    cn_table_str(t, "energy_status",
                 cn_energy_status_name(!known     ? CN_ENERGY_UNRESOLVED
                                       : modelled ? CN_ENERGY_MODELLED
                                                  : CN_ENERGY_MEASURED));
    if (known)
        cn_table_f64(t, "j_per_token", p->joules * per);
    else
        cn_table_null(t, "j_per_token", "unresolved");
    cn_table_f64(t, "j_uncertainty", p->uncertainty * per);
    if (!m)
        return;
    cn_table_f64(t, "j_predicted", p->predicted * per);
    cn_table_f64(t, "j_predicted_lo", (p->predicted - p->half) * per);
    cn_table_f64(t, "j_predicted_hi", (p->predicted + p->half) * per);
    cn_table_f64(t, "error_percent", 100 * (p->predicted / p->joules - 1));
    put_model(t, m);
}

static void print_model(const struct cn_energy_model *m)
{
    static const char *const names[] = { "static", "byte read", "int8 operation",
                                         "weight unpacked" };
    printf(
        "\nJ = a x seconds + b x bytes read + c x int8 operations + d x weights unpacked, modelled "
        "for the\nboundary '%s', by %s:\n\n",
        m->boundary, m->meter);
    for (int i = 0; i < CN_MODEL_TERMS; i++) {
        double unit = i ? 1e12 : 1, half = m->t95 * sqrt(m->cov[i][i]);
        printf("  %-16s %9.4g", names[i], unit * m->coef[i]);
        if (m->coef[i] > 0)
            printf(" ± %.2g %s\n", unit * half, i ? "pJ" : "W");
        else
            printf(" %s (held at 0: it came out below)\n", i ? "pJ" : "W");
    }
    printf("\n%d configurations fitted, %d held out", m->n_fitted, m->n_held_out);
    if (m->n_held_out)
        printf(", predicted within %.1f%%", 100 * m->held_out_error);
    printf(".\n");
}

/* ---- the sweep ------------------------------------------------------------------------------- */

static int report(const struct cn_machine_energy *a, struct cn_sweep *sweep,
                  const struct cn_profiler *profiler, const char *const *models)
{
    const struct cn_meter_info *meter = cn_profiler_channel(profiler, 0);
    const char *why, *unknown;
    struct cn_energy_model m;
    struct cn_profiler_error err;
    int n;
    struct cn_sweep_point *points = cn_sweep_price(sweep, profiler, &n, &unknown);
    bool ok = cn_energy_fit(points, n, &m, &why);
    snprintf(m.meter, sizeof m.meter, "%s", meter->name);
    snprintf(m.boundary, sizeof m.boundary, "%s", meter->boundary);
    snprintf(m.cpu, sizeof m.cpu, "%s", a->cpu);
    struct cn_table *t = columns(true, meter->modelled ? "J/token by modelled meter" : "J/token");
    if (!t)
        return cn_die("out of memory");
    for (int i = 0; i < n; i++)
        put_point(t, &points[i], models[points[i].model], ok ? &m : NULL, meter->modelled);
    const int printed = cn_result_table(t, a->format);
    cn_table_free(t);
    if (ok && a->format == CN_TABLE_MD)
        print_model(&m);
    if (printed != CN_EXIT_OK)
        return printed;
    if (!ok)
        return cn_die("no energy model: %s", unknown ? unknown : why);
    if (a->save && cn_energy_model_save(&m, a->save, &err) != 0)
        return cn_die("%s", err.text);
    return CN_EXIT_OK;
}

static int sweep(const struct cn_machine_energy *a, const char *const *models, int n_models,
                 struct cn_profiler *profiler)
{
    struct cn_sweep_options o = { .models = models,
                                  .n_models = n_models,
                                  .threads = a->threads,
                                  .n_threads = a->n_threads,
                                  .n_prefill = PREFILL,
                                  .n_decode = PREFILL,
                                  .n_rounds = ROUNDS,
                                  .seconds = a->seconds,
                                  .tiers = a->tiers,
                                  .profiler = profiler,
                                  .progress = progress,
                                  .cancel = cancelled };
    struct cn_sweep *s = NULL;
    struct cn_error err = { "" };
    struct cn_profiler_error profiler_err = { "" };
    if (cn_profiler_start(profiler, &profiler_err) != 0)
        return cn_die("%s", profiler_err.text);
    enum cn_status status = cn_sweep_run(&o, &s, &err);
    cn_progress("energy", 1, 1);
    if (cn_profiler_stop(profiler, &profiler_err) != 0)
        cn_warn("%s", profiler_err.text);
    if (status != CN_OK)
        return cn_die("%s", err.text[0] ? err.text : cn_status_name(status));
    const char *disturbance = cn_profiler_disturbance(profiler);
    if (disturbance)
        cn_warn("the machine was not quiet: %s", disturbance);
    int code = report(a, s, profiler, models);
    cn_sweep_free(s);
    return code;
}

int cn_machine_energy(const struct cn_machine_energy *a)
{
    struct cn_profiler_options o = { .root = a->root, .meter = a->meter, .force = a->force_meter };
    struct cn_profiler_error err;
    struct cn_profiler *profiler = cn_profiler_create(&o, &err);
    if (!profiler)
        return cn_meter_refused(err.text);
    const struct cn_meter_info *meter = cn_profiler_channel(profiler, 0);
    struct made made = { .n = 0 };
    const char *models[N_TYPES];
    int code = -1;
    if (!meter->ok)
        code = cn_die("--energy: unsupported: %s%s%s", meter->reason, meter->remedy[0] ? "; " : "",
                      meter->remedy);
    else if (a->models->n)
        code = sweep(a, a->models->items, (int)a->models->n, profiler);
    else if ((code = make(&made)) < 0) {
        for (int i = 0; i < N_TYPES; i++)
            models[i] = made.paths[i];
        code = sweep(a, models, N_TYPES, profiler);
    }
    if (made.folder[0])
        unmake(&made);
    cn_profiler_free(profiler);
    return code;
}

/* ---- what was not run ------------------------------------------------------------------------ */

static void predict(struct cn_table *t, const struct cn_energy_model *m, const char *path,
                    const struct cn_model *model)
{
    for (int i = 0; i < m->n_times; i++)
        for (int decode = 0; decode < 2; decode++) {
            struct cn_prediction p;
            const char *why = NULL;
            cn_table_row(t);
            cn_table_str(t, "model", path);
            cn_table_str(t, "file_type", cn_model_get_info(model)->file_type);
            cn_table_i64(t, "threads", m->times[i].n_threads);
            cn_table_str(t, "test", decode ? "decode" : "prefill");
            cn_table_str(t, "role", "predicted");
            put_model(t, m);
            if (!cn_energy_predict(m, model, decode, PREFILL, m->times[i].n_threads, &p, &why)) {
                cn_table_str(t, "energy_status", "unsupported");
                cn_table_str(t, "energy_reason", why);
                cn_table_null(t, "j_predicted", "unsupported");
                continue;
            }
            cn_table_str(t, "energy_status", "modelled");
            cn_table_f64(t, "ms_per_token", 1e3 * p.s_per_token);
            cn_table_f64(t, "j_predicted", p.j_per_token);
            cn_table_f64(t, "j_predicted_lo", p.j_lo);
            cn_table_f64(t, "j_predicted_hi", p.j_hi);
        }
}

int cn_machine_predict(const struct cn_machine_energy *a)
{
    struct cn_energy_model m;
    struct cn_profiler_error err;
    if (cn_energy_model_load(a->predict, &m, &err) != 0)
        return cn_die("%s", err.text);
    struct cn_table *t = columns(false, "");
    if (!t)
        return cn_die("out of memory");
    const char *only = cn_default_model();
    const char *const *paths = a->models->n ? a->models->items : &only;
    int code = CN_EXIT_OK;
    for (size_t i = 0; i < (a->models->n ? a->models->n : 1) && code == CN_EXIT_OK; i++) {
        struct cn_model_options options = { .tiers = a->tiers };
        struct cn_model *model;
        struct cn_error model_err;
        if (cn_model_open(paths[i], &options, &model, &model_err) != CN_OK) {
            code = cn_die("%s", model_err.text);
            break;
        }
        predict(t, &m, paths[i], model);
        cn_model_close(model);
    }
    if (code == CN_EXIT_OK)
        code = cn_result_table(t, a->format);
    if (code == CN_EXIT_OK && a->format == CN_TABLE_MD)
        printf("\nNothing was run: time and joules are modelled from the configurations of %s\n"
               "(boundary '%s', by %s), with empty caches of keys; prefill of %d tokens.\n",
               a->predict, m.boundary, m.meter, PREFILL);
    cn_table_free(t);
    return code;
}
