/* SPDX-License-Identifier: MIT
 *
 * carnot run: text from a model, with what it took on stderr.
 */
#include "cli/commands/run.h"
#include "cli/commands/converse.h"

#include "cli/cli.h"
#include "cli/command.h"
#include "cli/drafts.h"
#include "cli/lists.h"
#include "cli/open_model.h"
#include "cli/outputs.h"
#include "cli/settings.h"
#include "cli/tokens.h"

#include "bench/model/watched_load.h"
#include "engine/tools.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_PROMPT_BYTES = 256 << 20, MAX_TEMPLATE_BYTES = 1 << 20 };

struct arguments {
    const char *model, *prompt, *file, *tokens, *messages, *template_name, *kv, *precision, *tiers;
    const char *meter, *root, *trace, *record, *session;
    const char *template_file, *template_time, *tools;
    struct cn_draft_arguments drafts;
    struct cn_cpu_settings settings;
    struct cn_string_list bias, template_args;
    int32_t *prompt_ids; /* of --tokens, until the prompt is made of them */
    size_t n_prompt_ids;
    int64_t lanes, fill, n, ctx, batch, threads, threads_prefill, top_k, repeat_last_n, seed;
    double temp, top_p, min_p, repeat_penalty, idle;
    bool ignore_eos, chat, print_prompt, no_generation_prompt, ids, parse_special, sleep,
        force_meter, no_model;
};

static bool cancelled(void *user)
{
    (void)user;
    return cn_interrupted();
}

/* The prompt as tokens; false after a message. With --print-prompt the text is printed and *n is 0.
 */
static bool read_prompt(struct arguments *a, const struct cn_run *run, int32_t **tokens, size_t *n)
{
    const struct cn_model *model = run->model;
    struct cn_error err = { "" };
    *tokens = NULL;
    *n = 0;
    if (a->tokens) {
        *tokens = a->prompt_ids;
        *n = a->n_prompt_ids;
        a->prompt_ids = NULL;
        return true;
    }
    const char *path = a->messages ? a->messages : a->file;
    size_t n_bytes = a->prompt ? strlen(a->prompt) : 0;
    char *file = NULL;
    if (path && !(file = cn_read_text(path, MAX_PROMPT_BYTES, &n_bytes)))
        return false;
    enum cn_status status;
    if (a->messages) {
        struct cn_chat_message *messages = NULL;
        size_t n_messages;
        char *text = NULL;
        size_t n_text;
        status = cn_chat_parse(file, n_bytes, path, &messages, &n_messages, &err);
        bool parsed = status == CN_OK;
        if (parsed && a->print_prompt) {
            status = cn_chat_text(run->chat, messages, n_messages, !a->no_generation_prompt, &text,
                                  &n_text, &err);
            if (status == CN_OK)
                fwrite(text, 1, n_text, stdout);
        } else if (parsed) {
            status = cn_chat_tokens(run->chat, messages, n_messages, !a->no_generation_prompt,
                                    tokens, n, &err);
        }
        free(text);
        free(messages);
        if (parsed && status != CN_OK) {
            free(file);
            cn_die("%s: %s", path, err.text);
            return false;
        }
    } else {
        const char *text = file ? file : a->prompt ? a->prompt : "";
        status = CN_OK;
        if (a->print_prompt)
            fwrite(text, 1, n_bytes, stdout);
        else
            status = cn_tokenize(model, text, n_bytes,
                                 CN_TOKENIZE_BOS | CN_TOKENIZE_PROMPT |
                                     (a->parse_special ? CN_TOKENIZE_SPECIAL : 0),
                                 tokens, n, &err);
    }
    free(file);
    if (status != CN_OK) {
        cn_die("%s", err.text);
        return false;
    }
    /* An empty prompt needs something to start from. */
    if (*n == 0 && !a->print_prompt) {
        int32_t bos = cn_model_get_info(model)->bos;
        free(*tokens);
        *tokens = malloc(sizeof **tokens);
        if (!*tokens || bos < 0) {
            cn_die("the prompt is empty and the model has no BOS token to start from");
            return false;
        }
        **tokens = bos;
        *n = 1;
    }
    return true;
}

/* The one summary. decoded: of the tokens generated those that were evaluated. */
static void summarise(const struct cn_run *run, const struct cn_generation *g, int64_t decoded)
{
    const int32_t n_prefill = g->n_prompt - g->n_kept;
    if (isatty(STDOUT_FILENO))
        cn_say("\n");
    if (run->n_answers > 1)
        cn_say("%zu answers: ", run->n_answers);
    cn_say("%d prompt tokens", g->n_prompt);
    if (g->n_kept > 0)
        cn_say(" (%d of them %s)", g->n_kept, run->filled ? "filled in" : "reused");
    cn_say(", %d generated", g->n_generated);
    if (g->n_reasoning > 0)
        cn_say(" (%d of them thinking)", g->n_reasoning);
    if (g->ttft_s > 0)
        cn_say(" | TTFT %.1f ms", g->ttft_s * 1e3);
    if (n_prefill > 0)
        cn_say(" | prefill %.1f tokens/s%s", n_prefill / g->prefill_s,
               run->fast ? " (precision fast)" : "");
    if (decoded)
        cn_say(" | decode %.1f tokens/s", (double)decoded / (g->decode_s + g->sample_s));
    cn_run_say_drafts(g);
    cn_say(" | ");
    struct cn_energy prefill, decode, drafts;
    cn_profiler_total(run->profiler, 0, "prefill", 0, SIZE_MAX, &prefill);
    cn_profiler_total(run->profiler, 0, "decode", 0, SIZE_MAX, &decode);
    if (run->drafts)
        cn_speculation_energy(run->profiler, g->phases_from, SIZE_MAX, &decode, &drafts);
    if (n_prefill > 0)
        cn_run_say_energy("prefill", &prefill, n_prefill);
    if (decoded) {
        cn_say(n_prefill > 0 ? ", " : "");
        cn_run_say_energy("decode", &decode, decoded);
        if (run->drafts && isfinite(drafts.joules)) {
            cn_say(", ");
            cn_run_say_energy("of it the drafts'", &drafts, decoded);
        }
    }
    cn_run_say_meter(run);
    if (g->context_full)
        cn_say("carnot run: stopped: the context of %d tokens is full (-c for more)\n",
               cn_session_n_ctx(run->session));
}

static int write_trace(const struct arguments *a, const struct cn_run *run)
{
    struct cn_error err = { "" };
    struct cn_outfile *file;
    if (cn_outfile_create(a->trace, &file, &err) != CN_OK)
        return cn_die("%s", err.text);
    cn_profiler_print_trace(run->profiler, cn_outfile_stream(file));
    cn_run_print_answers(run, cn_outfile_stream(file));
    return cn_outfile_finish(file, &err) == CN_OK ? CN_EXIT_OK : cn_die("%s", err.text);
}

static int finish_profile(const struct arguments *a, struct cn_run *run)
{
    struct cn_profiler_error err = { "" };
    if (cn_profiler_stop(run->profiler, &err) != 0)
        cn_warn("%s", err.text);
    const char *note = cn_profiler_note(run->profiler);
    if (note)
        cn_warn("%s", note);
    /* Without joules a run is not a measurement. */
    const char *disturbance = cn_profiler_disturbance(run->profiler);
    if (disturbance && cn_profiler_channel(run->profiler, 0)->ok)
        cn_warn("the machine was not quiet: %s", disturbance);
    return a->trace ? write_trace(a, run) : CN_EXIT_OK;
}

static int save_record(const struct arguments *a, const struct cn_run *run,
                       const struct cn_generation *g, int64_t n_decoded, int64_t n_passes,
                       size_t kv_bytes)
{
    struct cn_error err = { "" };
    struct cn_run_facts facts = { .model = run->model,
                                  .profiler = run->profiler,
                                  .generation = g,
                                  .n_decoded = n_decoded,
                                  .n_passes = n_passes,
                                  .kv_bytes = kv_bytes,
                                  .n_threads = (int32_t)a->threads,
                                  .n_threads_prefill = (int32_t)a->threads_prefill,
                                  .kv = a->kv,
                                  .carnot = cn_version() };
    return cn_run_record_save(run->record, &facts, a->record, &err) == CN_OK
               ? CN_EXIT_OK
               : cn_die("%s", err.text);
}

/* Goes on from the file of --session, if it is there. */
static int load_session(const struct arguments *a, struct cn_run *run)
{
    struct cn_error err = { "" };
    /* What --force is to replace. */
    if (*cn_output_force() && cn_file_kind_of(a->session) != CN_FILE_SESSION)
        return CN_EXIT_OK;
    const enum cn_status status = cn_session_load(run->session, a->session, &err);
    return status == CN_OK || (status == CN_ERR_IO && errno == ENOENT) ? CN_EXIT_OK
                                                                       : cn_die("%s", err.text);
}

static int save_session(const struct arguments *a, struct cn_run *run)
{
    struct cn_error err = { "" };
    return cn_session_position(run->session) == 0 ||
                   cn_session_save(run->session, a->session, &err) == CN_OK
               ? CN_EXIT_OK
               : cn_die("%s", err.text);
}

static void summarise_samples(const struct cn_run *run, int32_t n_prompt,
                              const struct cn_continuations *s)
{
    struct cn_energy prefill, decode;
    cn_profiler_total(run->profiler, 0, "prefill", 0, SIZE_MAX, &prefill);
    cn_profiler_total(run->profiler, 0, "decode", 0, SIZE_MAX, &decode);
    cn_say("%d prompt tokens, %lld generated in %d samples", n_prompt, (long long)s->n_generated,
           s->n);
    if (s->ttft_s > 0)
        cn_say(" | TTFT %.1f ms", s->ttft_s * 1e3);
    cn_say(" | prefill %.1f tokens/s%s", n_prompt / s->prefill_s,
           run->fast ? " (precision fast)" : "");
    if (s->n_decoded > 0)
        cn_say(" | decode %.1f tokens/s of all",
               (double)s->n_decoded / (s->decode_s + s->sample_s));
    cn_say(" | ");
    cn_run_say_energy("prefill", &prefill, n_prompt);
    if (s->n_decoded > 0) {
        cn_say(", ");
        cn_run_say_energy("decode", &decode, s->n_decoded);
    }
    cn_run_say_meter(run);
    if (s->context_full)
        cn_say("carnot run: stopped: the context of %d tokens is full (-c for more)\n", s->n_ctx);
}

/* The record of several samples: sums over them, and their texts, one behind the other. */
static int save_record_of_samples(const struct arguments *a, const struct cn_run *run,
                                  int32_t n_prompt, const struct cn_continuations *s)
{
    const struct cn_generation g = { .n_prompt = n_prompt,
                                     .n_generated = (int32_t)s->n_generated,
                                     .prefill_s = s->prefill_s,
                                     .decode_s = s->decode_s,
                                     .sample_s = s->sample_s,
                                     .ttft_s = s->ttft_s,
                                     .decoded = s->decoded };
    for (int32_t i = 0; i < s->n; i++)
        for (int32_t t = 0; t < s->each[i].n; t++) {
            size_t n;
            const char *bytes = cn_token_bytes(run->model, s->each[i].tokens[t], false, &n);
            cn_run_record_token(run->record, s->each[i].tokens[t], bytes, n);
        }
    return save_record(a, run, &g, s->n_decoded, s->n_passes, s->kv_bytes);
}

/* --lanes: several continuations of the prompt at once. */
static int generate_samples(struct arguments *a, struct cn_run *run)
{
    struct cn_error err = { "" };
    const struct cn_continuations_options o = { .n = (int32_t)a->lanes,
                                                .n_predict = run->n_predict,
                                                .ignore_end = run->ignore_eos,
                                                .chat = run->chat,
                                                .sampler = *run->sampling,
                                                .session = run->options,
                                                .profiler = run->profiler };
    struct cn_continuations samples;
    int32_t *prompt;
    size_t n;
    if (!read_prompt(a, run, &prompt, &n)) {
        free(prompt);
        return CN_EXIT_FAILED;
    }
    const enum cn_status status = cn_continuations_make(
        run->model, prompt, n > INT32_MAX ? INT32_MAX : (int32_t)n, &o, &samples, &err);
    cn_run_print_several(run, &samples, a->messages ? NULL : a->prompt, o.sampler.seed);
    cn_idle_phase(run->profiler, a->idle, 1);
    int code = finish_profile(a, run);
    if (status == CN_OK && run->record && code == CN_EXIT_OK)
        code = save_record_of_samples(a, run, (int32_t)n, &samples);
    if (status == CN_ERR_FORMAT)
        code = cn_die("%s: %s", a->model, err.text);
    else if (status != CN_OK && status != CN_ERR_CANCELLED)
        code = cn_die("%s", err.text);
    else if (status == CN_OK || samples.n_generated > 0)
        summarise_samples(run, (int32_t)n, &samples);
    if (cn_interrupted())
        code = cn_die("interrupted");
    cn_continuations_free(&samples);
    free(prompt);
    return code;
}

/* --fill: the session holds all of prompt[n] but its end, without having evaluated more than its
 * beginning. */
static enum cn_status fill_past(const struct arguments *a, struct cn_run *run,
                                const int32_t *prompt, int32_t n, struct cn_error *err)
{
    const int32_t fill = (int32_t)a->fill;
    if (a->fill == 0 || n / 2 <= fill)
        return CN_OK;
    run->filled = true;
    const enum cn_status status = cn_session_eval(run->session, prompt, fill, CN_WANT_NONE, err);
    return status == CN_OK ? cn_session_fill(run->session, prompt + fill, n - 2 * fill, err)
                           : status;
}

static int generate(struct arguments *a, struct cn_run *run)
{
    struct cn_error err = { "" };
    int32_t *prompt;
    size_t n;
    if (!read_prompt(a, run, &prompt, &n)) {
        free(prompt);
        return CN_EXIT_FAILED;
    }
    if (a->print_prompt)
        return CN_EXIT_OK;
    struct cn_generation g = { .n_prompt = 0 };
    struct cn_thinking thinking = { .put = NULL };
    struct cn_generate_options o = { .n_predict = run->n_predict,
                                     .ignore_end = run->ignore_eos,
                                     .chat = run->chat,
                                     .profiler = run->profiler,
                                     .speculator = cn_speculation_speculator(run->drafts),
                                     .token = cn_run_print,
                                     .user = run };
    int code = CN_EXIT_OK;
    if (n > (size_t)cn_session_n_ctx(run->session)) {
        code = cn_die("the prompt has %zu tokens, the context %d (-c for more)", n,
                      cn_session_n_ctx(run->session));
    } else {
        if (run->chat) {
            cn_thinking_begin(&thinking, run->chat, run->model, prompt, n);
            o.thinking = &thinking;
        }
        /* The text reads on from the prompt. */
        if (!a->ids && !a->messages && a->prompt)
            fputs(a->prompt, stdout);
        enum cn_status status = fill_past(a, run, prompt, (int32_t)n, &err);
        if (status == CN_OK)
            status = cn_generate(run->session, run->model, run->sampler, prompt, (int32_t)n, &o, &g,
                                 &err);
        fputc('\n', stdout);
        fflush(stdout);
        const bool lost = cn_result_lost(); /* while errno still says why */
        cn_idle_phase(run->profiler, a->idle, 1);
        if (run->chat && !cn_run_keep_answer(run, &g))
            cn_warn("no memory for what the answer took");
        code = finish_profile(a, run);
        if (status == CN_OK && run->record && code == CN_EXIT_OK) {
            const int64_t n_decoded = g.n_generated > 1 ? g.n_generated - 1 : 0;
            code =
                save_record(a, run, &g, n_decoded, run->drafts ? g.speculation.n_passes : n_decoded,
                            cn_session_kv_bytes(run->session));
        }
        if (status == CN_OK && a->session && code == CN_EXIT_OK && !lost && !cn_interrupted())
            code = save_session(a, run);
        if (status == CN_ERR_FORMAT) { /* the model's fault */
            code = cn_die("%s: %s", a->model, err.text);
        } else if (status != CN_OK && status != CN_ERR_CANCELLED) {
            code = cn_die("%s", err.text);
        } else {
            if (status == CN_OK || g.n_generated > 0)
                summarise(run, &g, g.n_generated > 0 ? g.n_generated - 1 : 0);
            if (cn_interrupted())
                code = cn_die("interrupted");
        }
    }
    free(prompt);
    return code;
}

static bool parse_bias(const struct cn_string_list *list, struct cn_logit_bias *bias)
{
    for (size_t i = 0; i < list->n; i++) {
        char *end;
        long token = strtol(list->items[i], &end, 10);
        char *start = end + 1;
        bool ok = end != list->items[i] && *end == '=' && token >= 0 && token <= INT32_MAX;
        if (ok)
            bias[i] = (struct cn_logit_bias){ (int32_t)token, strtof(start, &end) };
        if (!ok || end == start || *end || isnan(bias[i].bias)) {
            cn_usage_error("--logit-bias: ID=BIAS expected, '%s' given", list->items[i]);
            return false;
        }
    }
    return true;
}

/* The template of --messages and --chat; false after a message. */
static bool open_chat(const struct arguments *a, struct cn_run *run)
{
    struct cn_error err = { "" };
    struct cn_chat_options o = { .template_name = a->template_name,
                                 .arguments = a->template_args.items,
                                 .n_arguments = a->template_args.n,
                                 .time = a->template_time };
    char *text = NULL, *tools = NULL;
    bool ok = (!a->template_file ||
               (text = cn_read_file(a->template_file, MAX_TEMPLATE_BYTES, &o.n_template_text))) &&
              (!a->tools || (tools = cn_read_file(a->tools, MAX_PROMPT_BYTES, &o.n_tools)));
    o.template_text = text;
    o.tools = tools;
    if (ok && cn_chat_create(run->model, &o, &run->chat, &err) != CN_OK) {
        ok = false;
        /* Which file the message is of. */
        bool of_template = strncmp(err.text, "chat template", 13) == 0;
        const char *file = !of_template ? (strncmp(err.text, "tools", 5) == 0 ? a->tools : NULL)
                           : a->template_file ? a->template_file
                                              : a->model;
        if (!a->template_file && !a->template_name && !cn_chat_has_template(run->model))
            cn_die("%s: %s (--template)", a->model, err.text);
        else if (file)
            cn_die("%s: %s", file, err.text);
        else
            cn_die("%s", err.text);
    }
    free(text);
    free(tools);
    return ok;
}

static enum cn_status open_all(const struct arguments *a, struct cn_run *run,
                               const struct cn_session_options *session,
                               const struct cn_sampler_options *sampler, struct cn_error *err)
{
    const struct cn_watched_load load = {
        .profiler = run->profiler,
        .idle_s = a->idle,
        .path = a->no_model ? NULL : a->model,
        .model = {.tiers = a->tiers, .vocab_only = a->print_prompt},
        .session = a->print_prompt || a->lanes > 0 ? NULL : session,
    };
    enum cn_status status = cn_watched_load(&load, &run->model, &run->session, err);
    /* A failure is one line. */
    if (status == CN_OK && run->model)
        cn_warn_of_model(a->model, run->model, a->ctx);
    if (status == CN_OK && !a->print_prompt)
        status = cn_sampler_create(run->model, sampler, &run->sampler, err);
    return status;
}

/* The drafts of --draft, --lookup or --mtp. */
static enum cn_status open_drafts(const struct arguments *a, struct cn_run *run,
                                  const struct cn_session_options *session, struct cn_error *err)
{
    struct cn_speculation_options o = cn_drafts_options(&a->drafts);
    if (a->print_prompt || !cn_drafts_asked(&a->drafts))
        return CN_OK;
    o.tiers = a->tiers;
    o.profiler = run->profiler;
    o.session = *session;
    o.session.n_ctx = cn_session_n_ctx(run->session);
    o.session.n_logits = 0;
    enum cn_status status = cn_speculation_open(run->session, run->sampler, &o, &run->drafts, err);
    if (status == CN_OK && o.for_energy && !cn_speculation_by_joules(run->drafts))
        cn_warn("--for energy: no counter tells joules fast enough; drafts go by time");
    return status;
}

static int run_all(struct arguments *a, const struct cn_logit_bias *bias)
{
    struct cn_error err = { "" };
    struct cn_profiler_error profiler_err = { "" };
    struct cn_run run = { .n_predict = (int32_t)a->n, .ignore_eos = a->ignore_eos, .ids = a->ids };
    struct cn_session_options session = { .n_ctx = (int32_t)a->ctx,
                                          .n_batch = (int32_t)a->batch,
                                          .n_threads = (int32_t)a->threads,
                                          .n_threads_prefill = (int32_t)a->threads_prefill,
                                          .sleep = a->sleep,
                                          .callbacks = { .cancel = cancelled } };
    if (cn_drafts_asked(&a->drafts))
        session.n_logits = cn_speculation_n_logits((int32_t)a->drafts.n);
    struct cn_sampler_options sampler = { .temperature = (float)a->temp,
                                          .top_k = (int32_t)a->top_k,
                                          .top_p = (float)a->top_p,
                                          .min_p = (float)a->min_p,
                                          .repeat_penalty = (float)a->repeat_penalty,
                                          .repeat_last_n = (int32_t)a->repeat_last_n,
                                          .seed = (uint64_t)a->seed,
                                          .ignore_eos = a->ignore_eos,
                                          .bias = bias,
                                          .n_bias = a->bias.n };
    struct cn_profiler_options profiler = { .root = a->root,
                                            .meter = a->meter,
                                            .force = a->force_meter };
    if (!cn_kv_parse(a->kv, &session.kv) || !cn_precision_parse(a->precision, &session.fast))
        return CN_EXIT_USAGE;
    run.fast = session.fast;
    run.options = &session;
    run.sampling = &sampler;
    run.profiler = cn_profiler_create(&profiler, &profiler_err);
    if (!run.profiler)
        return cn_meter_refused(profiler_err.text);
    if (cn_profiler_start(run.profiler, &profiler_err) != 0) {
        cn_profiler_free(run.profiler);
        return cn_die("%s", profiler_err.text);
    }
    if (a->record && !(run.record = cn_run_record_create())) {
        cn_profiler_free(run.profiler);
        return cn_die("out of memory");
    }
    int code;
    if (open_all(a, &run, &session, &sampler, &err) != CN_OK ||
        open_drafts(a, &run, &session, &err) != CN_OK) {
        code = cn_die("%s", err.text);
    } else if ((a->chat || a->messages) && !open_chat(a, &run)) {
        code = CN_EXIT_FAILED;
    } else if (a->session && load_session(a, &run) != CN_EXIT_OK) {
        code = CN_EXIT_FAILED;
    } else if (a->chat) {
        code = cn_converse(&run);
        int traced = finish_profile(a, &run);
        code = code == CN_EXIT_OK ? traced : code;
        if (code == CN_EXIT_OK && run.n_answers > 0)
            summarise(&run, &run.sum, run.n_decoded);
        cn_interrupt_clear(); /* a way to leave a chat */
        if (a->session && code == CN_EXIT_OK)
            code = save_session(a, &run);
    } else {
        code = (a->lanes > 0 ? generate_samples : generate)(a, &run);
    }
    free(run.answers);
    cn_chat_free(run.chat);
    cn_run_record_free(run.record);
    cn_speculation_close(run.drafts);
    cn_sampler_free(run.sampler);
    cn_session_free(run.session);
    cn_model_close(run.model);
    cn_profiler_free(run.profiler);
    return code;
}

/* Under the settings that were asked for. */
static int execute(struct arguments *a, const struct cn_logit_bias *bias)
{
    struct cn_cpu_hold *hold;
    const int code = cn_settings_begin(a->root, &a->settings, &hold);
    return code < 0 ? cn_settings_end(hold, run_all(a, bias)) : code;
}

static bool is_template(const char *name)
{
    for (size_t i = 0; cn_chat_template_name(i); i++)
        if (strcmp(cn_chat_template_name(i), name) == 0)
            return true;
    return false;
}

static int unknown_template(const char *name)
{
    char known[512] = "";
    for (size_t i = 0; cn_chat_template_name(i); i++) {
        size_t n = strlen(known);
        snprintf(known + n, sizeof known - n, " %s", cn_chat_template_name(i));
    }
    return cn_usage_error("--template: no template is called '%s'; there are:%s", name, known);
}

/* What excludes what. -1: all is well. */
static int check(const struct arguments *a)
{
    int sources = (a->prompt != NULL) + (a->file != NULL) + (a->tokens != NULL) +
                  (a->messages != NULL) + a->chat;
    if (sources > 1)
        return cn_usage_error("one of -p, -f, --tokens, --messages and --chat, please");
    if (a->print_prompt && (a->tokens || a->chat))
        return cn_usage_error("--print-prompt goes with -p, -f or --messages");
    if (a->record && (a->chat || a->print_prompt))
        return cn_usage_error("--record goes with one prompt and its answer");
    if (a->session && (a->record || a->print_prompt))
        return cn_usage_error("--session does not go with %s, %s",
                              a->record ? "--record" : "--print-prompt",
                              a->record ? "which is of a whole prompt" : "which evaluates nothing");
    if (a->lanes > 0 && (a->chat || a->session || a->print_prompt || cn_drafts_asked(&a->drafts)))
        return cn_usage_error("--lanes does not go with %s", a->chat      ? "--chat"
                                                             : a->session ? "--session"
                                                             : a->print_prompt
                                                                 ? "--print-prompt"
                                                                 : cn_drafts_name(&a->drafts));
    if (a->fill > 0 &&
        (a->chat || a->session || a->print_prompt || a->lanes > 0 || cn_drafts_asked(&a->drafts)))
        return cn_usage_error("--fill does not go with %s", a->chat           ? "--chat"
                                                            : a->session      ? "--session"
                                                            : a->print_prompt ? "--print-prompt"
                                                            : a->lanes > 0
                                                                ? "--lanes"
                                                                : cn_drafts_name(&a->drafts));
    if (a->no_generation_prompt && !a->messages)
        return cn_usage_error("--no-generation-prompt goes with --messages");
    if (a->template_name && !is_template(a->template_name))
        return unknown_template(a->template_name);
    bool any = a->template_file || a->template_time || a->template_args.n > 0 || a->tools;
    if ((a->template_name || any) && !a->messages && !a->chat)
        return cn_usage_error("%s goes with --messages or --chat",
                              a->template_name         ? "--template"
                              : a->template_file       ? "--template-file"
                              : a->template_time       ? "--template-time"
                              : a->template_args.n > 0 ? "--template-arg"
                                                       : "--tools");
    if (a->template_name && any)
        return cn_usage_error("--template names a built-in template, which takes no file, time, "
                              "arguments or tools");
    return cn_drafts_check(&a->drafts);
}

/* Before anything is generated. -1: all is well. */
static int check_outputs(const struct arguments *a)
{
    const char *const in[] = {
        a->model,         a->file,  a->messages,
        a->template_file, a->tools, a->tokens && a->tokens[0] == '@' ? a->tokens + 1 : NULL,
        a->drafts.draft
    };
    const size_t n = sizeof in / sizeof *in;
    int code = cn_output_check(a->trace, CN_FILE_TEXT, in, n);
    if (code < 0)
        code = cn_output_check_table("--record", a->record, in, n);
    if (code < 0)
        code = cn_output_check(a->session, CN_FILE_SESSION, in, n);
    if (code < 0)
        code = cn_output_check_two(a->trace, a->session);
    return code < 0 ? cn_output_check_two(a->trace, a->record) : code;
}

int cn_cmd_run(int argc, char **argv)
{
    struct arguments a = { .kv = "f16",
                           .precision = "exact",
                           .root = getenv("CARNOT_ROOT"),
                           .n = 128,
                           .top_k = 40,
                           .repeat_last_n = 64,
                           .temp = 0.8,
                           .top_p = 0.95,
                           .min_p = 0.05,
                           .repeat_penalty = 1 };
    const struct cn_usage usage = {
        "carnot run [-m FILE] [-p TEXT | -f FILE | --tokens IDS | --messages FILE | --chat] "
        "[options]",
        "Generates text on stdout; on stderr one summary: time to first token, tokens per second "
        "and\n"
        "joules per token of prefill and decode, with the meter's boundary, and peak memory.\n"
        "Ctrl-C ends it with the summary of what there is, and exit code 1.\n"
        "--session FILE keeps tokens, KV cache and states: the next run of the same model with the "
        "same\n"
        "--kv evaluates only what its prompt has beyond the beginning that both share. It is "
        "written "
        "when\n"
        "the run ends well.\n"
        "\n"
        "  carnot run -p \"The old man looked at the sea\" -n 60 --seed 1\n"
        "  carnot run -m model.gguf -f document.txt --session document.session -n 1\n"
        "  carnot run -m model.gguf --chat",
    };
    /* clang-format off */
    const struct cn_option options[] = {
        { "--model", "-m", CN_OPT_STRING, &a.model, "FILE",
          "GGUF model (the default model)", 0, 0 },
        { "--prompt", "-p", CN_OPT_STRING, &a.prompt, "TEXT", "the prompt", 0, 0 },
        { "--file", "-f", CN_OPT_STRING, &a.file, "FILE",
          "the prompt from a file; - for stdin", 0, 0 },
        { "--tokens", NULL, CN_OPT_STRING, &a.tokens, "@FILE|IDS",
          "token ids, fed as they are", 0, 0 },
        { "--messages", NULL, CN_OPT_STRING, &a.messages, "FILE", "a conversation, JSON", 0, 0 },
        { "--chat", NULL, CN_OPT_FLAG, &a.chat, NULL, "talk interactively", 0, 0 },
        { "--template", NULL, CN_OPT_STRING, &a.template_name, "NAME",
          "built-in chat template, for files that have none", 0, 0 },
        { "--template-file", NULL, CN_OPT_STRING, &a.template_file, "FILE",
          "a Jinja template instead", 0, 0 },
        { "--template-arg", NULL, CN_OPT_LIST, &a.template_args, "KEY=JSON",
          "a variable for the template; may be repeated", 0, 0 },
        { "--template-time", NULL, CN_OPT_STRING, &a.template_time, "TIME",
          "what the template takes for now, like 2026-11-29T13:05:09", 0, 0 },
        { "--tools", NULL, CN_OPT_STRING, &a.tools, "FILE",
          "tools for the template, a JSON list", 0, 0 },
        { "--print-prompt", NULL, CN_OPT_FLAG, &a.print_prompt, NULL,
          "print the prompt's text and stop", 0, 0 },
        { "--no-generation-prompt", NULL, CN_OPT_FLAG, &a.no_generation_prompt, NULL,
          "end the messages where they end", 0, 0 },
        { "--parse-special", NULL, CN_OPT_FLAG, &a.parse_special, NULL,
          "control tokens' texts in the prompt become those tokens", 0, 0 },
        { "--session", NULL, CN_OPT_STRING, &a.session, "FILE",
          "what was evaluated before is in here, and goes here at the end", 0, 0 },
        { "--predict", "-n", CN_OPT_INT, &a.n, "N",
          "most tokens to generate, -1: no limit (128)", -1, 1 << 30 },
        { "--lanes", NULL, CN_OPT_INT, &a.lanes, "N",
          "N samples of one prompt together, with seeds from --seed on", 1, CN_MAX_LANES },
        { "--fill", NULL, CN_OPT_INT, &a.fill, "N",
          "evaluate N tokens at either end of a longer prompt alone, to see what a long past costs",
          1, 1 << 30 },
        { "--ctx", "-c", CN_OPT_INT, &a.ctx, "N",
          "context (the model's, 4096 at most)", 1, 1 << 30 },
        { "--batch", "-b", CN_OPT_INT, &a.batch, "N", "tokens per forward pass (512)", 1, 65536 },
        { "--threads", "-t", CN_OPT_INT, &a.threads, "N", "threads (every core)", 1, 1024 },
        { "--threads-prefill", NULL, CN_OPT_INT, &a.threads_prefill, "N",
          "threads of the prefill (as --threads)", 1, 1024 },
        { "--sleep", NULL, CN_OPT_FLAG, &a.sleep, NULL,
          "waiting threads sleep instead of spinning", 0, 0 },
        { "--temp", NULL, CN_OPT_FLOAT, &a.temp, "T", "temperature, 0: greedy (0.8)", 0, 100 },
        { "--top-k", NULL, CN_OPT_INT, &a.top_k, "N", "the N likeliest, 0: all (40)", 0, 1 << 30 },
        { "--top-p", NULL, CN_OPT_FLOAT, &a.top_p, "P",
          "the likeliest with this mass (0.95)", 0, 1 },
        { "--min-p", NULL, CN_OPT_FLOAT, &a.min_p, "P",
          "this likely beside the best (0.05)", 0, 1 },
        { "--repeat-penalty", NULL, CN_OPT_FLOAT, &a.repeat_penalty, "X",
          "1: none (1)", 1e-3, 1e3 },
        { "--repeat-last-n", NULL, CN_OPT_INT, &a.repeat_last_n, "N",
          "tokens it looks back (64)", 0, 1 << 20 },
        { "--seed", NULL, CN_OPT_INT, &a.seed, "N", "of the draw (0)", 0, 9e15 },
        { "--ignore-eos", NULL, CN_OPT_FLAG, &a.ignore_eos, NULL, "never end before -n", 0, 0 },
        { "--logit-bias", NULL, CN_OPT_LIST, &a.bias, "ID=B",
          "add B to a token's logit (-inf forbids it); may be repeated", 0, 0 },
        CN_OPTIONS_DRAFT(a.drafts),
        { "--kv", NULL, CN_OPT_STRING, &a.kv, "TYPE", "KV cache: f32, f16 or q8_0 (f16)", 0, 0 },
        { "--precision", NULL, CN_OPT_STRING, &a.precision, "P",
          "exact, or fast: coarser prefill (exact)", 0, 0 },
        { "--tiers", NULL, CN_OPT_STRING, &a.tiers, "LIST", "kernels to use, like ref,avx2", 0, 0 },
        { "--ids", NULL, CN_OPT_FLAG, &a.ids, NULL, "print token ids instead of text", 0, 0 },
        { "--meter", NULL, CN_OPT_STRING, &a.meter, "NAME",
          "energy meter, none: none (the best)", 0, 0 },
        { "--root", NULL, CN_OPT_STRING, &a.root, "DIR", "where the meters' files are (/)", 0, 0 },
        { "--force-meter", NULL, CN_OPT_FLAG, &a.force_meter, NULL,
          "take a battery that charges; while it does, joules are unresolved", 0, 0 },
        CN_OPTIONS_SETTINGS(a.settings),
        { "--trace", NULL, CN_OPT_STRING, &a.trace, "FILE",
          "write the phases as JSON lines", 0, 0 },
        { "--idle", NULL, CN_OPT_FLOAT, &a.idle, "S",
          "wait idle before and after, to measure the baseline (0)", 0, 3600 },
        { "--record", NULL, CN_OPT_STRING, &a.record, "FILE",
          "write all there is to know of the run as one row (.json, .csv, ...)", 0, 0 },
        CN_OPTION_FORCE,
    };
    /* clang-format on */
    int code =
        cn_options_parse(argc, argv, &usage, options, sizeof options / sizeof *options, NULL, 0, 0);
    /* A template's text alone is no model's: its special tokens are what the arguments say. */
    a.no_model = !a.model && a.template_file && a.print_prompt;
    a.model = a.model ? a.model : cn_default_model();
    if (code < 0)
        code = check(&a);
    if (code < 0)
        code = cn_check_tiers(a.tiers);
    if (code < 0)
        code = check_outputs(&a);
    if (code < 0 && a.tokens)
        code = cn_tokens_parse(a.tokens, &a.prompt_ids, &a.n_prompt_ids);
    if (code < 0) {
        struct cn_logit_bias *bias = calloc(a.bias.n + 1, sizeof *bias);
        code = !bias                        ? cn_die("out of memory")
               : !parse_bias(&a.bias, bias) ? CN_EXIT_USAGE
                                            : execute(&a, bias);
        free(bias);
    }
    free(a.prompt_ids);
    free(a.bias.items);
    free(a.template_args.items);
    return code;
}
