/* SPDX-License-Identifier: MIT
 *
 * A device for the real adb client: speaks the protocol of Android's adb daemon on 127.0.0.1 (no
 * keys, or none that it knows), runs commands by sh with a folder that stands for the device, and
 * takes and gives files below it. It knows what tests need: shell (version 2) and sync.
 *
 *   adb_device ROOT SPACE_BYTES PORT_FILE [unauthorized]
 *
 * ROOT/bin comes first in the PATH of commands; ROOT/bin/sh-preload.so, if it is there, is
 * preloaded to them. Once SPACE_BYTES were pushed the device is full. The port is written to
 * PORT_FILE (a port that is there already is taken again). SIGUSR1 pulls the cable: the connection
 * and the port close, what was begun goes on. SIGUSR2 plugs it in again.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ID(a, b, c, d) \
    ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)

enum { MAX_PAYLOAD = 64 * 1024, MAX_STREAMS = 32, VERSION = 0x01000001 };

static const uint32_t CNXN = ID('C', 'N', 'X', 'N'), AUTH = ID('A', 'U', 'T', 'H'),
                      OPEN = ID('O', 'P', 'E', 'N'), OKAY = ID('O', 'K', 'A', 'Y'),
                      CLSE = ID('C', 'L', 'S', 'E'), WRTE = ID('W', 'R', 'T', 'E');

struct message {
    uint32_t command, arg0, arg1, n_bytes, sum, magic;
};

/* A service in use. What it has to say waits in `out` for the host to take the piece before. */
struct stream {
    uint32_t host; /* the host's number for it; ours is the place + 1; 0: unused */
    bool sync, waiting, closing;
    pid_t pid;   /* of a command; 0: none, or ended */
    int pipe[2]; /* its stdout and stderr; -1: closed */
    int status;
    char *out, *in; /* in: what sync has not yet understood */
    size_t n_out, n_in;
    FILE *file; /* being pushed; NULL: to be thrown away */
    bool receiving, refused;
    char path[1200];
};

static struct stream streams[MAX_STREAMS];
static const char *root;
static long long space;
static bool unauthorized;
static int host = -1;
static volatile sig_atomic_t plugged = 1;

static void plug(int signal_number)
{
    plugged = signal_number == SIGUSR2;
}

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- messages -------------------------------------------------------------------------------- */

static bool read_all(int fd, void *to, size_t n)
{
    for (char *at = to; n;) {
        ssize_t got = read(fd, at, n);
        if (got < 0 && errno == EINTR && plugged)
            continue;
        if (got <= 0)
            return false;
        at += got;
        n -= (size_t)got;
    }
    return true;
}

static bool write_all(int fd, const void *from, size_t n)
{
    for (const char *at = from; n;) {
        ssize_t put = write(fd, at, n);
        if (put < 0 && errno == EINTR && plugged)
            continue;
        if (put <= 0)
            return false;
        at += put;
        n -= (size_t)put;
    }
    return true;
}

static void send_message(uint32_t command, uint32_t arg0, uint32_t arg1, const void *data, size_t n)
{
    struct message m = { command, arg0, arg1, (uint32_t)n, 0, ~command };
    for (size_t i = 0; i < n; i++)
        m.sum += ((const unsigned char *)data)[i];
    if (!write_all(host, &m, sizeof m) || !write_all(host, data, n))
        shutdown(host, SHUT_RDWR);
}

static uint32_t number(const struct stream *s)
{
    return (uint32_t)(s - streams) + 1;
}

static void append(struct stream *s, const void *data, size_t n)
{
    s->out = realloc(s->out, s->n_out + n);
    if (!s->out && s->n_out + n)
        die("adb_device: memory");
    memcpy(s->out + s->n_out, data, n);
    s->n_out += n;
}

static void forget(struct stream *s)
{
    for (int i = 0; i < 2; i++)
        if (s->pipe[i] >= 0)
            close(s->pipe[i]);
    if (s->file)
        fclose(s->file);
    free(s->out);
    free(s->in);
    *s = (struct stream){
        .pipe = {-1, -1}
    };
}

/* Sends the next piece if the host has taken the one before; closes what is finished. */
static void flush_stream(struct stream *s)
{
    if (s->waiting)
        return;
    if (s->n_out) {
        size_t n = s->n_out < MAX_PAYLOAD ? s->n_out : MAX_PAYLOAD;
        send_message(WRTE, number(s), s->host, s->out, n);
        memmove(s->out, s->out + n, s->n_out - n);
        s->n_out -= n;
        s->waiting = true;
    } else if (s->closing) {
        send_message(CLSE, number(s), s->host, NULL, 0);
        forget(s);
    }
}

/* ---- shell (version 2): packets of kind, length, data ---------------------------------------- */

enum { SHELL_STDOUT = 1, SHELL_EXIT = 3 };

static void shell_packet(struct stream *s, int kind, const void *data, uint32_t n)
{
    unsigned char head[5] = { (unsigned char)kind, (unsigned char)n, (unsigned char)(n >> 8),
                              (unsigned char)(n >> 16), (unsigned char)(n >> 24) };
    append(s, head, sizeof head);
    append(s, data, n);
}

static _Noreturn void be_command(const char *command, const int out[2])
{
    char path[4096], preload[4096];
    snprintf(path, sizeof path, "%s/bin:/usr/bin:/bin", root);
    snprintf(preload, sizeof preload, "%s/bin/sh-preload.so", root);
    setsid();
    clearenv();
    setenv("PATH", path, 1);
    setenv("HOME", root, 1);
    if (access(preload, R_OK) == 0)
        setenv("LD_PRELOAD", preload, 1);
    int none = open("/dev/null", O_RDONLY);
    if (chdir(root) != 0 || dup2(none, 0) < 0 || dup2(out[0], 1) < 0 || dup2(out[1], 2) < 0)
        _exit(126);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

static void open_shell(struct stream *s, const char *service)
{
    const char *command = strchr(service, ':');
    int out[2], err[2];
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0)
        die("adb_device: pipe");
    s->pid = fork();
    if (s->pid == 0)
        be_command(command ? command + 1 : "", (int[2]){ out[1], err[1] });
    close(out[1]);
    close(err[1]);
    s->pipe[0] = out[0];
    s->pipe[1] = err[0];
    s->status = -1;
}

/* Takes what the command printed; its end when it has ended (what it left behind in the background
 * may hold the pipes open). */
static void read_command(struct stream *s)
{
    char bytes[4096];
    if (s->pid && waitpid(s->pid, &s->status, WNOHANG) == s->pid)
        s->pid = 0;
    bool ended = !s->pid;
    for (int i = 0; i < 2; i++) {
        struct pollfd p = { .fd = s->pipe[i], .events = POLLIN };
        ssize_t n = 1;
        while (n > 0 && s->pipe[i] >= 0 && poll(&p, 1, 0) > 0) {
            n = read(s->pipe[i], bytes, sizeof bytes);
            if (n > 0)
                shell_packet(s, SHELL_STDOUT + i, bytes, (uint32_t)n);
        }
        if (n <= 0 && s->pipe[i] >= 0) {
            close(s->pipe[i]);
            s->pipe[i] = -1;
        }
    }
    if (!ended || s->closing)
        return;
    unsigned char code = WIFEXITED(s->status) ? (unsigned char)WEXITSTATUS(s->status) : 255;
    shell_packet(s, SHELL_EXIT, &code, 1);
    s->closing = true;
}

/* ---- sync: requests of id, length, path ------------------------------------------------------ */

static void put_u32(struct stream *s, uint32_t v)
{
    unsigned char b[4] = { (unsigned char)v, (unsigned char)(v >> 8), (unsigned char)(v >> 16),
                           (unsigned char)(v >> 24) };
    append(s, b, sizeof b);
}

static uint32_t get_u32(const char *at)
{
    const unsigned char *b = (const unsigned char *)at;
    return ID(b[0], b[1], b[2], b[3]);
}

static void sync_fail(struct stream *s, const char *text)
{
    put_u32(s, ID('F', 'A', 'I', 'L'));
    put_u32(s, (uint32_t)strlen(text));
    append(s, text, strlen(text));
}

/* What is below the root; nothing else is there. */
static bool is_inside(const char *path)
{
    size_t n = strlen(root);
    return strncmp(path, root, n) == 0 && (path[n] == '/' || !path[n]) && !strstr(path, "..");
}

static void sync_stat(struct stream *s, const char *path)
{
    struct stat st;
    bool there = is_inside(path) && lstat(path, &st) == 0;
    put_u32(s, ID('S', 'T', 'A', 'T'));
    put_u32(s, there ? (uint32_t)st.st_mode : 0);
    put_u32(s, there ? (uint32_t)st.st_size : 0);
    put_u32(s, there ? (uint32_t)st.st_mtime : 0);
}

static void sync_list(struct stream *s, const char *path)
{
    DIR *dir = is_inside(path) ? opendir(path) : NULL;
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        struct stat st;
        if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        put_u32(s, ID('D', 'E', 'N', 'T'));
        put_u32(s, (uint32_t)st.st_mode);
        put_u32(s, (uint32_t)st.st_size);
        put_u32(s, (uint32_t)st.st_mtime);
        put_u32(s, (uint32_t)strlen(e->d_name));
        append(s, e->d_name, strlen(e->d_name));
    }
    if (dir)
        closedir(dir);
    put_u32(s, ID('D', 'O', 'N', 'E'));
    for (int i = 0; i < 4; i++)
        put_u32(s, 0);
}

static void sync_give(struct stream *s, const char *path)
{
    char bytes[MAX_PAYLOAD / 2];
    FILE *f = is_inside(path) ? fopen(path, "rb") : NULL;
    if (!f) {
        sync_fail(s, "No such file or directory");
        return;
    }
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, f)) > 0;) {
        put_u32(s, ID('D', 'A', 'T', 'A'));
        put_u32(s, (uint32_t)n);
        append(s, bytes, n);
    }
    fclose(f);
    put_u32(s, ID('D', 'O', 'N', 'E'));
    put_u32(s, 0);
}

/* "PATH,MODE" */
static void sync_take(struct stream *s, char *path)
{
    char *comma = strrchr(path, ',');
    if (comma)
        *comma = 0;
    snprintf(s->path, sizeof s->path, "%s", path);
    s->file = is_inside(path) ? fopen(path, "wb") : NULL;
    s->receiving = true;
    s->refused = false;
    if (s->file)
        return;
    sync_fail(s, "couldn't create file: Permission denied");
    s->refused = true;
}

static void sync_data(struct stream *s, const char *bytes, size_t n)
{
    if (s->refused)
        return;
    space -= (long long)n;
    if (space >= 0 && fwrite(bytes, 1, n, s->file) == n)
        return;
    sync_fail(s, "couldn't write file: No space left on device");
    s->refused = true; /* the rest that is under way is read and thrown away */
}

static void sync_done(struct stream *s)
{
    if (s->file)
        fclose(s->file);
    s->file = NULL;
    s->receiving = false;
    if (s->refused)
        return;
    put_u32(s, ID('O', 'K', 'A', 'Y'));
    put_u32(s, 0);
}

/* One request at the start of s->in; its length, or 0 if more has to come. */
static size_t sync_request(struct stream *s)
{
    char path[1100];
    if (s->n_in < 8)
        return 0;
    uint32_t id = get_u32(s->in), n = get_u32(s->in + 4);
    if (s->receiving && id == ID('D', 'O', 'N', 'E')) {
        sync_done(s);
        return 8;
    }
    if (s->n_in < 8 + (size_t)n)
        return 0;
    if (s->receiving && id == ID('D', 'A', 'T', 'A')) {
        sync_data(s, s->in + 8, n);
        return 8 + (size_t)n;
    }
    snprintf(path, sizeof path, "%.*s", (int)n, s->in + 8);
    if (id == ID('S', 'T', 'A', 'T'))
        sync_stat(s, path);
    else if (id == ID('L', 'I', 'S', 'T'))
        sync_list(s, path);
    else if (id == ID('R', 'E', 'C', 'V'))
        sync_give(s, path);
    else if (id == ID('S', 'E', 'N', 'D'))
        sync_take(s, path);
    else
        s->closing = true; /* QUIT */
    return 8 + (size_t)n;
}

static void sync_input(struct stream *s, const char *data, size_t n)
{
    s->in = realloc(s->in, s->n_in + n + 1);
    if (!s->in)
        die("adb_device: memory");
    memcpy(s->in + s->n_in, data, n);
    s->n_in += n;
    for (size_t used; !s->closing && (used = sync_request(s)) > 0;) {
        memmove(s->in, s->in + used, s->n_in - used);
        s->n_in -= used;
    }
}

/* ---- the connection -------------------------------------------------------------------------- */

static void ask_for_key(void)
{
    static const char token[20] = "a token to be signed";
    send_message(AUTH, 1, 0, token, sizeof token);
}

static void greet(void)
{
    static const char banner[] = "device::ro.product.name=test;ro.product.model=Test device;"
                                 "ro.product.device=test;features=shell_v2";
    if (unauthorized)
        ask_for_key();
    else
        send_message(CNXN, VERSION, MAX_PAYLOAD, banner, sizeof banner - 1);
}

static void open_stream(uint32_t theirs, const char *service)
{
    struct stream *s = streams;
    while (s < streams + MAX_STREAMS && s->host)
        s++;
    bool shell = strncmp(service, "shell,v2", 8) == 0, sync = strcmp(service, "sync:") == 0;
    if (s == streams + MAX_STREAMS || (!shell && !sync)) {
        send_message(CLSE, 0, theirs, NULL, 0);
        return;
    }
    *s = (struct stream){
        .host = theirs, .sync = sync, .pipe = {-1, -1}
    };
    send_message(OKAY, number(s), theirs, NULL, 0);
    if (shell)
        open_shell(s, service);
}

static struct stream *stream_of(const struct message *m)
{
    struct stream *s = m->arg1 >= 1 && m->arg1 <= MAX_STREAMS ? &streams[m->arg1 - 1] : NULL;
    return s && s->host ? s : NULL;
}

/* One message of the host; false: the connection has ended. */
static bool take_message(void)
{
    static char data[MAX_PAYLOAD + 1];
    struct message m;
    if (!read_all(host, &m, sizeof m) || m.n_bytes > MAX_PAYLOAD ||
        !read_all(host, data, m.n_bytes))
        return false;
    data[m.n_bytes] = 0;
    struct stream *s = stream_of(&m);
    if (m.command == CNXN)
        greet();
    else if (m.command == AUTH && m.arg0 == 2) /* signed by a key that is not known */
        ask_for_key();
    else if (m.command == OPEN && !unauthorized)
        open_stream(m.arg0, data);
    else if (m.command == OKAY && s)
        s->waiting = false;
    else if (m.command == WRTE && s) {
        send_message(OKAY, number(s), s->host, NULL, 0);
        if (s->sync)
            sync_input(s, data, m.n_bytes);
    } else if (m.command == CLSE && s) {
        send_message(CLSE, number(s), s->host, NULL, 0);
        forget(s);
    }
    return true;
}

static void serve(void)
{
    bool there = true;
    while (there && plugged) {
        struct pollfd p = { .fd = host, .events = POLLIN };
        if (poll(&p, 1, 5) > 0)
            there = take_message();
        for (struct stream *s = streams; s < streams + MAX_STREAMS; s++)
            if (s->host) {
                if (!s->sync)
                    read_command(s);
                flush_stream(s);
            }
    }
    for (struct stream *s = streams; s < streams + MAX_STREAMS; s++)
        forget(s);
    close(host);
}

/* *port 0: any; then it is the one that was taken. */
static int listen_on(uint16_t *port)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons(*port),
                             .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 4) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &n) != 0)
        die("adb_device: port");
    *port = ntohs(a.sin_port);
    return fd;
}

int main(int argc, char **argv)
{
    if (argc < 4 || argc > 5) {
        fprintf(stderr, "usage: adb_device ROOT SPACE_BYTES PORT_FILE [unauthorized]\n");
        return 2;
    }
    root = argv[1];
    space = atoll(argv[2]);
    unauthorized = argc == 5;
    for (struct stream *s = streams; s < streams + MAX_STREAMS; s++)
        s->pipe[0] = s->pipe[1] = -1;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = plug }, NULL);
    sigaction(SIGUSR2, &(struct sigaction){ .sa_handler = plug }, NULL);
    unsigned given = 0;
    FILE *f = fopen(argv[3], "r");
    if (f && fscanf(f, "%u", &given) != 1)
        given = 0;
    if (f)
        fclose(f);
    uint16_t port = (uint16_t)given;
    for (;;) {
        int listener = listen_on(&port);
        char fresh[1200];
        snprintf(fresh, sizeof fresh, "%s.new", argv[3]);
        f = fopen(fresh, "w");
        if (!f || fprintf(f, "%u\n", port) < 0 || fclose(f) != 0 || rename(fresh, argv[3]) != 0)
            die(argv[3]);
        while (plugged) {
            struct pollfd p = { .fd = listener, .events = POLLIN };
            if (poll(&p, 1, 20) <= 0)
                continue;
            host = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
            /* Head and data are written apart: without this each pair waits for an acknowledgement.
             */
            setsockopt(host, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
            if (host >= 0)
                serve();
        }
        close(listener);
        while (!plugged)
            usleep(20000);
    }
}
