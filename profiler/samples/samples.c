/* SPDX-License-Identifier: MIT
 *
 * Reading a file of samples: which form it has, and its lines one by one; and its place on the
 * clock of a trace.
 */
#include "profiler/samples/samples.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/samples/rows.h"

enum { LINE_BYTES = 65536 };

static const struct cn_form *const forms[] = {
    &cn_form_logcat, &cn_form_dumpsys, &cn_form_tegrastats, &cn_form_powermetrics, &cn_form_perf,
};

/* Lines of other forms may stand between those that are wanted, so one line of a form decides for
 * the whole file. */
static const struct cn_form *form_of(FILE *f, char *line)
{
    while (fgets(line, LINE_BYTES, f))
        for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
            if (forms[i]->marks(line))
                return forms[i];
    return &cn_form_table;
}

/* UTF-16 is known by its mark, or by every other byte being 0. */
static bool is_utf16(FILE *f)
{
    unsigned char b[4] = { 1, 1, 1, 1 };
    const size_t n = fread(b, 1, sizeof b, f);
    const bool mark = (b[0] == 0xff && b[1] == 0xfe) || (b[0] == 0xfe && b[1] == 0xff);
    return mark || (n == sizeof b &&
                    ((b[0] && !b[1] && b[2] && !b[3]) || (!b[0] && b[1] && !b[2] && b[3])));
}

static int read_lines(struct cn_reader *reader, const struct cn_form *form, FILE *f, char *line)
{
    struct cn_rows *r = &reader->rows;
    while (fgets(line, LINE_BYTES, f) && !ferror(f)) {
        r->line++;
        if (!strchr(line, '\n') && !feof(f))
            return cn_rows_fault(r, "longer than %d bytes", LINE_BYTES - 2);
        /* A mark that some editors put in front. */
        const bool mark = r->line == 1 && strncmp(line, "\xef\xbb\xbf", 3) == 0;
        if (form->read(reader, line + (mark ? 3 : 0)) != 0)
            return -1;
    }
    if (ferror(f))
        return cn_rows_fault(r, "cannot be read: %s", strerror(errno));
    return form->end ? form->end(reader) : 0;
}

int cn_samples_load(const char *path, const struct cn_sample_options *options,
                    struct cn_samples *samples, struct cn_profiler_error *err)
{
    static const struct cn_sample_options plain = { 0 };
    struct cn_reader reader = {
        .rows = {.path = path, .options = options ? options : &plain, .err = err}
    };
    struct cn_rows *r = &reader.rows;
    struct cn_samples out = { 0 };
    const struct cn_form *form = NULL;
    char *line = malloc(LINE_BYTES);
    FILE *f = fopen(path, "re");
    int result = -1;
    if (!line || !f) {
        if (err)
            snprintf(err->text, sizeof err->text, "%.300s: %s", path,
                     line ? strerror(errno) : "out of memory");
        goto end;
    }
    if (is_utf16(f)) {
        cn_rows_fault(r, "the file is UTF-16, expected UTF-8 (iconv -f UTF-16 -t UTF-8)");
        goto end;
    }
    if (!ferror(f)) {
        rewind(f);
        form = form_of(f, line);
    }
    if (ferror(f)) {
        cn_rows_fault(r, "cannot be read: %s", strerror(errno));
        goto end;
    }
    if (fseek(f, 0, SEEK_SET) != 0) {
        cn_rows_fault(r, "not a file that can be read twice");
        goto end;
    }
    if (read_lines(&reader, form, f, line) != 0 || cn_rows_finish(r, &out) != 0)
        goto end;
    *samples = out;
    out = (struct cn_samples){ 0 };
    result = 0;
end:
    cn_samples_free(&out);
    if (form && form->close)
        form->close(reader.state);
    else
        free(reader.state);
    cn_rows_free(r);
    free(line);
    if (f)
        fclose(f);
    return result;
}

void cn_samples_free(struct cn_samples *samples)
{
    cn_series_free(&samples->series);
}

/* ---- joining --------------------------------------------------------------------------------- */

void cn_samples_shift(struct cn_samples *samples, int64_t shift_ns)
{
    struct cn_series *s = &samples->series;
    for (size_t i = 0; i < s->n; i++) {
        struct cn_point *p = &s->points[i];
        if (p->lo_ns != INT64_MIN)
            p->lo_ns += shift_ns;
        p->hi_ns += shift_ns;
        p->gap_lo_ns += shift_ns;
        p->gap_hi_ns += shift_ns;
        p->last_ns += shift_ns;
    }
    samples->first_ns += shift_ns;
    samples->last_ns += shift_ns;
}

/* The moment from which on piece i + 1 is the clock: in the middle of what lies between. */
static int64_t border(const struct cn_clock_piece *pieces, size_t i)
{
    return pieces[i].t1_ns + (pieces[i + 1].t0_ns - pieces[i].t1_ns) / 2;
}

void cn_samples_follow(struct cn_samples *samples, const struct cn_clock_piece *pieces, size_t n)
{
    struct cn_series *s = &samples->series;
    size_t at = 0;
    for (size_t i = 0; i < s->n && n > 0; i++) {
        struct cn_point *p = &s->points[i];
        while (at + 1 < n && p->hi_ns - pieces[at].offset_ns > border(pieces, at) &&
               p->hi_ns - pieces[at + 1].offset_ns >= border(pieces, at))
            at++;
        const int64_t floor = i ? s->points[i - 1].last_ns : INT64_MIN;
        const int64_t end = at + 1 < n ? border(pieces, at) : INT64_MAX;
        int64_t *const stamps[] = { &p->hi_ns, &p->gap_lo_ns, &p->gap_hi_ns, &p->last_ns };
        const int64_t first = p->hi_ns;
        if (p->lo_ns != INT64_MIN)
            p->lo_ns = floor;
        for (size_t k = 0; k < 4; k++) {
            /* A value that held over a step of the clock was last seen on the next piece. */
            int64_t t = *stamps[k] - pieces[at].offset_ns;
            if (t > end && *stamps[k] != first)
                t = *stamps[k] - pieces[at + 1].offset_ns > end
                        ? *stamps[k] - pieces[at + 1].offset_ns
                        : end;
            *stamps[k] = t > floor ? t : floor;
        }
    }
    if (s->n) {
        samples->first_ns = s->points[0].hi_ns;
        samples->last_ns = s->points[s->n - 1].last_ns;
    }
}

bool cn_samples_join(struct cn_samples *samples, const struct cn_clock *clock, int64_t t0_ns,
                     int64_t t1_ns, int64_t offset_ns)
{
    static const int64_t year_2001 = 1000000000000000000;
    int64_t shifts[2] = { 0, -clock->boottime_offset_ns };
    size_t n = 2;
    if (samples->first_ns > year_2001) {
        shifts[0] = -clock->realtime_offset_ns;
        n = 1;
    }
    int64_t best = 0, shift = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t from = samples->first_ns + offset_ns + shifts[i];
        int64_t to = samples->last_ns + offset_ns + shifts[i];
        int64_t meets = (to < t1_ns ? to : t1_ns) - (from > t0_ns ? from : t0_ns);
        if (meets > best) {
            best = meets;
            shift = offset_ns + shifts[i];
        }
    }
    if (best > 0)
        cn_samples_shift(samples, shift);
    return best > 0;
}
