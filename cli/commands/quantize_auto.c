/* SPDX-License-Identifier: MIT */
#include "cli/commands/quantize_auto.h"

#include "quant/quant.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool cn_quantize_auto_given(const struct cn_quantize_auto *a)
{
    return a->bpw > 0 || a->size || a->sensitivity || a->families || a->seconds > 0;
}

bool cn_size_parse(const char *text, uint64_t *bytes)
{
    static const char prefixes[] = "kMGT";
    char *end;
    if (!isdigit((unsigned char)text[0]) || strpbrk(text, "xXpP"))
        return false;
    double value = strtod(text, &end), unit = 1;
    const char *prefix = *end ? strchr(prefixes, *end == 'K' ? 'k' : *end) : NULL;
    if (prefix) {
        bool binary = end[1] == 'i';
        unit = pow(binary ? 1024 : 1000, (double)(prefix - prefixes + 1));
        end += binary ? 2 : 1;
    }
    if (*end == 'B')
        end++;
    value = floor(value * unit);
    if (*end || !(value >= 1) || value > 0x1p62)
        return false;
    *bytes = (uint64_t)value;
    return true;
}

static void show_progress(void *user, const char *what, double done, double total)
{
    (void)user;
    cn_progress(what, done, total);
}

static bool interrupted(void *user)
{
    (void)user;
    return cn_interrupted();
}

static bool print_plan(const struct cn_auto_plan *plan, enum cn_table_format format)
{
    struct cn_table *t = cn_table_create("quantize_auto");
    if (!t)
        return false;
    cn_table_column(t, "tensor", "tensor", -1);
    cn_table_column(t, "shape", "shape", -1);
    cn_table_column(t, "type", "type", -1);
    cn_table_column(t, "chosen", NULL, -1);
    cn_table_column(t, "bytes", "bytes", -1);
    cn_table_column(t, "bpw", "bpw", 4);
    cn_table_column(t, "loss", NULL, -1);
    cn_table_column(t, "loss_share", "loss %", 2);
    for (size_t i = 0; i < plan->n_tensors; i++) {
        const struct cn_auto_tensor *tensor = &plan->tensors[i];
        char shape[96] = "";
        for (int d = 0; d < tensor->n_dims; d++) {
            size_t n = strlen(shape);
            snprintf(shape + n, sizeof shape - n, "%s%lld", d ? " x " : "",
                     (long long)tensor->ne[d]);
        }
        cn_table_row(t);
        cn_table_str(t, "tensor", tensor->name);
        cn_table_str(t, "shape", shape);
        cn_table_str(t, "type", tensor->type);
        cn_table_bool(t, "chosen", tensor->chosen);
        cn_table_i64(t, "bytes", (int64_t)tensor->bytes);
        cn_table_f64(t, "bpw", tensor->bpw);
        cn_table_f64(t, "loss", tensor->loss);
        cn_table_f64(t, "loss_share", plan->loss > 0 ? 100 * tensor->loss / plan->loss : 0);
    }
    const int code = cn_result_table(t, format);
    cn_table_free(t);
    return code == CN_EXIT_OK && fflush(stdout) == 0;
}

static void summarise(const struct cn_auto_plan *plan)
{
    bool kl = plan->sensitivity == CN_SENSITIVITY_KL;
    if (plan->why)
        cn_warn("chosen by the matrices' errors, not by divergence: %s", plan->why);
    cn_say("plan: %.4f bits per weight, file of %zu bytes, predicted ", plan->bpw,
           plan->file_bytes);
    if (kl)
        cn_say("divergence %.5f nats (%d probes%s, on %s)\n", plan->loss, plan->n_probes,
               plan->classes ? " of classes" : "",
               plan->given_text ? "text of the importance matrix" : "text of the model's own");
    else
        cn_say("sum of relative errors %.5f\n", plan->loss);
}

/* "k,iqk" as bits; false: it is no list of families. */
static bool parse_families(const char *text, uint32_t *families)
{
    static const struct {
        const char *name;
        enum cn_family family;
    } names[] = {
        {"k",    CN_FAMILY_K  },
        { "iq",  CN_FAMILY_IQ },
        { "iqk", CN_FAMILY_IQK},
        { "kt",  CN_FAMILY_KT }
    };
    enum { N = sizeof names / sizeof *names };
    for (*families = 0;; text++) {
        const size_t n = strcspn(text, ",");
        int i = 0;
        while (i < N && (strlen(names[i].name) != n || strncasecmp(text, names[i].name, n) != 0))
            i++;
        if (i == N)
            return false;
        *families |= 1u << names[i].family;
        text += n;
        if (!*text)
            return true;
    }
}

static bool take_options(const struct cn_quantize_auto *a, struct cn_auto_options *o)
{
    o->bpw = a->bpw;
    o->seconds = a->seconds;
    if ((a->bpw > 0) == (a->size != NULL)) {
        cn_usage_error("auto needs one of --bpw B and --size BYTES");
        return false;
    }
    if (a->size && !cn_size_parse(a->size, &o->file_bytes)) {
        cn_usage_error("--size: bytes expected, like 734003200, 700M, 4.2G or 4Gi, found '%s'",
                       a->size);
        return false;
    }
    if (a->families && !parse_families(a->families, &o->families)) {
        cn_usage_error("--families: some of k,iq,iqk,kt expected, found '%s'", a->families);
        return false;
    }
    if (!a->sensitivity)
        o->sensitivity = CN_SENSITIVITY_AUTO;
    else if (strcmp(a->sensitivity, "kl") == 0)
        o->sensitivity = CN_SENSITIVITY_KL;
    else if (strcmp(a->sensitivity, "error") == 0)
        o->sensitivity = CN_SENSITIVITY_ERROR;
    else {
        cn_usage_error("--sensitivity: kl or error expected, found '%s'", a->sensitivity);
        return false;
    }
    return true;
}

int cn_quantize_auto_plan(const char *in, const char *out, const struct cn_quantize_auto *a,
                          struct cn_quantize_options *o, enum cn_table_format format,
                          struct cn_auto_plan *plan)
{
    struct cn_error err = { "" };
    struct cn_auto_options options = {
        .out = o->dry_run ? NULL : out,
        .file = *o,
        .progress = show_progress,
        .cancel = interrupted,
    };
    if (!take_options(a, &options))
        return CN_EXIT_USAGE;
    enum cn_status status = cn_auto_plan_make(in, &options, plan, &err);
    cn_progress("", 1, 1); /* ends the line */
    if (status != CN_OK)
        return cn_die("%s", err.text);
    const bool printed = print_plan(plan, format);
    summarise(plan);
    o->type = plan->file_type;
    o->choices = plan->choices;
    o->n_choices = plan->n_choices;
    return printed ? -1 : CN_EXIT_FAILED;
}
