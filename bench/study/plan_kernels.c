/* SPDX-License-Identifier: MIT
 *
 * Plans of kernels: `carnot kernels` is what is run, of formats, tiers, shapes and cores.
 */
#include "bench/study/plan_reader.h"

#include "base/error.h"
#include "bench/kernel/kernel_check.h"
#include "quant/quant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum cn_status cn_plan_kernels(struct cn_plan_reader *p)
{
    for (int i = 1; i < p->n_words; i++) {
        if (!cn_format_by_name(p->words[i]))
            return cn_plan_wrong(p, "a format like q4_k expected, '%s' found", p->words[i]);
        CN_TRY(cn_plan_add_word(p, &p->plan->kernels.formats, p->words[i]));
    }
    return CN_OK;
}

enum cn_status cn_plan_shape(struct cn_plan_reader *p)
{
    for (int i = 1; i < p->n_words; i++) {
        long long rows, cols;
        int end = 0;
        if (sscanf(p->words[i], "%lldx%lld%n", &rows, &cols, &end) != 2 || p->words[i][end] ||
            rows < 1 || cols < 32 || cols % 32 || rows > 1 << 20 || cols > 1 << 20)
            return cn_plan_wrong(p,
                                 "ROWSxCOLS expected, as in 2048x8192, columns a multiple of 32; "
                                 "'%s' found",
                                 p->words[i]);
        CN_TRY(cn_plan_add_word(p, &p->plan->kernels.shapes, p->words[i]));
    }
    return CN_OK;
}

enum cn_status cn_plan_cores(struct cn_plan_reader *p)
{
    for (int i = 1; i < p->n_words; i++) {
        const char *word = strcmp(p->words[i], "all") == 0 ? "" : p->words[i];
        if (word[strspn(word, "0123456789,")])
            return cn_plan_wrong(p,
                                 "'all', a core's number or several with commas expected, '%s' "
                                 "found",
                                 word);
        CN_TRY(cn_plan_add_word(p, &p->plan->kernels.cores, word));
    }
    return CN_OK;
}

static bool is_job(const char *word)
{
    for (int i = 0; i < CN_N_JOBS; i++)
        if (strcmp(word, cn_job_name((enum cn_job)i)) == 0)
            return true;
    return false;
}

enum cn_status cn_plan_kernel_list(struct cn_plan_reader *p)
{
    struct cn_study_kernels *k = &p->plan->kernels;
    const bool jobs = strcmp(p->words[0], "job") == 0, tokens = strcmp(p->words[0], "tokens") == 0;
    char list[16 * CN_PLAN_WORDS] = "";
    for (int i = 1; i < p->n_words; i++) {
        const char *word = p->words[i];
        int n;
        if (jobs && !is_job(word))
            return cn_plan_wrong(p, "jobs like gemv or gemm expected, '%s' found", word);
        if (tokens)
            CN_TRY(cn_plan_whole(p, word, 1, 4096, &n));
        if (!jobs && !tokens && strcmp(word, "memory") && strcmp(word, "l1") &&
            strcmp(word, "l2") && strcmp(word, "l3"))
            return cn_plan_wrong(p, "memory, l1, l2 or l3 expected, '%s' found", word);
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i > 1 ? "," : "", word);
    }
    const char **to = jobs ? &k->jobs : tokens ? &k->tokens : &k->caches;
    *to = cn_plan_keep_text(p, list);
    return *to ? CN_OK : cn_plan_no_memory(p);
}

/* Files and prompts stand for formats, and for shapes with cores. */
static enum cn_status add_stand_ins(struct cn_plan_reader *p)
{
    struct cn_study_plan *plan = p->plan;
    const struct cn_study_kernels *k = &plan->kernels;
    enum cn_status status = CN_OK;
    for (size_t i = 0; i < k->formats.n; i++) {
        const struct cn_study_model m = { .label = CN_STUDY_KERNELS,
                                          .quant = k->formats.items[i],
                                          .path = "" };
        if (!cn_plan_grow(p, &plan->models, plan->n_models, sizeof m, &status))
            return status;
        plan->models[plan->n_models++] = m;
    }
    for (size_t i = 0; i < k->shapes.n * k->cores.n; i++) {
        const char *shape = k->shapes.items[i / k->cores.n],
                   *cores = k->cores.items[i % k->cores.n];
        char *name = cn_plan_keep(p, strlen(shape) + strlen(cores) + 16);
        if (!name)
            return cn_plan_no_memory(p);
        sprintf(name, *cores ? "%s cores %s" : "%s", shape, cores);
        const struct cn_study_prompt prompt = { .name = name, .text = cores };
        if (!cn_plan_grow(p, &plan->prompts, plan->n_prompts, sizeof prompt, &status))
            return status;
        plan->prompts[plan->n_prompts++] = prompt;
    }
    return CN_OK;
}

static bool has_levers(const struct cn_study_plan *plan)
{
    for (int k = 0; k < CN_N_LEVERS; k++)
        if (plan->levels[k].n)
            return true;
    return false;
}

enum cn_status cn_plan_complete_kernels(struct cn_plan_reader *p)
{
    struct cn_study_plan *plan = p->plan;
    const char *name = p->source->name;
    CN_RETURN_IF(plan->n_models || plan->quants.n || plan->n_prompts || plan->n_quality ||
                     plan->n_inputs || plan->n_outputs || plan->fill || plan->kvs.n || plan->chat ||
                     has_levers(plan) || plan->keep_traces,
                 CN_ERR_FORMAT, p->err,
                 "%s: a plan of kernels runs no models: lines model, file, quant, prompt, ids, "
                 "input, output, fill, kv, draft, lookup, mtp, lanes, frequency, governor, "
                 "power-limit, chat, traces and quality have no place in it",
                 name);
    p->words[0] = (char[]){ "plan" };
    if (!plan->kernels.shapes.n)
        CN_TRY(cn_plan_add_word(p, &plan->kernels.shapes, "2048x4096"));
    if (!plan->kernels.cores.n)
        CN_TRY(cn_plan_add_word(p, &plan->kernels.cores, ""));
    return add_stand_ins(p);
}
