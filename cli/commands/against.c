/* SPDX-License-Identifier: MIT */
#include "cli/commands/against.h"

#include "base/child.h"
#include "base/error.h"
#include "cli/cli.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void progress(void *user, double done, double total)
{
    (void)user;
    cn_progress("against", done < total ? done : total, total);
}

static bool interrupted(void *user)
{
    (void)user;
    return cn_interrupted();
}

struct cn_duel_options cn_against_options(const struct cn_against *a)
{
    return (struct cn_duel_options){ .margin = a->margin / 100,
                                     .seconds = a->seconds > 0 ? a->seconds : CN_AGAINST_SECONDS,
                                     .seed = a->seed,
                                     .progress = progress,
                                     .cancel = interrupted };
}

const char *cn_against_self(char *path, size_t n)
{
    ssize_t length = readlink("/proc/self/exe", path, n - 1);
    path[length > 0 ? length : 0] = 0;
    return path;
}

void cn_against_version(const char *program, char *text, size_t n)
{
    const char *const argv[] = { program, "--version", NULL };
    int status;
    if (cn_child_run(argv, 5000, text, n, &status) < 0 || status != 0)
        text[0] = 0;
    text[strcspn(text, "\n")] = 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

enum cn_status cn_against_read(const struct cn_dataset *table, size_t row, const char *const *names,
                               size_t n, const char *metric, struct cn_duel_reading *reading,
                               struct cn_error *err)
{
    for (size_t i = 0; i < n; i++) {
        const char *text = cn_dataset_at(table, row, names[i])->text;
        CN_RETURN_IF(!text, CN_ERR_FORMAT, err, "a column '%s' expected in its table, none found",
                     names[i]);
        snprintf(reading->keys[i], sizeof reading->keys[i], "%s", text);
    }
    int64_t c = cn_dataset_column(table, metric, strlen(metric));
    CN_RETURN_IF(c < 0, CN_ERR_FORMAT, err, "a column '%s' expected in its table, none found",
                 metric);
    reading->figure = cn_dataset_cell(table, row, (size_t)c)->number;
    return CN_OK;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static struct cn_table *verdict_table(const struct cn_against *a, const struct cn_duel_options *o)
{
    struct cn_table *t = cn_table_create("against");
    if (!t)
        return NULL;
    for (size_t i = 0; i < o->n_keys; i++)
        cn_table_column(t, o->keys[i], o->keys[i], -1);
    cn_table_column(t, "against", o->n_rivals > 2 ? "against" : NULL, -1);
    cn_table_column(t, "metric", NULL, -1);
    cn_table_column(t, "rounds", "rounds", -1);
    cn_table_column(t, "figure", NULL, -1);
    cn_table_column(t, "figure_against", NULL, -1);
    cn_table_column(t, "shown", o->rivals[0].name, 2);
    cn_table_column(t, "shown_against", o->n_rivals > 2 ? a->title : o->rivals[1].name, 2);
    cn_table_column(t, "ratio", "ratio", 3);
    cn_table_column(t, "ratio_lo", "from", 3);
    cn_table_column(t, "ratio_hi", "to", 3);
    cn_table_column(t, "margin", NULL, -1);
    cn_table_column(t, "confidence", NULL, -1);
    cn_table_column(t, "verdict", "verdict", -1);
    cn_table_column(t, "sentence", NULL, -1);
    return t;
}

static void put_keys(struct cn_table *t, const struct cn_duel *d, size_t row)
{
    const struct cn_duel_options *o = d->options;
    cn_table_row(t);
    for (size_t i = 0; i < o->n_keys; i++)
        cn_table_str(t, o->keys[i], d->rows[row].reading.keys[i]);
}

static void put_verdict(struct cn_table *t, const struct cn_against *a, const struct cn_duel *d,
                        size_t row, size_t k)
{
    const struct cn_duel_options *o = d->options;
    const struct cn_sequential *s = &d->rows[row].judged[k];
    const double ours = cn_duel_median(d, row, 0), theirs = cn_duel_median(d, row, k);
    const bool both = d->rows[row].both[k];
    char sentence[512];
    put_keys(t, d, row);
    cn_table_str(t, "against", o->rivals[k].name);
    cn_table_str(t, "metric", a->metric);
    cn_table_i64(t, "rounds", both ? (int64_t)s->n : 0);
    cn_table_f64(t, "figure", ours);
    cn_table_f64(t, "figure_against", theirs);
    cn_table_f64(t, "shown", a->scale * ours);
    cn_table_f64(t, "shown_against", a->scale * theirs);
    cn_table_f64(t, "ratio", both ? s->ratio : (double)NAN);
    cn_table_f64(t, "ratio_lo", both ? s->lo : (double)NAN);
    cn_table_f64(t, "ratio_hi", both ? s->hi : (double)NAN);
    cn_table_f64(t, "margin", o->margin);
    cn_table_f64(t, "confidence", 1 - CN_SEQUENTIAL_ALPHA);
    cn_table_str(t, "verdict", both ? cn_sequential_name(s->verdict) : "not compared");
    cn_duel_sentence(d, row, k, sentence, sizeof sentence);
    cn_table_str(t, "sentence", sentence);
}

static struct cn_table *sample_table(const struct cn_against *a, const struct cn_duel *duels,
                                     size_t n)
{
    const struct cn_duel_options *o = duels[0].options;
    struct cn_table *t = cn_table_create("rounds");
    if (!t)
        return NULL;
    cn_table_column(t, "program", "program", -1);
    cn_table_column(t, "round", "round", -1);
    for (size_t i = 0; i < o->n_keys; i++)
        cn_table_column(t, o->keys[i], o->keys[i], -1);
    cn_table_column(t, a->metric, a->metric, 0);
    for (size_t i = 0; i < n; i++)
        for (size_t row = 0; row < duels[i].n_rows; row++)
            for (size_t round = 0; round < duels[i].n_rounds; round++)
                for (size_t k = 0; k < o->n_rivals; k++) {
                    put_keys(t, &duels[i], row);
                    cn_table_str(t, "program", o->rivals[k].name);
                    cn_table_i64(t, "round", (int64_t)round + 1);
                    cn_table_f64(t, a->metric, cn_duel_figure(&duels[i], row, k, round));
                }
    return t;
}

/* "q4_k avx2 gemv: slower than ...". Keys that say the same in all rows of all duels stand for
 * nothing. */
static void print_sentence(const struct cn_duel *duels, size_t n, const struct cn_duel *d,
                           size_t row, size_t k)
{
    const struct cn_duel_options *o = d->options;
    const char *space = "";
    char sentence[512];
    for (size_t i = 0; i < o->n_keys; i++) {
        const char *value = d->rows[row].reading.keys[i];
        const bool number = value[strspn(value, "0123456789.")] == 0;
        bool differs = !number && strcmp(o->keys[i], "model") != 0;
        for (size_t j = 0; j < n && !differs; j++)
            for (size_t r = 0; r < duels[j].n_rows && !differs; r++)
                differs = strcmp(duels[j].rows[r].reading.keys[i], value) != 0;
        if (!differs)
            continue;
        printf("%s%s%s%s", space, number ? o->keys[i] : "", number ? " " : "", value);
        space = " ";
    }
    cn_duel_sentence(d, row, k, sentence, sizeof sentence);
    printf("%s%s.\n", *space ? ": " : "", sentence);
}

static void print_sentences(const struct cn_against *a, const struct cn_duel *duels, size_t n)
{
    const struct cn_duel_options *o = duels[0].options;
    double seconds = 0;
    size_t rounds = 0;
    printf("\n");
    for (size_t i = 0; i < n; i++) {
        for (size_t row = 0; row < duels[i].n_rows; row++)
            for (size_t k = 1; k < o->n_rivals; k++)
                print_sentence(duels, n, &duels[i], row, k);
        seconds += duels[i].seconds;
        rounds += duels[i].n_rounds;
    }
    printf("\n%s, medians of %zu rounds in %.0f s; ratios are %s by the other. With a chance of "
           "%.0f%% all their intervals,\nas wide as it takes to look often and at many rows, hold "
           "the truth.\n",
           a->title, rounds, seconds, o->rivals[0].name, 100 * (1 - CN_SEQUENTIAL_ALPHA));
}

int cn_against_print(const struct cn_against *a, const struct cn_duel *duels, size_t n)
{
    const struct cn_duel_options *o = duels[0].options;
    struct cn_table *t =
        a->samples ? sample_table(a, duels, n) : verdict_table(a, duels[0].options);
    struct cn_error err = { "" };
    bool slower = false;
    if (!t)
        return cn_die("out of memory");
    for (size_t i = 0; i < n; i++)
        for (size_t row = 0; row < duels[i].n_rows; row++)
            for (size_t k = 1; k < o->n_rivals; k++) {
                slower |= duels[i].rows[row].judged[k].verdict == CN_SEQUENTIAL_SLOWER;
                if (!a->samples)
                    put_verdict(t, a, &duels[i], row, k);
            }
    int code = cn_result_table(t, a->format);
    if (code == CN_EXIT_OK && a->format == CN_TABLE_MD && !a->samples)
        print_sentences(a, duels, n);
    if (code == CN_EXIT_OK && a->save && cn_table_save(t, a->save, &err) != CN_OK)
        code = cn_die("%s", err.text);
    cn_table_free(t);
    return code == CN_EXIT_OK && slower ? CN_EXIT_SLOWER : code;
}
