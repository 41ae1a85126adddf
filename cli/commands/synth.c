/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/outputs.h"
#include "engine/tools.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

static const struct cn_usage usage = {
    .synopsis = "carnot synth --shape NAME --type TYPE [options] OUT",
    .text = "Writes a model of a real one's true shape with random weights and a made-up "
            "vocabulary, so\n"
            "that speed and energy at real sizes can be measured without a download.\n"
            "\n"
            "  carnot synth --shape llama-3.2-1b --type Q4_K_M llama-1b.gguf\n"
            "  carnot synth --shape llama-3.1-8b --type IQ4_XS --layers 4 cut.gguf\n"
            "  carnot synth --list",
};

static void show_progress(void *user, double done, double total)
{
    (void)user;
    cn_progress("writing", done, total);
}

static bool interrupted(void *user)
{
    (void)user;
    return cn_interrupted();
}

static int list(void)
{
    for (int i = 0; cn_synth_shape_name(i); i++)
        puts(cn_synth_shape_name(i));
    return CN_EXIT_OK;
}

static int synth(const char *out, const struct cn_synth_options *o)
{
    struct cn_file_result r;
    struct cn_error err;
    enum cn_status status = cn_synth_file(out, o, &r, &err);
    cn_progress("writing", 1, 1); /* ends the line after a failure too */
    if (status != CN_OK)
        return cn_die("%s", err.text);
    fprintf(stderr, "%s: %s as %s, %.2f M parameters, %.3f bits per weight, %.1f MB of weights\n",
            o->dry_run ? "would write" : out, o->shape, r.file_type, (double)r.n_params / 1e6,
            r.bpw, (double)r.tensor_bytes / 1e6);
    return CN_EXIT_OK;
}

/* -1: all is well. */
static int check(const struct cn_synth_options *o)
{
    struct cn_error err;
    return cn_synth_check(o, &err) == CN_OK ? -1 : cn_usage_error("%s", err.text);
}

int cn_cmd_synth(int argc, char **argv)
{
    struct cn_synth_options o = { .progress = show_progress, .cancel = interrupted };
    struct cn_string_list args = { 0 };
    int64_t n_layers = 0, seed = 1;
    bool list_shapes = false;
    /* clang-format off */
    const struct cn_option options[] = {
        { "--shape", NULL, CN_OPT_STRING, &o.shape, "NAME", "the model to imitate (see --list)", 0, 0 },
        { "--type", NULL, CN_OPT_STRING, &o.type, "TYPE", "file type: Q8_0, Q4_K_M, ...", 0, 0 },
        { "--layers", NULL, CN_OPT_INT, &n_layers, "N", "only so many layers (all)", 1, 1000 },
        { "--seed", NULL, CN_OPT_INT, &seed, "N", "the same seed gives the same file (1)", 0, INT32_MAX },
        { "--dry-run", NULL, CN_OPT_FLAG, &o.dry_run, NULL, "say how large it would be", 0, 0 },
        { "--list", NULL, CN_OPT_FLAG, &list_shapes, NULL, "print the shapes", 0, 0 },
        CN_OPTION_FORCE,
    };
    /* clang-format on */
    int code = cn_options_parse(argc, argv, &usage, options, sizeof options / sizeof *options,
                                &args, 0, 1);
    if (code < 0 && list_shapes) {
        code = list();
    } else if (code < 0 && (!o.shape || !o.type || (args.n == 0 && !o.dry_run))) {
        cn_die("%s is missing; it takes --shape NAME --type TYPE OUT", !o.shape  ? "--shape"
                                                                       : !o.type ? "--type"
                                                                                 : "OUT");
        code = CN_EXIT_USAGE;
    } else if (code < 0) {
        o.n_layers = (int)n_layers;
        o.seed = (uint64_t)seed;
        code = check(&o);
        if (code < 0 && !o.dry_run)
            code = cn_output_check(args.items[0], CN_FILE_MODEL, NULL, 0);
        if (code < 0)
            code = synth(args.n ? args.items[0] : NULL, &o);
    }
    free(args.items);
    return code;
}
