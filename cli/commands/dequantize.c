/* SPDX-License-Identifier: MIT
 *
 * carnot dequantize: raw blocks of a tensor format to floats, through the chosen tier's unpacking.
 */
#include "cli/cli.h"
#include "cli/lists.h"
#include "cli/outputs.h"
#include "engine/tools.h"
#include "quant/quant.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_COLS = 1 << 30, STEP = 64 * 1024 }; /* elements at a time; a multiple of every block */

static const struct cn_usage usage = {
    .synopsis = "carnot dequantize --type TYPE [options] IN OUT",
    .text = "Decodes the raw blocks of tensor type TYPE in IN to little-endian 32-bit floats in "
            "OUT, with\n"
            "the unpacking that matrix products use on this machine.\n"
            "\n"
            "  carnot dequantize --type q4_k blocks.bin values.f32\n"
            "  carnot dequantize --type iq2_xs --tiers ref blocks.bin values.f32",
};

/* IN to OUT, which is new and this command's own. step: elements at a time, a whole number of rows
 * or, without headers, of blocks. */
static int convert(const struct cn_format *format, const struct cn_kernels *kernels, int64_t step,
                   FILE *in, const char *in_name, FILE *out, const char *out_name)
{
    const bool rows = format->header_bytes > 0;
    const size_t chunk_bytes = cn_row_bytes(format, step);
    const size_t unit = rows ? chunk_bytes : format->block_bytes;
    uint8_t *blocks = malloc(chunk_bytes);
    float *x = malloc((size_t)step * sizeof *x);
    uintmax_t total = 0;
    int code = CN_EXIT_OK;
    size_t n = chunk_bytes;
    if (!blocks || !x)
        code = cn_die("out of memory");
    while (code == CN_EXIT_OK && n == chunk_bytes) {
        n = fread(blocks, 1, chunk_bytes, in);
        total += n;
        size_t elems = n / unit * (rows ? (size_t)step : format->block_elems);
        cn_dequantize_with(kernels, format, (int64_t)elems, blocks, x);
        if (ferror(in))
            code = cn_die("%s: cannot read: %s", in_name, strerror(errno));
        else if (n % unit != 0)
            code = cn_die("%s: expected a multiple of %zu bytes (%s of %s), found %ju bytes",
                          in_name, unit, rows ? "rows" : "blocks", format->name, total);
        else if (cn_interrupted())
            code = cn_die("interrupted");
        else if (fwrite(x, sizeof *x, elems, out) != elems)
            code = cn_die("%s: cannot write: %s", out_name, strerror(errno));
    }
    free(blocks);
    free(x);
    return code;
}

static int dequantize(const struct cn_format *format, const struct cn_kernels *kernels,
                      int64_t step, const char *in_name, const char *out_name)
{
    struct cn_error err = { "" };
    struct cn_outfile *out;
    FILE *in = fopen(in_name, "rb");
    if (!in)
        return cn_die("%s: cannot open: %s", in_name, strerror(errno));
    if (cn_outfile_create(out_name, &out, &err) != CN_OK) {
        fclose(in);
        return cn_die("%s", err.text);
    }
    int code = convert(format, kernels, step, in, in_name, cn_outfile_stream(out), out_name);
    fclose(in);
    if (code != CN_EXIT_OK)
        cn_outfile_abandon(out);
    else if (cn_outfile_finish(out, &err) != CN_OK)
        code = cn_die("%s", err.text);
    return code;
}

static int unknown_type(const char *name)
{
    char known[512] = "";
    for (int i = 0; i < CN_N_TYPES; i++) {
        size_t n = strlen(known);
        snprintf(known + n, sizeof known - n, "%s%s", i ? " " : "", cn_formats[i].name);
    }
    return cn_usage_error("--type %s: expected one of %s", name, known);
}

int cn_cmd_dequantize(int argc, char **argv)
{
    const char *type = NULL, *tiers = NULL;
    int64_t cols = 0;
    struct cn_string_list args = { 0 };
    /* clang-format off */
    const struct cn_option options[] = {
        { "--type", NULL, CN_OPT_STRING, &type, "TYPE",
          "tensor type of the blocks (needed)", 0, 0 },
        { "--cols", NULL, CN_OPT_INT, &cols, "N",
          "elements of a row (needed if rows have a header)", 1, MAX_COLS },
        { "--tiers", NULL, CN_OPT_STRING, &tiers, "LIST",
          "tiers that may be used, as in ref,avx2 (default: CARNOT_TIERS, else all there are)", 0, 0 },
        CN_OPTION_FORCE,
    };
    /* clang-format on */
    int code = cn_options_parse(argc, argv, &usage, options, sizeof options / sizeof *options,
                                &args, 2, 2);
    if (code >= 0)
        goto done;
    uint32_t mask;
    const struct cn_format *format = type ? cn_format_by_name(type) : NULL;
    if (!type) {
        code = cn_usage_error("--type is needed: the tensor type of the blocks");
    } else if (!format) {
        code = unknown_type(type);
    } else if (format->header_bytes && (cols == 0 || cols % format->block_elems != 0)) {
        code = cn_usage_error(
            "--cols is needed, a multiple of %u: rows of %s have a header of %u bytes",
            format->block_elems, format->name, format->header_bytes);
    } else if (cols % format->block_elems != 0) {
        code = cn_usage_error("--cols %lld: expected a multiple of %u, the block of %s",
                              (long long)cols, format->block_elems, format->name);
    } else if ((code = cn_parse_tiers("--tiers", tiers, &mask)) < 0) {
        const struct cn_kernels kernels = cn_kernels_for(format, mask);
        const char *in = args.items[0];
        code = cn_output_check(args.items[1], CN_FILE_DATA, &in, 1);
        if (code < 0)
            code = dequantize(format, &kernels, format->header_bytes ? cols : STEP, args.items[0],
                              args.items[1]);
    }
done:
    free(args.items);
    return code;
}
