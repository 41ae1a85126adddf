/* SPDX-License-Identifier: MIT
 *
 * What a run can be made cheaper by, besides its file and its threads: guesses, several texts at a
 * time, and limits of the machine. Each kind is a line of the plan; a cell has one lever, which
 * joins a level of each.
 */
#include "bench/study/plan_reader.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MOST_LOOKUP = 15 };

/* One more level of a kind; "none" is one, too. */
static enum cn_status add_level(struct cn_plan_reader *p, enum cn_study_lever_kind kind,
                                const struct cn_study_lever *level)
{
    struct cn_study_levels *levels = &p->plan->levels[kind];
    enum cn_status status = CN_OK;
    for (size_t i = 0; i < levels->n; i++)
        if (strcmp(levels->items[i].name, level->name) == 0)
            return cn_plan_wrong(p, "'%s' is there twice", *level->name ? level->name : "none");
    if (cn_plan_grow(p, &levels->items, levels->n, sizeof *level, &status))
        levels->items[levels->n++] = *level;
    return status;
}

__attribute__((format(printf, 3, 4))) static enum cn_status
name_level(struct cn_plan_reader *p, struct cn_study_lever *level, const char *format, ...)
{
    char text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    level->name = cn_plan_keep_text(p, text);
    return level->name ? CN_OK : cn_plan_no_memory(p);
}

static enum cn_status read_level(struct cn_plan_reader *p, enum cn_study_lever_kind kind,
                                 const char *word, struct cn_study_lever *l)
{
    const char *slash = strrchr(word, '/');
    switch (kind) {
    case CN_LEVER_DRAFT:
        CN_TRY(cn_plan_path(p, word, &l->draft));
        l->line = p->line;
        return name_level(p, l, "draft %.100s", slash ? slash + 1 : word);
    case CN_LEVER_LOOKUP:
        CN_TRY(cn_plan_whole(p, word, 1, MOST_LOOKUP, &l->lookup));
        return name_level(p, l, "lookup %d", l->lookup);
    case CN_LEVER_MTP:
        if (strcmp(word, "own") != 0)
            return cn_plan_wrong(p, "none or own expected, '%s' found", word);
        l->mtp = true;
        return name_level(p, l, "mtp");
    case CN_LEVER_LANES:
        CN_TRY(cn_plan_whole(p, word, 2, CN_MAX_LANES, &l->lanes));
        return name_level(p, l, "lanes %d", l->lanes);
    case CN_LEVER_FREQUENCY:
        CN_TRY(cn_plan_number(p, word, 1, 1e6, &l->mhz));
        return name_level(p, l, "%.6g MHz", l->mhz);
    case CN_LEVER_GOVERNOR:
        CN_TRY(cn_plan_label(p, word, &l->governor));
        return name_level(p, l, "governor %s", l->governor);
    case CN_LEVER_POWER_LIMIT:
        CN_TRY(cn_plan_number(p, word, 0.1, 1e5, &l->watts));
        return name_level(p, l, "%.6g W", l->watts);
    case CN_N_LEVERS:
        break;
    }
    return CN_OK;
}

static const char *const keys[CN_N_LEVERS] = { "draft",     "lookup",   "mtp",        "lanes",
                                               "frequency", "governor", "power-limit" };

enum cn_status cn_plan_lever(struct cn_plan_reader *p)
{
    enum cn_study_lever_kind kind = CN_LEVER_DRAFT;
    while (strcmp(keys[kind], p->words[0]) != 0)
        kind++;
    for (int i = 1; i < p->n_words; i++) {
        struct cn_study_lever level = { .name = "" };
        if (strcmp(p->words[i], "none") != 0)
            CN_TRY(read_level(p, kind, p->words[i], &level));
        CN_TRY(add_level(p, kind, &level));
    }
    return CN_OK;
}

/* Adds to *l what a level of one kind sets. */
static enum cn_status join(struct cn_plan_reader *p, struct cn_study_lever *l,
                           const struct cn_study_lever *level)
{
    if (!*level->name)
        return CN_OK;
    const char *before = l->name;
    l->draft = level->draft ? level->draft : l->draft;
    l->line = level->draft ? level->line : l->line;
    l->lookup = level->lookup ? level->lookup : l->lookup;
    l->mtp |= level->mtp;
    l->lanes = level->lanes ? level->lanes : l->lanes;
    l->mhz = level->mhz > 0 ? level->mhz : l->mhz;
    l->governor = level->governor ? level->governor : l->governor;
    l->watts = level->watts > 0 ? level->watts : l->watts;
    return *before ? name_level(p, l, "%s, %s", before, level->name)
                   : name_level(p, l, "%s", level->name);
}

enum cn_status cn_plan_complete_levers(struct cn_plan_reader *p)
{
    struct cn_study_plan *plan = p->plan;
    size_t n = 1;
    enum cn_status status = CN_OK;
    for (int k = 0; k < CN_N_LEVERS; k++) {
        const struct cn_study_lever none = { .name = "" };
        if (plan->levels[k].n == 0)
            CN_TRY(add_level(p, (enum cn_study_lever_kind)k, &none));
        n *= plan->levels[k].n;
        CN_RETURN_IF(
            n > CN_PLAN_LEVELS * CN_PLAN_LEVELS, CN_ERR_FORMAT, p->err,
            "%s: at most %d combinations of draft, lookup, mtp, lanes, frequency, governor "
            "and power-limit expected",
            p->source->name, CN_PLAN_LEVELS);
    }
    for (size_t i = 0; i < n && status == CN_OK; i++) {
        struct cn_study_lever lever = { .name = "" };
        size_t each = n, left = i;
        for (int k = 0; k < CN_N_LEVERS; k++) {
            each /= plan->levels[k].n;
            CN_TRY(join(p, &lever, &plan->levels[k].items[left / each]));
            left %= each;
        }
        /* Guesses come from one place, and are of one text. */
        if ((lever.draft != NULL) + (lever.lookup > 0) + lever.mtp + (lever.lanes > 0) > 1)
            continue;
        if (cn_plan_grow(p, &plan->levers, plan->n_levers, sizeof lever, &status))
            plan->levers[plan->n_levers++] = lever;
    }
    return status;
}
