/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/table.h"
#include "cli/cli.h"
#include "cli/commands/quantize_auto.h"
#include "cli/outputs.h"
#include "engine/tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static const struct cn_usage usage = {
    .synopsis = "carnot quantize IN OUT TYPE|auto [options]",
    .text = "Writes the model IN (GGUF, float) to OUT in the file type TYPE: Q8_0, Q4_K_M, IQ4_XS, "
            "...\n"
            "Each tensor gets the type that the field's tools give it in files of that name.\n"
            "With auto each gets the type that measurements choose: least loss within a size. The "
            "plan is\n"
            "printed; the file calls itself by the type nearest in size, marked as a guess.\n"
            "\n"
            "  carnot quantize model-f16.gguf model-q4_k_m.gguf Q4_K_M\n"
            "  carnot quantize model-f16.gguf - Q4_K_M --dry-run\n"
            "  carnot quantize model-f16.gguf out.gguf IQ2_XS --imatrix model.imatrix\n"
            "  carnot quantize model-f16.gguf out.gguf Q4_0 --tensor-type 'ffn_down=q6_k'\n"
            "  carnot quantize model-f16.gguf out.gguf auto --bpw 3.5 --imatrix model.imatrix\n"
            "  carnot quantize f16-00001-of-00003.gguf q4 Q4_K_M --keep-split",
};

static void add_to_plan(void *user, const struct cn_quantize_tensor *t)
{
    struct cn_table *plan = user;
    char shape[96] = "";
    for (int d = 0; d < t->n_dims; d++) {
        size_t n = strlen(shape);
        snprintf(shape + n, sizeof shape - n, "%s%lld", d ? " x " : "", (long long)t->ne[d]);
    }
    cn_table_row(plan);
    cn_table_str(plan, "tensor", t->name);
    cn_table_str(plan, "shape", shape);
    cn_table_str(plan, "from", t->from);
    cn_table_str(plan, "to", t->to);
    cn_table_i64(plan, "from_bytes", (int64_t)t->from_bytes);
    cn_table_i64(plan, "to_bytes", (int64_t)t->to_bytes);
    cn_table_bool(plan, "weighted", t->weighted);
    cn_table_bool(plan, "fell_back", t->fell_back);
}

static void show_progress(void *user, double done, double total)
{
    (void)user;
    cn_progress("quantising", done, total);
}

static bool interrupted(void *user)
{
    (void)user;
    return cn_interrupted();
}

static struct cn_table *make_plan(void)
{
    struct cn_table *plan = cn_table_create("quantize_plan");
    if (!plan)
        return NULL;
    cn_table_column(plan, "tensor", "tensor", -1);
    cn_table_column(plan, "shape", "shape", -1);
    cn_table_column(plan, "from", "from", -1);
    cn_table_column(plan, "to", "to", -1);
    cn_table_column(plan, "from_bytes", "bytes", -1);
    cn_table_column(plan, "to_bytes", "new bytes", -1);
    cn_table_column(plan, "weighted", "imatrix", -1);
    cn_table_column(plan, "fell_back", "fallback", -1);
    return plan;
}

static void summarise(const struct cn_file_result *r, const char *what, bool guessed,
                      double seconds)
{
    cn_say("%s: %s%s, %.2f M parameters, %.3f bits per weight, %.1f MB of weights from %.1f MB",
           what, guessed ? "auto, nearest to " : "", r->file_type, (double)r->n_params / 1e6,
           r->bpw, (double)r->tensor_bytes / 1e6, (double)r->from_tensor_bytes / 1e6);
    if (r->n_files > 1)
        cn_say(", in %d files", r->n_files);
    if (seconds >= 0)
        cn_say(", %.1f s", seconds);
    cn_say("\n");
    if (r->n_fell_back > 0)
        cn_warn("%d tensors have rows that the type for them does not divide; they got the nearest "
                "type that does (--dry-run lists them)",
                r->n_fell_back);
    if (r->n_stand_ins > 0)
        cn_warn("%s needs importance data, and there are none for %d tensors outside the layers "
                "(the embedding, as a rule): %s there, the nearest that needs none",
                r->file_type, r->n_stand_ins, r->stand_in);
    if (r->n_faint_rows > 0)
        cn_warn("%lld rows of %d tensors are so small that the scales of their type hardly reach "
                "down to them: written more coarsely than larger ones (docs/FORMATS.md)",
                (long long)r->n_faint_rows, r->n_faint_tensors);
}

static int quantize(const char *in, const char *out, struct cn_quantize_options *o,
                    enum cn_table_format format)
{
    struct cn_table *plan = NULL;
    if (o->dry_run && !o->choices) { /* with choices the plan stands there already */
        plan = make_plan();
        if (!plan)
            return cn_die("out of memory");
        o->plan = add_to_plan;
        o->user = plan;
    }
    struct cn_file_result result;
    struct cn_error err;
    const double start = cn_seconds();
    enum cn_status status = cn_quantize_file(in, out, o, &result, &err);
    const double seconds = cn_seconds() - start;
    int code = CN_EXIT_OK;
    cn_progress("quantising", 1, 1); /* ends the line after a failure too */
    if (status != CN_OK) {
        code = cn_die("%s", err.text);
    } else {
        if (plan)
            code = cn_result_table(plan, format);
        summarise(&result, o->dry_run ? "would write" : out, o->choices != NULL,
                  o->dry_run ? -1 : seconds);
    }
    cn_table_free(plan);
    return code;
}

static int quantize_auto(const char *in, const char *out, const struct cn_quantize_auto *a,
                         struct cn_quantize_options *o, enum cn_table_format format)
{
    if (o->pure)
        return cn_usage_error("--pure is one format for all, auto chooses for each");
    struct cn_auto_plan chosen = { 0 };
    int code = cn_quantize_auto_plan(in, out, a, o, format, &chosen);
    if (code < 0)
        code = quantize(in, out, o, format);
    cn_auto_plan_free(&chosen);
    return code;
}

/* Names of types and regular expressions; type NULL: auto. -1: all is well. */
static int check(const struct cn_quantize_options *o, const struct cn_quantize_auto *automatic)
{
    struct cn_error err;
    if (o->type && cn_quantize_auto_given(automatic))
        return cn_usage_error(
            "--bpw, --size, --sensitivity, --families and --probe-time go with the type "
            "auto, not %s",
            o->type);
    enum cn_status status = cn_quantize_check(o, &err);
    return status == CN_OK           ? -1
           : status == CN_ERR_MEMORY ? cn_die("%s", err.text)
                                     : cn_usage_error("%s", err.text);
}

int cn_cmd_quantize(int argc, char **argv)
{
    struct cn_quantize_options o = { .progress = show_progress, .cancel = interrupted };
    struct cn_quantize_auto automatic = { 0 };
    struct cn_string_list args = { 0 }, tensor_types = { 0 };
    enum cn_table_format format = CN_TABLE_MD;
    int64_t n_threads = 0;
    /* clang-format off */
    const struct cn_option options[] = {
        { "--imatrix", NULL, CN_OPT_STRING, &o.imatrix, "F",
          "importance matrix: needed below 3 bits, better everywhere", 0, 0 },
        { "--pure", NULL, CN_OPT_FLAG, &o.pure, NULL,
          "one format for every matrix, no mix", 0, 0 },
        { "--tensor-type", NULL, CN_OPT_LIST, &tensor_types, "RE=T",
          "tensor type T for matrices whose name matches the extended regular expression RE", 0, 0 },
        { "--output-type", NULL, CN_OPT_STRING, &o.output_type, "T",
          "tensor type of the output matrix", 0, 0 },
        { "--embedding-type", NULL, CN_OPT_STRING, &o.embedding_type, "T",
          "tensor type of the token embedding", 0, 0 },
        { "--bpw", NULL, CN_OPT_FLOAT, &automatic.bpw, "B",
          "auto: bits per weight of all tensors together", 0.01, 64 },
        { "--size", NULL, CN_OPT_STRING, &automatic.size, "BYTES",
          "auto: size of the file instead, like 700M, 4.2G or 4Gi", 0, 0 },
        { "--sensitivity", NULL, CN_OPT_STRING, &automatic.sensitivity, "S",
          "auto: kl, divergence of the model on text of its own, or error, of the matrices (kl for "
          "models of up to 2 G weights)", 0, 0 },
        { "--families", NULL, CN_OPT_STRING, &automatic.families, "LIST",
          "auto: of k (Q4_K), iq (IQ4_XS), iqk (IQ4_K), kt (IQ4_KT) only these, and those of no "
          "family (all)", 0, 0 },
        { "--probe-time", NULL, CN_OPT_FLOAT, &automatic.seconds, "SECONDS",
          "auto: for measuring divergence; if short, in classes of matrices (600)", 1, 1e6 },
        { "--keep-split", NULL, CN_OPT_FLAG, &o.keep_split, NULL,
          "as many files as IN has, each with the tensors it has there: OUT is PREFIX or "
          "PREFIX-00001-of-0000N.gguf", 0, 0 },
        { "--allow-requantize", NULL, CN_OPT_FLAG, &o.allow_requantize, NULL,
          "take tensors that are quantised already", 0, 0 },
        { "--dry-run", NULL, CN_OPT_FLAG, &o.dry_run, NULL,
          "print the plan and the sizes, write nothing", 0, 0 },
        { "--output", "-o", CN_OPT_TABLE, &format, "FORMAT",
          "of the plan: md, csv, json, jsonl or sql (md)", 0, 0 },
        { "--threads", "-t", CN_OPT_INT, &n_threads, "N",
          "threads (all cores)", 1, 256 },
        CN_OPTION_FORCE,
    };
    /* clang-format on */
    int code = cn_options_parse(argc, argv, &usage, options, sizeof options / sizeof *options,
                                &args, 3, 3);
    if (code < 0) {
        o.tensor_types = tensor_types.items;
        o.n_tensor_types = tensor_types.n;
        o.n_threads = (int)n_threads;
        o.force = *cn_output_force();
        const char *const in[] = { args.items[0], o.imatrix };
        o.type = strcasecmp(args.items[2], "auto") == 0 ? NULL : args.items[2];
        code = check(&o, &automatic);
        if (code < 0 && !o.dry_run) /* what names a split has is known when IN is open */
            code = o.keep_split
                       ? cn_output_check_name(args.items[1])
                       : cn_output_check(args.items[1], CN_FILE_MODEL, in, sizeof in / sizeof *in);
        if (code < 0 && o.type)
            code = quantize(args.items[0], args.items[1], &o, format);
        else if (code < 0)
            code = quantize_auto(args.items[0], args.items[1], &automatic, &o, format);
    }
    free(args.items);
    free(tensor_types.items);
    return code;
}
