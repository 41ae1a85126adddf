/* SPDX-License-Identifier: MIT
 *
 * carnot inspect: what is in a GGUF file, and whether it is sound.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "cli/cli.h"
#include "engine/tools.h"

static const struct cn_usage usage = {
    "carnot inspect [options] [FILE]",
    "Prints what is in a GGUF file: architecture, types and sizes of its tensors, effective bits "
    "per\n"
    "weight, memory it needs. FILE may be a model (of a split one the first part), a vocabulary "
    "or\n"
    "an importance matrix; without it, the default model.\n"
    "\n"
    "'ok' says whether the metadata is consistent. --check also reads every weight, and exits "
    "with\n"
    "1 if anything is wrong, saying what on stderr.\n"
    "\n"
    "As csv, --tensors and --keys print their table instead of the summary; as json and jsonl "
    "they\n"
    "are members of the one object.\n",
};

struct options {
    bool tensors, keys, check;
    enum cn_table_format format;
};

/* ---- text that grows ---------------------------------------------------------------------- */

struct text {
    char *p; /* NULL after running out of memory */
    size_t n;
    FILE *stream;
};

/* False if memory ran out. */
static bool text_begin(struct text *t)
{
    *t = (struct text){ NULL, 0, NULL };
    t->stream = open_memstream(&t->p, &t->n);
    return t->stream != NULL;
}

static char *text_end(struct text *t)
{
    bool failed = ferror(t->stream) != 0;
    if (fclose(t->stream) != 0 || failed) {
        free(t->p);
        return NULL;
    }
    return t->p;
}

/* The strings of engine/tools.h are UTF-8 without control characters already. */
static void put_json_string(FILE *out, const char *s)
{
    fputc('"', out);
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            fputc('\\', out);
        fputc(*s, out);
    }
    fputc('"', out);
}

/* ---- the lists ---------------------------------------------------------------------------- */

static void shape_text(const struct cn_inspect_tensor *t, char *buf, size_t n)
{
    size_t at = 0;
    for (int d = 0; d < t->n_dims; d++)
        at += (size_t)snprintf(buf + at, n - at, "%s%" PRId64, d ? " x " : "", t->ne[d]);
}

static struct cn_table *tensor_table(const struct cn_inspect *in)
{
    struct cn_inspect_tensor row;
    struct cn_table *t = cn_table_create("tensors");
    if (!t)
        return NULL;
    cn_table_column(t, "name", "tensor", -1);
    cn_table_column(t, "type", "type", -1);
    cn_table_column(t, "shape", "shape", -1);
    cn_table_column(t, "bytes", "bytes", -1);
    cn_table_column(t, "part", cn_inspect_get_info(in)->n_parts > 1 ? "part" : NULL, -1);
    for (int64_t i = 0; cn_inspect_get_tensor(in, i, &row); i++) {
        char shape[96];
        shape_text(&row, shape, sizeof shape);
        cn_table_row(t);
        cn_table_str(t, "name", row.name);
        cn_table_str(t, "type", row.type);
        cn_table_str(t, "shape", shape);
        cn_table_i64(t, "bytes", row.n_bytes);
        cn_table_i64(t, "part", row.part + 1);
    }
    return t;
}

static struct cn_table *key_table(const struct cn_inspect *in)
{
    struct cn_inspect_key row;
    struct cn_table *t = cn_table_create("keys");
    if (!t)
        return NULL;
    cn_table_column(t, "key", "key", -1);
    cn_table_column(t, "type", "type", -1);
    cn_table_column(t, "n", "n", -1);
    cn_table_column(t, "value", "value", -1);
    for (int64_t i = 0; cn_inspect_get_key(in, i, &row); i++) {
        cn_table_row(t);
        cn_table_str(t, "key", row.key);
        cn_table_str(t, "type", row.type);
        cn_table_i64(t, "n", row.n);
        cn_table_str(t, "value", row.value);
    }
    return t;
}

static struct cn_table *type_table(const struct cn_inspect *in)
{
    struct cn_inspect_type row;
    const struct cn_inspect_info *info = cn_inspect_get_info(in);
    struct cn_table *t = cn_table_create("types");
    if (!t)
        return NULL;
    cn_table_column(t, "type", "type", -1);
    cn_table_column(t, "tensors", "tensors", -1);
    cn_table_column(t, "elements", "elements", -1);
    cn_table_column(t, "bytes", "bytes", -1);
    cn_table_column(t, "bpw", "bits/weight", 3);
    cn_table_column(t, "share", "% of bytes", 1);
    for (int64_t i = 0; cn_inspect_get_type(in, i, &row); i++) {
        cn_table_row(t);
        cn_table_str(t, "type", row.name);
        cn_table_i64(t, "tensors", row.n_tensors);
        cn_table_i64(t, "elements", row.n_elems);
        cn_table_i64(t, "bytes", row.n_bytes);
        cn_table_f64(t, "bpw", (double)row.n_bytes * 8 / (double)row.n_elems);
        cn_table_f64(t, "share", (double)row.n_bytes * 100 / (double)info->tensor_bytes);
    }
    return t;
}

/* Prints and frees the table; NULL means that memory ran out. */
static int print_table(struct cn_table *t, enum cn_table_format format)
{
    const int code = cn_result_table(t, format);
    cn_table_free(t);
    return code;
}

/* ---- the summary for people --------------------------------------------------------------- */

static void line(struct cn_table *t, const char *item, const char *value)
{
    cn_table_row(t);
    cn_table_str(t, "item", item);
    if (*value)
        cn_table_str(t, "value", value);
}

static void line_i64(struct cn_table *t, const char *item, int64_t value)
{
    char buf[32];
    snprintf(buf, sizeof buf, "%" PRId64, value);
    line(t, item, value < 0 ? "" : buf);
}

/* "123.4 MiB" */
static const char *size_text(double bytes, char *buf, size_t n)
{
    static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
    size_t u = 0;
    for (; bytes >= 1024 && u + 1 < sizeof units / sizeof *units; u++)
        bytes /= 1024;
    snprintf(buf, n, u ? "%.2f %s" : "%.0f %s", bytes, units[u]);
    return buf;
}

static void line_memory(struct cn_table *t, const struct cn_inspect *in, int64_t n_ctx)
{
    const struct cn_inspect_info *info = cn_inspect_get_info(in);
    char item[64], value[200], weights[32], kv[32], sum[32], part[32], more[96] = "";
    const double kv_bytes = (double)cn_inspect_kv_bytes(in, n_ctx);
    const double state_bytes = (double)cn_inspect_state_bytes(in);
    const double unfold_bytes = (double)cn_inspect_unfold_bytes(in, n_ctx);
    if (kv_bytes < 0)
        return;
    if (state_bytes > 0)
        snprintf(more, sizeof more, " + states %s", size_text(state_bytes, part, sizeof part));
    if (unfold_bytes > 0)
        snprintf(more + strlen(more), sizeof more - strlen(more), " + unfolding of prompts %s",
                 size_text(unfold_bytes, part, sizeof part));
    snprintf(item, sizeof item, "memory at context %" PRId64, n_ctx);
    snprintf(value, sizeof value, "%s (weights %s + f16 KV cache %s%s)",
             size_text((double)info->tensor_bytes + kv_bytes + unfold_bytes, sum, sizeof sum),
             size_text((double)info->tensor_bytes, weights, sizeof weights),
             size_text(kv_bytes - state_bytes, kv, sizeof kv), more);
    line(t, item, value);
}

enum { SHORT_CONTEXT = 4096 };

static struct cn_table *summary_table(const struct cn_inspect *in, bool ok)
{
    const struct cn_inspect_info *info = cn_inspect_get_info(in);
    char buf[96];
    struct cn_table *t = cn_table_create("summary");
    if (!t)
        return NULL;
    cn_table_column(t, "item", "item", -1);
    cn_table_column(t, "value", "value", -1);
    line(t, "kind", info->kind);
    line(t, "architecture", info->architecture);
    line(t, "name", info->name);
    line(t, "file type", info->file_type ? info->file_type : "");
    line_i64(t, "parameters", info->n_params);
    snprintf(buf, sizeof buf, "%.4f", info->bpw);
    line(t, "bits per weight", info->n_params > 0 ? buf : "");
    line(t, "weights", size_text((double)info->tensor_bytes, buf, sizeof buf));
    line(t, "file", size_text((double)info->file_bytes, buf, sizeof buf));
    if (info->n_parts > 1)
        line_i64(t, "parts", info->n_parts);
    line_i64(t, "tensors", info->n_tensors);
    line_i64(t, "keys", info->n_keys);
    line(t, "tokenizer", info->tokenizer);
    line_i64(t, "vocabulary", info->n_vocab);
    snprintf(buf, sizeof buf, "%lld and %lld for drafting (NextN)",
             (long long)(info->n_layer - info->n_nextn), (long long)info->n_nextn);
    if (info->n_nextn > 0 && info->n_nextn < info->n_layer)
        line(t, "layers", buf);
    else
        line_i64(t, "layers", info->n_layer);
    line_i64(t, "embedding", info->n_embd);
    line_i64(t, "training context", info->n_ctx_train);
    if (info->kv_bytes_per_token >= 0 && info->n_tensors > 0) {
        line_memory(t, in, SHORT_CONTEXT);
        if (info->n_ctx_train > 0 && info->n_ctx_train != SHORT_CONTEXT)
            line_memory(t, in, info->n_ctx_train);
    }
    line(t, "ok", ok ? "yes" : "no");
    if (info->cannot_run)
        line(t, "runs", "no");
    return t;
}

static int print_md(const struct cn_inspect *in, const struct options *o, bool ok)
{
    const struct cn_inspect_info *info = cn_inspect_get_info(in);
    int code = print_table(summary_table(in, ok), CN_TABLE_MD);
    if (code == CN_EXIT_OK && info->n_tensors > 0) {
        putchar('\n');
        code = print_table(type_table(in), CN_TABLE_MD);
    }
    if (code == CN_EXIT_OK && o->keys) {
        putchar('\n');
        code = print_table(key_table(in), CN_TABLE_MD);
    }
    if (code == CN_EXIT_OK && o->tensors) {
        putchar('\n');
        code = print_table(tensor_table(in), CN_TABLE_MD);
    }
    return code;
}

/* ---- the summary for programs ------------------------------------------------------------- */

/* { "Q4_K": 12, ... } */
static void put_type_counts(FILE *out, const struct cn_inspect *in)
{
    struct cn_inspect_type row;
    fputc('{', out);
    for (int64_t i = 0; cn_inspect_get_type(in, i, &row); i++)
        fprintf(out, "%s\"%s\": %" PRId64, i ? ", " : "", row.name, row.n_tensors);
    fputc('}', out);
}

static void put_types(FILE *out, const struct cn_inspect *in)
{
    struct cn_inspect_type row;
    fputc('[', out);
    for (int64_t i = 0; cn_inspect_get_type(in, i, &row); i++)
        fprintf(out,
                "%s{\"type\": \"%s\", \"tensors\": %" PRId64 ", \"elements\": %" PRId64
                ", \"bytes\": %" PRId64 "}",
                i ? ", " : "", row.name, row.n_tensors, row.n_elems, row.n_bytes);
    fputc(']', out);
}

static void put_tensors(FILE *out, const struct cn_inspect *in)
{
    struct cn_inspect_tensor row;
    fputc('[', out);
    for (int64_t i = 0; cn_inspect_get_tensor(in, i, &row); i++) {
        fputs(i ? ", {\"name\": " : "{\"name\": ", out);
        put_json_string(out, row.name);
        fprintf(out, ", \"type\": \"%s\", \"shape\": [", row.type);
        for (int d = 0; d < row.n_dims; d++)
            fprintf(out, "%s%" PRId64, d ? ", " : "", row.ne[d]);
        fprintf(out, "], \"bytes\": %" PRId64 ", \"part\": %d}", row.n_bytes, row.part + 1);
    }
    fputc(']', out);
}

static void put_keys(FILE *out, const struct cn_inspect *in)
{
    struct cn_inspect_key row;
    fputc('[', out);
    for (int64_t i = 0; cn_inspect_get_key(in, i, &row); i++) {
        fputs(i ? ", {\"key\": " : "{\"key\": ", out);
        put_json_string(out, row.key);
        fprintf(out, ", \"type\": \"%s\", \"n\": %" PRId64 ", \"value\": ", row.type, row.n);
        put_json_string(out, row.value);
        fputc('}', out);
    }
    fputc(']', out);
}

/* Sets a cell to the JSON that `put` writes. */
static void set_json(struct cn_table *t, const char *key, const struct cn_inspect *in,
                     void (*put)(FILE *out, const struct cn_inspect *in))
{
    struct text text;
    char *json = NULL;
    if (text_begin(&text)) {
        put(text.stream, in);
        json = text_end(&text);
    }
    cn_table_json(t, key, json);
    free(json);
}

/* A number that may be unknown (-1). */
static void set_known(struct cn_table *t, const char *key, int64_t value)
{
    if (value >= 0)
        cn_table_i64(t, key, value);
}

static void set_kv_bytes(struct cn_table *t, const char *key, const struct cn_inspect *in,
                         int64_t n_ctx)
{
    const int64_t bytes = n_ctx > 0 ? cn_inspect_kv_bytes(in, n_ctx) : -1;
    if (bytes >= 0)
        cn_table_f64(t, key, (double)bytes);
}

static struct cn_table *object_table(const struct cn_inspect *in, const struct options *o,
                                     const char *file, const char *problem)
{
    static const char *const keys[] = {
        "file",
        "kind",
        "architecture",
        "name",
        "file_type",
        "file_type_id",
        "bpw",
        "n_params",
        "tensor_bytes",
        "file_bytes",
        "n_parts",
        "n_tensors",
        "tensor_types",
        "types",
        "n_keys",
        "gguf_version",
        "tokenizer",
        "n_vocab",
        "n_layer",
        "n_nextn",
        "n_embd",
        "n_ctx_train",
        "kv_bytes_per_token",
        "kv_bytes_4096",
        "kv_bytes_ctx_train",
        "state_bytes",
        "unfold_bytes_4096",
        "unfold_bytes_ctx_train",
        "checked",
        "ok",
        "problem",
        "cannot_run",
    };
    const struct cn_inspect_info *info = cn_inspect_get_info(in);
    struct cn_table *t = cn_table_create("inspect");
    if (!t)
        return NULL;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        cn_table_column(t, keys[i], keys[i], -1);
    bool lists = o->format == CN_TABLE_JSON || o->format == CN_TABLE_JSONL;
    if (lists && o->tensors)
        cn_table_column(t, "tensors", NULL, -1);
    if (lists && o->keys)
        cn_table_column(t, "keys", NULL, -1);
    cn_table_row(t);
    cn_table_str(t, "file", file);
    cn_table_str(t, "kind", info->kind);
    cn_table_str(t, "architecture", *info->architecture ? info->architecture : NULL);
    cn_table_str(t, "name", *info->name ? info->name : NULL);
    cn_table_str(t, "file_type", info->file_type);
    set_known(t, "file_type_id", info->file_type_id);
    if (info->n_params > 0)
        cn_table_f64(t, "bpw", info->bpw);
    cn_table_i64(t, "n_params", info->n_params);
    cn_table_i64(t, "tensor_bytes", info->tensor_bytes);
    cn_table_i64(t, "file_bytes", info->file_bytes);
    cn_table_i64(t, "n_parts", info->n_parts);
    cn_table_i64(t, "n_tensors", info->n_tensors);
    set_json(t, "tensor_types", in, put_type_counts);
    set_json(t, "types", in, put_types);
    cn_table_i64(t, "n_keys", info->n_keys);
    cn_table_i64(t, "gguf_version", info->version);
    cn_table_str(t, "tokenizer", *info->tokenizer ? info->tokenizer : NULL);
    set_known(t, "n_vocab", info->n_vocab);
    set_known(t, "n_layer", info->n_layer);
    set_known(t, "n_nextn", info->n_nextn);
    set_known(t, "n_embd", info->n_embd);
    set_known(t, "n_ctx_train", info->n_ctx_train);
    set_known(t, "kv_bytes_per_token", info->kv_bytes_per_token);
    set_kv_bytes(t, "kv_bytes_4096", in, SHORT_CONTEXT);
    set_kv_bytes(t, "kv_bytes_ctx_train", in, info->n_ctx_train);
    cn_table_i64(t, "state_bytes", cn_inspect_state_bytes(in));
    cn_table_i64(t, "unfold_bytes_4096", cn_inspect_unfold_bytes(in, SHORT_CONTEXT));
    cn_table_i64(t, "unfold_bytes_ctx_train", cn_inspect_unfold_bytes(in, info->n_ctx_train));
    cn_table_bool(t, "checked", o->check);
    cn_table_bool(t, "ok", !problem);
    cn_table_str(t, "problem", problem);
    cn_table_str(t, "cannot_run", info->cannot_run);
    if (lists && o->tensors)
        set_json(t, "tensors", in, put_tensors);
    if (lists && o->keys)
        set_json(t, "keys", in, put_keys);
    return t;
}

/* ---- the command -------------------------------------------------------------------------- */

static bool show_progress(void *user, double done, double total)
{
    (void)user;
    cn_progress("checking", done, total);
    return !cn_interrupted();
}

static int print_result(const struct cn_inspect *in, const struct options *o, const char *file,
                        const char *problem)
{
    if (o->format == CN_TABLE_MD)
        return print_md(in, o, !problem);
    if ((o->format == CN_TABLE_CSV || o->format == CN_TABLE_SQL) && (o->tensors || o->keys)) {
        int code = o->keys ? print_table(key_table(in), o->format) : CN_EXIT_OK;
        return code == CN_EXIT_OK && o->tensors ? print_table(tensor_table(in), o->format) : code;
    }
    /* one object for one file: not json's array of rows */
    return print_table(object_table(in, o, file, problem),
                       o->format == CN_TABLE_JSON ? CN_TABLE_JSONL : o->format);
}

int cn_cmd_inspect(int argc, char **argv)
{
    struct options o = { .format = CN_TABLE_MD };
    struct cn_string_list args = { NULL, 0 };
    /* clang-format off */
    const struct cn_option options[] = {
        { "--tensors", NULL, CN_OPT_FLAG, &o.tensors, NULL, "list the tensors", 0, 0 },
        { "--keys", NULL, CN_OPT_FLAG, &o.keys, NULL, "list the metadata", 0, 0 },
        { "--check", NULL, CN_OPT_FLAG, &o.check, NULL,
          "read every weight; exit with 1 if anything is wrong", 0, 0 },
        { "--output", "-o", CN_OPT_TABLE, &o.format, "FORMAT",
          "md, csv, json, jsonl or sql (md)", 0, 0 },
    };
    /* clang-format on */
    struct cn_inspect *in = NULL;
    struct cn_error err;
    int code = cn_options_parse(argc, argv, &usage, options, sizeof options / sizeof *options,
                                &args, 0, 1);
    if (code >= 0)
        return code;
    const char *file = args.n > 0 ? args.items[0] : cn_default_model();
    free(args.items);
    if (o.format == CN_TABLE_CSV && o.tensors && o.keys)
        return cn_usage_error("csv is one table: give --tensors or --keys, not both");
    if (cn_inspect_open(file, &in, &err) != CN_OK)
        return cn_die("%s", err.text);

    const char *problem = cn_inspect_get_info(in)->problem;
    if (!problem && o.check && cn_inspect_check(in, show_progress, NULL, &err) != CN_OK)
        problem = err.text;
    code = print_result(in, &o, file, problem);
    if (problem && o.check)
        code = cn_die("%s", problem);
    else if (problem)
        cn_warn("%s", problem);
    else if (cn_inspect_get_info(in)->cannot_run)
        cn_warn("this file cannot be run: %s", cn_inspect_get_info(in)->cannot_run);
    cn_inspect_close(in);
    return code;
}
