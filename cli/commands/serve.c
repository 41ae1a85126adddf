/* SPDX-License-Identifier: MIT
 *
 * carnot serve: a model behind HTTP, with what each answer took.
 */
#include "cli/cli.h"
#include "cli/lists.h"
#include "cli/open_model.h"
#include "cli/tokens.h"

#include "profiler/profiler.h"
#include "serve/server.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_TEMPLATE_BYTES = 1 << 20 };

struct arguments {
    const char *model, *host, *id, *api_key, *kv, *precision, *tiers, *meter, *root;
    const char *template_name, *template_file;
    struct cn_string_list names, origins;
    int64_t port, lanes, cache_mib, queue, ctx, batch, threads, threads_prefill, max_body_kib;
    double timeout, drain, idle;
    bool sleep, force_meter;
};

static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

static void say_ready(const struct arguments *a, const struct cn_server *server,
                      const struct cn_meter_info *meter)
{
    struct cn_server_facts f;
    cn_server_get_facts(server, &f);
    const bool six = strchr(a->host, ':') != NULL;
    cn_say("carnot serve: %s%s%s: %d lanes of %d tokens, %d kept (%.1f MiB each)\n", a->id,
           f.why_no_chat ? ", no chats: " : "", f.why_no_chat ? f.why_no_chat : "", f.n_lanes,
           f.n_ctx, f.n_kept, (double)f.lane_bytes / 1048576);
    if (meter->ok)
        cn_say("carnot serve: joules of %s [%s]\n", meter->boundary, meter->name);
    else
        cn_say("carnot serve: no energy: %s%s%s\n", meter->reason, meter->remedy[0] ? "; " : "",
               meter->remedy);
    if (!a->api_key && !is_loopback(a->host))
        cn_warn("%s can be reached from other machines, and no --api-key is asked for", a->host);
    cn_say("carnot serve: listening on http://%s%s%s:%u\n", six ? "[" : "", a->host, six ? "]" : "",
           f.port);
}

static int serve(const struct arguments *a, struct cn_server_options *o,
                 const struct cn_model *model, struct cn_profiler *profiler)
{
    struct cn_error err = { "" };
    struct cn_profiler_error profiler_err = { "" };
    struct cn_server *server = NULL;
    if (cn_server_start(o, model, profiler, &server, &err) != CN_OK)
        return cn_die("%s", err.text);
    say_ready(a, server, cn_profiler_channel(profiler, 0));
    while (!cn_interrupted())
        usleep(100000); /* a signal ends it early */
    cn_say("carnot serve: ending: answers have %.0f s to end\n", a->drain);
    cn_server_stop(server, a->drain);
    if (cn_profiler_stop(profiler, &profiler_err) != 0)
        cn_warn("%s", profiler_err.text);
    cn_interrupt_clear(); /* the way to end it */
    return CN_EXIT_OK;
}

static int open_and_serve(const struct arguments *a, struct cn_server_options *o)
{
    struct cn_error err = { "" };
    struct cn_profiler_error profiler_err = { "" };
    const struct cn_model_options model_options = { .tiers = a->tiers };
    const struct cn_profiler_options profiler_options = {
        .root = a->root, .meter = a->meter, .force = a->force_meter, .max_phases = 1
    };
    struct cn_model *model = NULL;
    struct cn_profiler *profiler = cn_profiler_create(&profiler_options, &profiler_err);
    int code;
    if (!profiler)
        return cn_meter_refused(profiler_err.text);
    if (cn_open_model(a->model, &model_options, a->ctx, &model, &err) != CN_OK)
        code = cn_die("%s", err.text);
    else if (cn_profiler_start(profiler, &profiler_err) != 0)
        code = cn_die("%s", profiler_err.text);
    else
        code = serve(a, o, model, profiler);
    cn_profiler_free(profiler);
    cn_model_close(model);
    return code;
}

/* The name of the model's file without folder and ending: what clients call it. */
static char *file_id(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const size_t n = strlen(name);
    const bool ending = n > 5 && strcmp(name + n - 5, ".gguf") == 0;
    return strndup(name, ending ? n - 5 : n);
}

static int execute(struct arguments *a)
{
    struct cn_server_options o = {
        .http = {.host = a->host,
                 .port = (uint16_t)a->port,
                 .names = a->names.items,
                 .n_names = a->names.n,
                 .origins = a->origins.items,
                 .n_origins = a->origins.n,
                 .api_key = a->api_key,
                 .max_body_bytes = (size_t)a->max_body_kib << 10,
                 .idle_s = (int)a->idle },
        .session = { .n_ctx = (int32_t)a->ctx,
                 .n_batch = (int32_t)a->batch,
                 .n_threads = (int32_t)a->threads,
                 .n_threads_prefill = (int32_t)a->threads_prefill,
                 .sleep = a->sleep},
        .id = a->id,
        .n_lanes = (int32_t)a->lanes,
        .cache_bytes = (size_t)a->cache_mib << 20,
        .max_waiting = a->queue,
        .timeout_s = a->timeout,
        .template_name = a->template_name,
    };
    char *text = NULL;
    if (!cn_kv_parse(a->kv, &o.session.kv) || !cn_precision_parse(a->precision, &o.session.fast))
        return CN_EXIT_USAGE;
    if (a->template_name && a->template_file)
        return cn_usage_error("one of --template and --template-file, please");
    if (a->template_file &&
        !(text = cn_read_file(a->template_file, MAX_TEMPLATE_BYTES, &o.n_template_text)))
        return CN_EXIT_FAILED;
    o.template_text = text;
    const int code = open_and_serve(a, &o);
    free(text);
    return code;
}

int cn_cmd_serve(int argc, char **argv)
{
    struct arguments a = { .host = "127.0.0.1",
                           .port = 8080,
                           .lanes = 4,
                           .cache_mib = 512,
                           .queue = 64,
                           .max_body_kib = 1024,
                           .timeout = 600,
                           .drain = 30,
                           .idle = 60,
                           .kv = "f16",
                           .precision = "exact",
                           .root = getenv("CARNOT_ROOT") };
    const struct cn_usage usage = {
        "carnot serve [-m FILE] [--host ADDRESS] [--port N] [--lanes N] [options]",
        "Answers requests over HTTP in the form of OpenAI's API: /v1/completions, "
        "/v1/chat/completions\n"
        "(both as streams, too), /v1/models, /health, /metrics, and a page to chat at /. Each "
        "answer's\n"
        "usage says how many joules its prefill and its decoding took, by which meter and within "
        "which\n"
        "boundary. Requests share passes through the model; a conversation that goes on pays for "
        "its new\n"
        "tokens. SIGTERM or Ctrl-C ends it when the answers under way are done.\n"
        "\n"
        "  carnot serve -m model.gguf &\n"
        "  curl http://127.0.0.1:8080/v1/completions -d '{\"prompt\": \"The sea\"}'",
    };
    /* clang-format off */
    const struct cn_option options[] = {
        { "--model", "-m", CN_OPT_STRING, &a.model, "FILE",
          "GGUF model (the default model)", 0, 0 },
        { "--id", NULL, CN_OPT_STRING, &a.id, "NAME",
          "what clients call the model (the file's name)", 0, 0 },
        { "--host", NULL, CN_OPT_STRING, &a.host, "ADDRESS",
          "address to listen on; 0.0.0.0: all (127.0.0.1)", 0, 0 },
        { "--port", NULL, CN_OPT_INT, &a.port, "N", "0: one that is free (8080)", 0, 65535 },
        { "--name", NULL, CN_OPT_LIST, &a.names, "NAME",
          "a host name that requests may call the server; may be repeated", 0, 0 },
        { "--cors", NULL, CN_OPT_LIST, &a.origins, "ORIGIN",
          "pages of https://HOST may ask, *: all pages; may be repeated", 0, 0 },
        { "--api-key", NULL, CN_OPT_STRING, &a.api_key, "KEY",
          "only for who knows the key (CARNOT_API_KEY)", 0, 0 },
        { "--lanes", NULL, CN_OPT_INT, &a.lanes, "N",
          "answers at a time (4)", 1, CN_MAX_LANES },
        { "--queue", NULL, CN_OPT_INT, &a.queue, "N", "requests that may wait (64)", 1, 65536 },
        { "--cache", NULL, CN_OPT_INT, &a.cache_mib, "MIB",
          "memory for conversations that may go on (512)", 0, 1 << 20 },
        { "--ctx", "-c", CN_OPT_INT, &a.ctx, "N",
          "context of a lane (the model's, 4096 at most)", 1, 1 << 30 },
        { "--batch", "-b", CN_OPT_INT, &a.batch, "N", "tokens per forward pass (512)", 1, 65536 },
        { "--max-body", NULL, CN_OPT_INT, &a.max_body_kib, "KIB",
          "largest request (1024)", 1, 1 << 20 },
        { "--timeout", NULL, CN_OPT_FLOAT, &a.timeout, "S",
          "longest time for an answer, 0: any (600)", 0, 1e6 },
        { "--idle-timeout", NULL, CN_OPT_FLOAT, &a.idle, "S",
          "longest silence of a connection (60)", 1, 1e6 },
        { "--drain", NULL, CN_OPT_FLOAT, &a.drain, "S",
          "time for answers under way when it is ended (30)", 0, 1e6 },
        { "--template", NULL, CN_OPT_STRING, &a.template_name, "NAME",
          "built-in chat template, for files that have none", 0, 0 },
        { "--template-file", NULL, CN_OPT_STRING, &a.template_file, "FILE",
          "a Jinja template instead", 0, 0 },
        { "--threads", "-t", CN_OPT_INT, &a.threads, "N", "threads (every core)", 1, 1024 },
        { "--threads-prefill", NULL, CN_OPT_INT, &a.threads_prefill, "N",
          "threads of the prefill (as --threads)", 1, 1024 },
        { "--sleep", NULL, CN_OPT_FLAG, &a.sleep, NULL,
          "waiting threads sleep instead of spinning", 0, 0 },
        { "--kv", NULL, CN_OPT_STRING, &a.kv, "TYPE", "KV cache: f32, f16 or q8_0 (f16)", 0, 0 },
        { "--precision", NULL, CN_OPT_STRING, &a.precision, "P",
          "exact, or fast: coarser prefill (exact)", 0, 0 },
        { "--tiers", NULL, CN_OPT_STRING, &a.tiers, "LIST", "kernels to use, like ref,avx2", 0, 0 },
        { "--meter", NULL, CN_OPT_STRING, &a.meter, "NAME",
          "energy meter, none: none (the best)", 0, 0 },
        { "--root", NULL, CN_OPT_STRING, &a.root, "DIR", "where the meters' files are (/)", 0, 0 },
        { "--force-meter", NULL, CN_OPT_FLAG, &a.force_meter, NULL,
          "take a battery that charges; while it does, joules are unresolved", 0, 0 },
    };
    /* clang-format on */
    int code =
        cn_options_parse(argc, argv, &usage, options, sizeof options / sizeof *options, NULL, 0, 0);
    char *id = NULL;
    a.model = a.model ? a.model : cn_default_model();
    if (code < 0 && a.api_key && !*a.api_key)
        code = cn_usage_error("--api-key takes a key, not an empty one");
    if (code < 0 && !cn_http_built())
        code = cn_die("this program was built without libmicrohttpd, which serves HTTP");
    if (code < 0)
        code = cn_check_tiers(a.tiers);
    if (code < 0) {
        const char *key = getenv("CARNOT_API_KEY");
        if (!a.api_key && key && *key)
            a.api_key = key;
        if (!a.id)
            a.id = id = file_id(a.model);
        code = a.id ? execute(&a) : cn_die("out of memory");
    }
    free(id);
    free(a.names.items);
    free(a.origins.items);
    return code;
}
