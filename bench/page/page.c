/* SPDX-License-Identifier: MIT */
#include "bench/page/page.h"
#include "base/error.h"
#include "base/html.h"
#include "bench/page/page_style.h"
#include "bench/page/plot.h"
#include "engine/tools.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Findings that follow each other share one list, and so do plots one grid. Whatever comes next
 * and is of another kind closes it. */
enum group { GROUP_NONE, GROUP_FINDINGS, GROUP_PLOTS };

struct cn_page {
    char *title;
    char *nav_text, *body_text;
    size_t nav_bytes, body_bytes;
    FILE *nav, *body; /* streams that write into the two texts above */
    enum group group;
    bool in_section;
    int n_plots;
};

struct cn_page *cn_page_create(const char *title)
{
    struct cn_page *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->title = strdup(title);
    p->nav = open_memstream(&p->nav_text, &p->nav_bytes);
    p->body = open_memstream(&p->body_text, &p->body_bytes);
    if (!p->title || !p->nav || !p->body) {
        cn_page_free(p);
        return NULL;
    }
    return p;
}

void cn_page_free(struct cn_page *p)
{
    if (!p)
        return;
    if (p->nav)
        fclose(p->nav);
    if (p->body)
        fclose(p->body);
    free(p->nav_text);
    free(p->body_text);
    free(p->title);
    free(p);
}

static void enter(struct cn_page *p, enum group group)
{
    static const char *const begin[] = { "", "<ol class=\"findings\">\n",
                                         "<div class=\"plots\">\n" };
    static const char *const end[] = { "", "</ol>\n", "</div>\n" };
    if (group == p->group)
        return;
    fputs(end[p->group], p->body);
    fputs(begin[group], p->body);
    p->group = group;
}

static void element(FILE *out, const char *begin, const char *text, const char *end)
{
    fputs(begin, out);
    cn_html_text(text, out);
    fputs(end, out);
}

void cn_page_section(struct cn_page *p, const char *id, const char *title)
{
    enter(p, GROUP_NONE);
    fprintf(p->body, "%s<section id=\"%s\">\n", p->in_section ? "</section>\n" : "", id);
    element(p->body, "<h2>", title, "</h2>\n");
    fprintf(p->nav, "<a href=\"#%s\">", id);
    element(p->nav, "", title, "</a>\n");
    p->in_section = true;
}

void cn_page_heading(struct cn_page *p, const char *title)
{
    enter(p, GROUP_NONE);
    element(p->body, "<h3>", title, "</h3>\n");
}

__attribute__((format(printf, 3, 0))) static void paragraph(struct cn_page *p, const char *begin,
                                                            const char *format, va_list args)
{
    char *text = NULL;
    enter(p, GROUP_NONE);
    if (vasprintf(&text, format, args) < 0)
        return;
    element(p->body, begin, text, "</p>\n");
    free(text);
}

void cn_page_text(struct cn_page *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    paragraph(p, "<p>", format, args);
    va_end(args);
}

void cn_page_note(struct cn_page *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    paragraph(p, "<p class=\"note\">", format, args);
    va_end(args);
}

void cn_page_lead(struct cn_page *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    paragraph(p, "<p class=\"lead\">", format, args);
    va_end(args);
}

void cn_page_warning(struct cn_page *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    paragraph(p, "<p class=\"warning\">", format, args);
    va_end(args);
}

void cn_page_code(struct cn_page *p, const char *text)
{
    enter(p, GROUP_NONE);
    element(p->body, "<pre>", text, "</pre>\n");
}

void cn_page_finding(struct cn_page *p, const char *statement, const char *evidence)
{
    enter(p, GROUP_FINDINGS);
    element(p->body, "<li>", statement, "\n");
    element(p->body, "<p class=\"note\">", evidence, "</p></li>\n");
}

void cn_page_table(struct cn_page *p, const struct cn_table *t, bool sortable)
{
    enter(p, GROUP_NONE);
    fprintf(p->body, "<div class=\"%s\" tabindex=\"0\">\n",
            sortable ? "scroll sortable" : "scroll");
    cn_table_print(t, CN_TABLE_HTML, p->body);
    fputs("</div>\n", p->body);
}

void cn_page_folded_table(struct cn_page *p, const struct cn_table *t, const char *title)
{
    enter(p, GROUP_NONE);
    element(p->body, "<details>\n<summary>", title, "</summary>\n");
    cn_page_table(p, t, true);
    fputs("</details>\n", p->body);
}

bool cn_page_plot(struct cn_page *p, const struct cn_plot *plot, const char *title)
{
    char id[16], *text = NULL;
    size_t n_bytes;
    FILE *figure = open_memstream(&text, &n_bytes);
    if (!figure)
        return false;
    snprintf(id, sizeof id, "plot%d", p->n_plots + 1);
    bool ok = cn_plot_write(plot, id, title, figure);
    ok = fclose(figure) == 0 && ok;
    if (ok) {
        p->n_plots++;
        enter(p, GROUP_PLOTS);
        element(p->body, "<figure>\n<figcaption>", title, "</figcaption>\n");
        fwrite(text, 1, n_bytes, p->body);
        fputs("</figure>\n", p->body);
    }
    free(text);
    return ok;
}

static void write_page(const struct cn_page *p, FILE *out)
{
    fputs("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
          out);
    element(out, "<title>", p->title, "</title>\n<style>\n");
    fputs(cn_page_style, out);
    fputs("</style>\n</head>\n<body>\n", out);
    element(out, "<h1>", p->title, "</h1>\n<nav>\n");
    fwrite(p->nav_text, 1, p->nav_bytes, out);
    fputs("</nav>\n", out);
    fwrite(p->body_text, 1, p->body_bytes, out);
    fputs(p->in_section ? "</section>\n<script>\n" : "<script>\n", out);
    fputs(cn_page_script, out);
    fputs("</script>\n</body>\n</html>\n", out);
}

enum cn_status cn_page_save(struct cn_page *p, const char *path, struct cn_error *err)
{
    struct cn_outfile *file;
    enter(p, GROUP_NONE);
    /* A stream into memory can only fail because memory runs out. */
    CN_RETURN_IF(fflush(p->nav) != 0 || fflush(p->body) != 0 || ferror(p->nav) || ferror(p->body),
                 CN_ERR_MEMORY, err, "out of memory");
    CN_TRY(cn_outfile_create(path, &file, err));
    write_page(p, cn_outfile_stream(file));
    return cn_outfile_finish(file, err);
}
