/* SPDX-License-Identifier: MIT
 *
 * A session as a file, all numbers little endian:
 *
 *   struct header
 *   tokens            i32 [n_tokens]
 *   rows              of each layer that keeps some, for each head: keys, then values, of all
 *                     positions that tokens from `oldest` on see; in the bytes of the KV type
 *   states            of each layer that keeps one, F32
 *   copies            of each that the header names: states, then logits [n_vocab] if it has them
 *   checksum          SHA-256 of all before it, 64 hexadecimal digits
 *
 * The header, the model and the KV type say how long all that has to be; context and batch of the
 * session that wrote it do not matter.
 */
#include "base/error.h"
#include "base/outfile.h"
#include "base/sha256.h"
#include "engine/model/identity.h"
#include "engine/run/attend.h"
#include "engine/run/nextn.h"
#include "engine/run/session.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { VERSION = 1, CHECKSUM_BYTES = CN_SHA256_HEX - 1 };
static const char magic[16] = "carnot session\n";

struct header {
    char magic[16];
    uint32_t version, kv;
    char model[CN_SHA256_HEX - 1]; /* cn_model_identity */
    int32_t n_tokens, oldest;
    struct {
        int32_t position, has_logits;
    } copies[CN_N_COPIES]; /* position 0: none */
};
_Static_assert(sizeof(struct header) == 128, "a file's header has no gaps");

/* Something that is done with each piece of a session, in the order of the file. */
struct pass {
    enum cn_status (*piece)(struct pass *pass, void *bytes, size_t n);
    uint64_t n_bytes; /* of the pieces so far */
    const char *path;
    struct cn_error *err;
    struct cn_sha256 sha;
    FILE *out;
    int in;
};

static enum cn_status measure(struct pass *pass, void *bytes, size_t n)
{
    (void)bytes;
    pass->n_bytes += n;
    return CN_OK;
}

static enum cn_status put(struct pass *pass, void *bytes, size_t n)
{
    cn_sha256_add(&pass->sha, bytes, n);
    fwrite(bytes, 1, n, pass->out); /* the file remembers what it could not write */
    return CN_OK;
}

static enum cn_status read_bytes(struct pass *pass, void *bytes, size_t n)
{
    for (size_t done = 0; done < n;) {
        const ssize_t got = read(pass->in, (char *)bytes + done, n - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return cn_fail_errno(pass->err, "%s: cannot read", pass->path);
        CN_RETURN_IF(got == 0, CN_ERR_FORMAT, pass->err, "%s: became shorter while it was read",
                     pass->path);
        done += (size_t)got;
    }
    return CN_OK;
}

static enum cn_status take(struct pass *pass, void *bytes, size_t n)
{
    CN_TRY(read_bytes(pass, bytes, n));
    cn_sha256_add(&pass->sha, bytes, n);
    return CN_OK;
}

/* Rows of the positions first..end of one head, which lie in a ring. One that is too small for what
 * is read has the last of it then. */
static enum cn_status each_run(struct pass *pass, uint8_t *rows, size_t row_bytes, int64_t capacity,
                               int64_t first, int64_t end)
{
    while (first < end) {
        const int64_t at = first % capacity;
        const int64_t n = end - first < capacity - at ? end - first : capacity - at;
        CN_TRY(pass->piece(pass, rows + (size_t)at * row_bytes, (size_t)n * row_bytes));
        first += n;
    }
    return CN_OK;
}

static enum cn_status each_row(struct pass *pass, const struct cn_session *s, int64_t layer,
                               const struct header *file)
{
    const struct cn_layer_hparams *hp = &s->model->hp.layers[layer];
    const struct cn_kv *kv = &s->kv[layer];
    if (hp->kv_layer != layer || kv->capacity == 0)
        return CN_OK;
    const int64_t first = cn_attend_first(hp->window, hp->chunked, file->oldest);
    for (int64_t h = 0; h < kv->n_heads; h++) {
        const size_t row = (size_t)(h * kv->capacity);
        CN_TRY(each_run(pass, kv->k + row * kv->k_row_bytes, kv->k_row_bytes, kv->capacity, first,
                        file->n_tokens));
        if (kv->v != kv->k)
            CN_TRY(each_run(pass, kv->v + row * kv->v_row_bytes, kv->v_row_bytes, kv->capacity,
                            first, file->n_tokens));
    }
    return CN_OK;
}

/* All between the header and the checksum. */
static enum cn_status each_piece(struct pass *pass, struct cn_session *s, const struct header *h)
{
    const int64_t n_layer = s->model->hp.n_layer;
    CN_TRY(pass->piece(pass, s->tokens, (size_t)h->n_tokens * sizeof *s->tokens));
    for (int64_t i = 0; i < n_layer; i++)
        CN_TRY(each_row(pass, s, i, h));
    for (int64_t i = 0; i < n_layer; i++)
        if (s->states[i].bytes > 0)
            CN_TRY(pass->piece(pass, s->states[i].values, s->states[i].bytes));
    for (int i = 0; i < CN_N_COPIES; i++) {
        if (h->copies[i].position == 0)
            continue;
        CN_TRY(pass->piece(pass, s->copies[i].states, s->copy_bytes));
        if (h->copies[i].has_logits)
            CN_TRY(pass->piece(pass, s->copies[i].logits,
                               (size_t)s->model->hp.n_vocab * sizeof(float)));
    }
    return CN_OK;
}

/* ---- saving ---------------------------------------------------------------------------------- */

static struct header header_of(const struct cn_session *s)
{
    struct header h = { .version = VERSION,
                        .kv = s->group->options.kv,
                        .n_tokens = s->position,
                        .oldest = s->position };
    char model[CN_SHA256_HEX];
    memcpy(h.magic, magic, sizeof h.magic);
    cn_model_identity(s->model, model);
    memcpy(h.model, model, sizeof h.model);
    while (h.oldest > 0 && cn_session_has_rows(s, h.oldest - 1))
        h.oldest--;
    for (int i = 0; i < CN_N_COPIES; i++) {
        h.copies[i].position = s->copies[i].position;
        h.copies[i].has_logits = s->copies[i].position > 0 && s->copies[i].has_logits;
    }
    return h;
}

enum cn_status cn_session_save(struct cn_session *s, const char *path, struct cn_error *err)
{
    struct cn_outfile *file;
    if (s->state_position != s->position) /* an evaluation was cancelled */
        CN_TRY(cn_session_rewind(s, s->position, err));
    CN_RETURN_IF(s->position == 0, CN_ERR_ARGUMENT, err, "%s: the session holds no tokens", path);
    CN_TRY(cn_outfile_create(path, &file, err));
    struct header h = header_of(s);
    struct pass pass = { .piece = put, .path = path, .err = err, .out = cn_outfile_stream(file) };
    char checksum[CN_SHA256_HEX];
    cn_sha256_begin(&pass.sha);
    put(&pass, &h, sizeof h);
    each_piece(&pass, s, &h);
    cn_sha256_end(&pass.sha, checksum);
    fwrite(checksum, 1, CHECKSUM_BYTES, pass.out);
    return cn_outfile_finish(file, err);
}

/* ---- loading --------------------------------------------------------------------------------- */

static enum cn_status check_header(const struct cn_session *s, const struct header *h,
                                   const char *path, struct cn_error *err)
{
    char model[CN_SHA256_HEX];
    const char *kv = cn_kv_type_name((enum cn_kv_type)h->kv);
    CN_RETURN_IF(memcmp(h->magic, magic, sizeof magic) != 0, CN_ERR_FORMAT, err,
                 "%s: no session file: '%.14s' expected at its beginning, other bytes found", path,
                 magic);
    CN_RETURN_IF(h->version != VERSION, CN_ERR_UNSUPPORTED, err,
                 "%s: session files of version %d expected, %u found", path, VERSION, h->version);
    cn_model_identity(s->model, model);
    CN_RETURN_IF(memcmp(h->model, model, sizeof h->model) != 0, CN_ERR_ARGUMENT, err,
                 "%s: a session of the model %.12s expected, one of another found", path, model);
    CN_RETURN_IF(h->kv != s->group->options.kv, CN_ERR_ARGUMENT, err,
                 "%s: a session with keys and values in %s expected, in %s found", path,
                 cn_kv_type_name(s->group->options.kv), kv ? kv : "an unknown type");
    CN_RETURN_IF(h->n_tokens < 1, CN_ERR_FORMAT, err, "%s: 1 token or more expected, %d found",
                 path, h->n_tokens);
    CN_RETURN_IF(h->n_tokens > s->group->n_ctx, CN_ERR_CONTEXT, err,
                 "%s: at most %d tokens expected, as the context has, %d found", path,
                 s->group->n_ctx, h->n_tokens);
    CN_RETURN_IF(h->oldest < 0 || h->oldest > h->n_tokens, CN_ERR_FORMAT, err,
                 "%s: rows from a position of 0 to %d expected, from %d found", path, h->n_tokens,
                 h->oldest);
    for (int i = 0; i < CN_N_COPIES; i++) {
        const int32_t position = h->copies[i].position, has_logits = h->copies[i].has_logits;
        CN_RETURN_IF(position < 0 || position > (s->has_states ? h->n_tokens : 0), CN_ERR_FORMAT,
                     err, "%s: copy %d: a position of 0 to %d expected, %d found", path, i,
                     s->has_states ? h->n_tokens : 0, position);
        CN_RETURN_IF(has_logits < 0 || has_logits > (position > 0), CN_ERR_FORMAT, err,
                     "%s: copy %d: 0 or 1 expected for its logits, %d found", path, i, has_logits);
    }
    return CN_OK;
}

/* What the pieces must add up to, before one of them is read. */
static enum cn_status check_size(struct cn_session *s, const struct header *h, off_t size,
                                 const char *path, struct cn_error *err)
{
    struct pass pass = { .piece = measure };
    each_piece(&pass, s, h);
    pass.n_bytes += sizeof *h + CHECKSUM_BYTES;
    CN_RETURN_IF((uint64_t)size != pass.n_bytes, CN_ERR_FORMAT, err,
                 "%s: %llu bytes expected of a session of %d tokens, %lld found", path,
                 (unsigned long long)pass.n_bytes, h->n_tokens, (long long)size);
    return CN_OK;
}

static enum cn_status read_pieces(struct pass *pass, struct cn_session *s, const struct header *h)
{
    char expected[CN_SHA256_HEX] = "", found[CN_SHA256_HEX];
    CN_TRY(each_piece(pass, s, h));
    cn_sha256_end(&pass->sha, found);
    CN_TRY(read_bytes(pass, expected, CHECKSUM_BYTES));
    CN_RETURN_IF(memcmp(expected, found, CHECKSUM_BYTES) != 0, CN_ERR_FORMAT, pass->err,
                 "%s: damaged: the checksum %.12s expected at its end, another found", pass->path,
                 found);
    for (int32_t i = 0; i < h->n_tokens; i++)
        CN_RETURN_IF(s->tokens[i] < 0 || s->tokens[i] >= s->model->hp.n_vocab, CN_ERR_FORMAT,
                     pass->err, "%s: token %d: 0 to %lld expected, %d found", pass->path, i,
                     (long long)s->model->hp.n_vocab - 1, s->tokens[i]);
    return CN_OK;
}

static void stand_behind(struct cn_session *s, const struct header *h)
{
    s->position = s->state_position = s->n_written = h->n_tokens;
    s->oldest = h->oldest;
    if (s->nextn) /* the file does not have what it needs */
        s->nextn->n_rows = 0;
    for (int i = 0; i < CN_N_COPIES; i++) {
        s->copies[i].position = h->copies[i].position;
        s->copies[i].has_logits = h->copies[i].has_logits;
    }
    s->keep = CN_KEEP_PROMPT;
}

static enum cn_status load(struct cn_session *s, int fd, const char *path, struct cn_error *err)
{
    struct pass pass = { .piece = take, .path = path, .err = err, .in = fd };
    struct header h;
    struct stat st;
    if (fstat(fd, &st) != 0)
        return cn_fail_errno(err, "%s: cannot read", path);
    CN_RETURN_IF(!S_ISREG(st.st_mode), CN_ERR_FORMAT, err, "%s: a regular file expected", path);
    CN_RETURN_IF(st.st_size < (off_t)(sizeof h + CHECKSUM_BYTES), CN_ERR_FORMAT, err,
                 "%s: no session file: %zu bytes or more expected, %lld found", path,
                 sizeof h + CHECKSUM_BYTES, (long long)st.st_size);
    cn_sha256_begin(&pass.sha);
    CN_TRY(take(&pass, &h, sizeof h));
    CN_TRY(check_header(s, &h, path, err));
    CN_TRY(check_size(s, &h, st.st_size, path, err));
    /* What it held goes, whatever comes now. */
    cn_session_rewind(s, 0, NULL);
    CN_TRY(read_pieces(&pass, s, &h));
    stand_behind(s, &h);
    return CN_OK;
}

enum cn_status cn_session_load(struct cn_session *s, const char *path, struct cn_error *err)
{
    /* Whoever names a pipe is not to wait for its other end. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return cn_fail_errno(err, "%s: cannot open", path);
    enum cn_status status = load(s, fd, path, err);
    const int reason = errno;
    close(fd);
    errno = reason;
    return status;
}
