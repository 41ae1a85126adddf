/* SPDX-License-Identifier: MIT
 *
 * libmicrohttpd's threads read requests and write answers; a connection that waits for the
 * scheduler sleeps, and is woken when its job has something to tell.
 */
#include "serve/http.h"

#include "base/clock.h"
#include "base/error.h"
#include "serve/answer.h"
#include "serve/chat_page.h"
#include "serve/http_guard.h"

#ifdef CN_MICROHTTPD

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netdb.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    MAX_CONNECTIONS = 256,
    N_THREADS = 2,
    PIECE_BYTES = 16 << 10, /* of a stream, at once */
    BODY_S = 60,            /* a request's body has to come within */
    FAR = 8,                /* times the largest body are read of one that is too long */
    RETRY_S = 1,            /* after 429 */
};

struct cn_http {
    struct cn_http_options options;
    const struct cn_service *service;
    struct cn_scheduler *scheduler;
    struct cn_tally *tally;
    struct MHD_Daemon *daemon;
    uint16_t port;
    atomic_int n_open;
    atomic_bool quiet;
};

enum what { PAGE, HEALTH, METRICS, MODELS, MODEL, COMPLETIONS, CHAT, EMBEDDINGS, NOTHING };

/* clang-format off */
static const struct route {
    const char *path;
    bool post, needs_key;
    bool below; /* a name follows the path */
} routes[NOTHING] = {
    [PAGE]        = { "/",                    false, false, false },
    [HEALTH]      = { "/health",              false, false, false },
    [METRICS]     = { "/metrics",             false, true,  false },
    [MODELS]      = { "/v1/models",           false, true,  false },
    [MODEL]       = { "/v1/models/",          false, true,  true  },
    [COMPLETIONS] = { "/v1/completions",      true,  true,  false },
    [CHAT]        = { "/v1/chat/completions", true,  true,  false },
    [EMBEDDINGS]  = { "/v1/embeddings",       true,  true,  false },
};
/* clang-format on */

/* One request. */
struct exchange {
    struct cn_http *http;
    struct MHD_Connection *connection;
    enum what what;
    struct cn_json_text body;
    size_t n_body; /* bytes that came, kept or not */
    int64_t began_ns;
    int fd;
    struct cn_job *job; /* NULL: none yet */
    bool refused;       /* before its body, for the reason: */
    struct cn_refusal refusal;
    bool suspended; /* with the job's lock held */
    bool answered;
};

static const char *header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* ---- answers that are there ------------------------------------------------------------------ */

static enum MHD_Result queue(struct exchange *x, int status, struct MHD_Response *response,
                             const char *type)
{
    const char *origin = header(x->connection, "Origin");
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", type);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (cn_http_cors(&x->http->options, origin)) {
        MHD_add_response_header(response, "Access-Control-Allow-Origin", origin);
        MHD_add_response_header(response, "Access-Control-Expose-Headers", "Retry-After");
        MHD_add_response_header(response, "Vary", "Origin");
    }
    char seconds[16];
    snprintf(seconds, sizeof seconds, "%d", RETRY_S);
    if (status == 429 || status == 503)
        MHD_add_response_header(response, "Retry-After", seconds);
    if (status == 401)
        MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
    if (status == 405)
        MHD_add_response_header(response, "Allow", routes[x->what].post ? "POST" : "GET, HEAD");
    const enum MHD_Result result = MHD_queue_response(x->connection, (unsigned)status, response);
    MHD_destroy_response(response);
    x->answered = result == MHD_YES;
    cn_tally_answer(x->http->tally, status);
    return result;
}

/* Takes the text. */
static enum MHD_Result answer(struct exchange *x, int status, struct cn_json_text *text,
                              const char *type)
{
    if (text->failed) {
        cn_json_text_free(text);
        return MHD_NO;
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(text->n, text->p, MHD_RESPMEM_MUST_FREE);
    if (!response)
        cn_json_text_free(text);
    return queue(x, status, response, type);
}

static enum MHD_Result refuse(struct exchange *x, const struct cn_refusal *refusal)
{
    struct cn_json_text text = { 0 };
    cn_answer_refusal(refusal, &text);
    return answer(x, refusal->status, &text, "application/json");
}

static enum MHD_Result show_page(struct exchange *x)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        cn_chat_page_bytes(), (void *)(uintptr_t)cn_chat_page, MHD_RESPMEM_PERSISTENT);
    if (response)
        MHD_add_response_header(response, "Content-Security-Policy",
                                "default-src 'none'; script-src 'unsafe-inline'; style-src "
                                "'unsafe-inline'; connect-src 'self'; img-src data:; "
                                "frame-ancestors 'none'");
    return queue(x, 200, response, "text/html; charset=utf-8");
}

static enum MHD_Result tell_health(struct exchange *x)
{
    struct cn_json_text text = { 0 };
    const bool quiet = atomic_load(&x->http->quiet);
    cn_json_text_say(&text, "{\"status\": \"%s\"}\n", quiet ? "ending" : "ok");
    return answer(x, quiet ? 503 : 200, &text, "application/json");
}

static enum MHD_Result tell_metrics(struct exchange *x)
{
    struct cn_json_text text = { 0 };
    cn_tally_write(x->http->tally, x->http->service,
                   cn_profiler_channel(x->http->service->profiler, 0), &text);
    return answer(x, 200, &text, "text/plain; version=0.0.4; charset=utf-8");
}

static enum MHD_Result tell_models(struct exchange *x)
{
    struct cn_json_text text = { 0 };
    cn_answer_models(x->http->service, &text);
    cn_json_text_add(&text, "\n", 1);
    return answer(x, 200, &text, "application/json");
}

static enum MHD_Result tell_model(struct exchange *x, const char *name)
{
    const struct cn_service *service = x->http->service;
    struct cn_json_text text = { 0 };
    struct cn_refusal refusal;
    if (strcmp(name, service->id) != 0) {
        cn_refuse_model(&refusal, service->id);
        return refuse(x, &refusal);
    }
    cn_answer_model(service, &text);
    cn_json_text_add(&text, "\n", 1);
    return answer(x, 200, &text, "application/json");
}

/* What a browser asks before it lets a page of another origin ask. Clients name headers of their
 * own there, which do no harm: an allowed origin may send what it likes. */
static enum MHD_Result allow(struct exchange *x)
{
    const char *headers = header(x->connection, "Access-Control-Request-Headers");
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (response) {
        MHD_add_response_header(response, "Access-Control-Allow-Methods", "GET, POST");
        MHD_add_response_header(response, "Access-Control-Allow-Headers",
                                headers ? headers : "Authorization, Content-Type");
        MHD_add_response_header(response, "Access-Control-Max-Age", "600");
    }
    return queue(x, 204, response, "text/plain");
}

/* ---- answers that are made ------------------------------------------------------------------- */

/* With the job's lock held. */
static void on_ready(void *user)
{
    struct exchange *x = user;
    if (!x->suspended || (!x->job->request.stream && !x->job->ended))
        return;
    x->suspended = false;
    MHD_resume_connection(x->connection);
}

/* While its connection sleeps nobody else would see that the client has hung up. */
static bool is_gone(void *user)
{
    const struct exchange *x = user;
    struct pollfd p = { .fd = x->fd, .events = POLLRDHUP };
    return x->suspended && x->fd >= 0 && poll(&p, 1, 0) == 1 &&
           p.revents & (POLLRDHUP | POLLHUP | POLLERR);
}

static void sleep_until_ready(struct exchange *x)
{
    x->suspended = true;
    MHD_suspend_connection(x->connection);
}

static ssize_t read_stream(void *user, uint64_t at, char *buffer, size_t max)
{
    struct exchange *x = user;
    struct cn_job *job = x->job;
    ssize_t n;
    (void)at;
    pthread_mutex_lock(&job->lock);
    if (job->out.failed) {
        n = MHD_CONTENT_READER_END_WITH_ERROR;
    } else if (job->out.n > 0) {
        n = (ssize_t)(job->out.n < max ? job->out.n : max);
        memcpy(buffer, job->out.p, (size_t)n);
        cn_json_text_drop(&job->out, (size_t)n);
    } else if (job->ended) {
        n = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        n = 0;
        sleep_until_ready(x);
    }
    pthread_mutex_unlock(&job->lock);
    return n;
}

/* The job has something to tell: the answer, or the first of it. */
static enum MHD_Result answer_job(struct exchange *x)
{
    struct cn_job *job = x->job;
    struct cn_json_text text = { 0 };
    pthread_mutex_lock(&job->lock);
    const bool stream = job->request.stream && job->status == 200;
    if (!job->ended && !(stream && job->out.n > 0)) { /* not yet */
        sleep_until_ready(x);
        pthread_mutex_unlock(&job->lock);
        return MHD_YES;
    }
    const int status = job->status;
    if (!stream) {
        text = job->out;
        job->out = (struct cn_json_text){ 0 };
    }
    pthread_mutex_unlock(&job->lock);
    if (stream)
        return queue(
            x, 200,
            MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, PIECE_BYTES, read_stream, x, NULL),
            "text/event-stream");
    if (status == 0) { /* given up, and so is the connection */
        cn_json_text_free(&text);
        return MHD_NO;
    }
    return answer(x, status, &text, "application/json");
}

static enum MHD_Result take_job(struct exchange *x)
{
    struct cn_refusal refusal;
    struct cn_http *http = x->http;
    const enum cn_request_kind kind = x->what == CHAT ? CN_REQUEST_CHAT : CN_REQUEST_COMPLETION;
    if (x->what == EMBEDDINGS) {
        cn_refuse(&refusal, 501, "unsupported", "",
                  "embeddings are not supported: models are run for the next token");
        return refuse(x, &refusal);
    }
    struct cn_job *job =
        cn_job_create(http->service, kind, x->body.p ? x->body.p : "", x->body.n, &refusal);
    cn_json_text_free(&x->body);
    if (!job)
        return refuse(x, &refusal);
    job->listener = (struct cn_listener){ .user = x, .ready = on_ready, .gone = is_gone };
    x->job = job;
    if (!cn_scheduler_submit(http->scheduler, job, &refusal)) {
        x->job = NULL;
        cn_job_release(job);
        return refuse(x, &refusal);
    }
    return answer_job(x);
}

/* ---- requests -------------------------------------------------------------------------------- */

static enum what find_route(const char *path)
{
    enum what i = PAGE;
    while (i < NOTHING && (routes[i].below ? strncmp(routes[i].path, path, strlen(routes[i].path))
                                           : strcmp(routes[i].path, path)) != 0)
        i++;
    return i;
}

/* Before the body. True: it may come. */
static bool admit(struct exchange *x, const char *path, const char *method,
                  struct cn_refusal *refusal)
{
    const struct cn_http *http = x->http;
    const struct cn_http_caller caller = { header(x->connection, "Host"),
                                           header(x->connection, "Origin"),
                                           header(x->connection, "Authorization") };
    const bool post = strcmp(method, "POST") == 0;
    const bool get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    const bool preflight = strcmp(method, "OPTIONS") == 0 && http->options.n_origins > 0;
    x->what = find_route(path);
    if (!cn_http_guard(&http->options, &caller,
                       !preflight && (x->what == NOTHING || routes[x->what].needs_key), refusal))
        return false;
    if (x->what == NOTHING)
        return cn_refuse(refusal, 404, NULL, "",
                         "nothing is at %.100s; there are /v1/completions, /v1/chat/completions, "
                         "/v1/models, /health, /metrics and /",
                         path);
    if (preflight)
        return true;
    if (!(routes[x->what].post ? post : get))
        return cn_refuse(refusal, 405, NULL, "", "%s takes %s", path,
                         routes[x->what].post ? "POST" : "GET");
    const char *length = header(x->connection, "Content-Length");
    const unsigned long long n = length ? strtoull(length, NULL, 10) : 0;
    if (n > http->options.max_body_bytes)
        return cn_refuse(refusal, 413, NULL, "", "a body of %llu bytes, at most %zu (--max-body)",
                         n, http->options.max_body_bytes);
    return true;
}

/* Whether a body that will not be looked at is on its way, and worth waiting for: a client that is
 * cut off while it sends does not read why. */
static bool sends_anyway(const struct exchange *x)
{
    const char *length = header(x->connection, "Content-Length");
    return !header(x->connection, "Expect") &&
           (length ? strtoull(length, NULL, 10) - 1 < FAR * x->http->options.max_body_bytes
                   : header(x->connection, "Transfer-Encoding") != NULL);
}

/* A piece of the body. What is too long is not kept; what is far too long is not even read. */
static bool take_body(struct exchange *x, const char *data, size_t n)
{
    const size_t most = x->http->options.max_body_bytes;
    x->n_body += n;
    if (cn_now_ns(CLOCK_MONOTONIC) - x->began_ns > BODY_S * INT64_C(1000000000) ||
        x->n_body / FAR > most)
        return false;
    if (x->n_body <= most && !x->refused)
        cn_json_text_add(&x->body, data, n);
    else
        cn_json_text_free(&x->body);
    return true;
}

static enum MHD_Result respond(struct exchange *x, const char *path, const char *method)
{
    struct cn_refusal refusal;
    if (x->refused)
        return refuse(x, &x->refusal);
    if (strcmp(method, "OPTIONS") == 0)
        return allow(x);
    if (x->body.failed) {
        cn_refuse(&refusal, 500, NULL, "", "out of memory");
        return refuse(x, &refusal);
    }
    if (x->n_body > x->http->options.max_body_bytes) {
        cn_refuse(&refusal, 413, NULL, "", "a body of %zu bytes, at most %zu (--max-body)",
                  x->n_body, x->http->options.max_body_bytes);
        return refuse(x, &refusal);
    }
    switch (x->what) {
    case PAGE:
        return show_page(x);
    case HEALTH:
        return tell_health(x);
    case METRICS:
        return tell_metrics(x);
    case MODELS:
        return tell_models(x);
    case MODEL:
        return tell_model(x, path + strlen(routes[MODEL].path));
    default:
        return take_job(x);
    }
}

static struct exchange *open_exchange(struct cn_http *http, struct MHD_Connection *connection)
{
    struct exchange *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    *x = (struct exchange){ .http = http,
                            .connection = connection,
                            .began_ns = cn_now_ns(CLOCK_MONOTONIC),
                            .fd = info ? info->connect_fd : -1 };
    atomic_fetch_add(&http->n_open, 1);
    return x;
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *data,
                                  size_t *n_data, void **state)
{
    struct cn_http *http = user;
    struct exchange *x = *state;
    (void)version;
    if (!x) {
        *state = x = open_exchange(http, connection);
        if (!x)
            return MHD_NO;
        x->refused = !admit(x, path, method, &x->refusal);
        return !x->refused || sends_anyway(x) ? MHD_YES : refuse(x, &x->refusal);
    }
    if (*n_data > 0) {
        const size_t n = *n_data;
        *n_data = 0;
        return take_body(x, data, n) ? MHD_YES : MHD_NO;
    }
    if (x->answered)
        return MHD_YES;
    return x->job ? answer_job(x) : respond(x, path, method);
}

static void on_completed(void *user, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    struct cn_http *http = user;
    struct exchange *x = *state;
    (void)connection;
    if (!x)
        return;
    if (x->job) {
        pthread_mutex_lock(&x->job->lock);
        const bool cut = !x->job->ended || code != MHD_REQUEST_TERMINATED_COMPLETED_OK;
        x->job->gone |= cut;
        x->job->listener = (struct cn_listener){ .ready = NULL };
        pthread_mutex_unlock(&x->job->lock);
        if (cut)
            cn_tally_answer(http->tally, 0);
        cn_job_release(x->job);
    }
    cn_json_text_free(&x->body);
    free(x);
    *state = NULL;
    atomic_fetch_sub(&http->n_open, 1);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void say_nothing(void *user, const char *format, va_list args)
{
    (void)user;
    (void)format;
    (void)args;
}

bool cn_http_built(void)
{
    return true;
}

/* A socket that listens: libmicrohttpd would not say why it cannot. */
static enum cn_status listen_at(const struct cn_http_options *o, int *fd, uint16_t *port,
                                struct cn_error *err)
{
    const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_PASSIVE,
                                    .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    char service[8];
    snprintf(service, sizeof service, "%u", o->port);
    const int refused = getaddrinfo(o->host, service, &hints, &found);
    CN_RETURN_IF(refused, CN_ERR_ARGUMENT, err, "%s: an address of this machine expected: %s",
                 o->host, gai_strerror(refused));
    const int on = 1, s = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_storage bound = { 0 };
    socklen_t n = sizeof bound;
    enum cn_status status = CN_OK;
    if (s < 0 || setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(s, found->ai_addr, found->ai_addrlen) != 0 || listen(s, 128) != 0 ||
        getsockname(s, (struct sockaddr *)&bound, &n) != 0)
        status = cn_fail_errno(err, "%s port %u: cannot listen", o->host, o->port);
    freeaddrinfo(found);
    if (status == CN_OK) {
        *fd = s;
        *port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                                  : ((struct sockaddr_in *)&bound)->sin_port);
    } else if (s >= 0) {
        close(s);
    }
    return status;
}

enum cn_status cn_http_start(const struct cn_http_options *options,
                             const struct cn_service *service, struct cn_scheduler *scheduler,
                             struct cn_tally *tally, struct cn_http **http, struct cn_error *err)
{
    struct cn_http *h = calloc(1, sizeof *h);
    int fd = -1;
    CN_RETURN_IF(!h, CN_ERR_MEMORY, err, "no memory for the server");
    h->options = *options;
    h->service = service;
    h->scheduler = scheduler;
    h->tally = tally;
    const enum cn_status status = listen_at(options, &fd, &h->port, err);
    if (status != CN_OK) {
        free(h);
        return status;
    }
    h->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        on_request, h, MHD_OPTION_EXTERNAL_LOGGER, say_nothing, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_THREAD_POOL_SIZE, (unsigned)N_THREADS, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)MAX_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)options->idle_s,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, h, MHD_OPTION_END);
    if (!h->daemon) {
        close(fd);
        free(h);
        return cn_fail(err, CN_ERR_IO, "the HTTP server cannot be started");
    }
    *http = h;
    return CN_OK;
}

uint16_t cn_http_port(const struct cn_http *http)
{
    return http->port;
}

void cn_http_quiesce(struct cn_http *http)
{
    atomic_store(&http->quiet, true);
    const MHD_socket fd = MHD_quiesce_daemon(http->daemon);
    if (fd != MHD_INVALID_SOCKET)
        close(fd);
}

int cn_http_n_open(const struct cn_http *http)
{
    return atomic_load(&http->n_open);
}

void cn_http_stop(struct cn_http *http)
{
    if (!http)
        return;
    MHD_stop_daemon(http->daemon);
    free(http);
}

#else

bool cn_http_built(void)
{
    return false;
}

enum cn_status cn_http_start(const struct cn_http_options *options,
                             const struct cn_service *service, struct cn_scheduler *scheduler,
                             struct cn_tally *tally, struct cn_http **http, struct cn_error *err)
{
    (void)options, (void)service, (void)scheduler, (void)tally, (void)http;
    return cn_fail(err, CN_ERR_UNSUPPORTED,
                   "this program was built without libmicrohttpd, which serves HTTP: install "
                   "libmicrohttpd-dev and build anew");
}

uint16_t cn_http_port(const struct cn_http *http)
{
    (void)http;
    return 0;
}

void cn_http_quiesce(struct cn_http *http)
{
    (void)http;
}

int cn_http_n_open(const struct cn_http *http)
{
    (void)http;
    return 0;
}

void cn_http_stop(struct cn_http *http)
{
    (void)http;
}

#endif
