/* The health of a bridge, which is its GET /readyz: what containers ask that hold no curl. */
#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "wire/clock.h"
#include "wire/status.h"

#define SCHEME "http://"
#define DEFAULT_TIMEOUT_MS 5000
/* With --wait: as a call to a server itself, and asked again after so long. */
#define LONGEST_WAIT_MS 660000
#define PAUSE_NS 100000000
#define NS_PER_MS 1000000u
#define STATUS_LINE "HTTP/1.1 200"
#define STATUS_DIGITS 3

bool cli_is_http(const char *server)
{
    return strncmp(server, SCHEME, sizeof SCHEME - 1) == 0;
}

/* "HOST:PORT" or "[ADDR6]:PORT", perhaps with a slash behind it. */
static bool split(const char *server, char *host, size_t size, char *port)
{
    const char *start = server + sizeof SCHEME - 1, *end = start + strcspn(start, "/");
    const char *colon = memrchr(start, ':', (size_t)(end - start));
    const char *host_end = colon;

    if (colon == NULL || end - colon < 2 || end - colon > 6 || (*end == '/' && end[1] != '\0'))
        return false;
    if (*start == '[' && colon[-1] == ']') {
        start++;
        host_end--;
    }
    if (host_end <= start || (size_t)(host_end - start) >= size)
        return false;
    memcpy(host, start, (size_t)(host_end - start));
    host[host_end - start] = '\0';
    memcpy(port, colon + 1, (size_t)(end - colon - 1));
    port[end - colon - 1] = '\0';
    return strspn(port, "0123456789") == strlen(port);
}

/* Connecting too takes no longer than sending may. */
static int connect_to(const struct addrinfo *address, const struct timeval *patience)
{
    int fd = -1;

    for (; address != NULL; address = address->ai_next) {
        fd = socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC, address->ai_protocol);
        if (fd < 0)
            continue;
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, patience, sizeof *patience);
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, patience, sizeof *patience);
        if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
            return fd;
        close(fd);
    }
    return -1;
}

/* The first line of what follows the answer's head, if it says why it is not ready. */
static void read_reason(int fd, char *reason, size_t size)
{
    char text[2048];
    ssize_t len = recv(fd, text, sizeof text - 1, MSG_WAITALL);
    char *body;

    text[len > 0 ? len : 0] = '\0';
    body = strstr(text, "\r\n\r\n");
    if (body == NULL)
        return;
    body += strlen("\r\n\r\n");
    body[strcspn(body, "\r\n")] = '\0';
    (void)wire_quote(reason, size, body);
}

/* The status of GET /readyz, and why it is not 200; 0 where no answer comes. */
static int ask(int fd, const char *server, char *reason, size_t size)
{
    char text[512];
    const char *authority = server + sizeof SCHEME - 1;
    int len = snprintf(text, sizeof text, "GET /readyz HTTP/1.1\r\nHost: %.*s\r\nConnection: close\r\n\r\n",
                       (int)strcspn(authority, "/"), authority);
    int status;

    if (send(fd, text, (size_t)len, MSG_NOSIGNAL) != len)
        return 0;
    if (recv(fd, text, sizeof STATUS_LINE - 1, MSG_WAITALL) != (ssize_t)(sizeof STATUS_LINE - 1) ||
        memcmp(text, STATUS_LINE, sizeof STATUS_LINE - 1 - STATUS_DIGITS) != 0)
        return 0;
    text[sizeof STATUS_LINE - 1] = '\0';
    status = atoi(&text[sizeof STATUS_LINE - 1 - STATUS_DIGITS]);
    if (status != 200)
        read_reason(fd, reason, size);
    return status;
}

/* NULL when it is, else what is to be said of it, until the next time. */
static const char *why_not_ready(const char *server, const char *host, const char *port, uint64_t ms)
{
    const struct timeval patience = {.tv_sec = (time_t)(ms / 1000),
                                     .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    static char why[320];
    char reason[256] = "";
    struct addrinfo *address;
    int fd, status;

    if (getaddrinfo(host, port, &hints, &address) != 0)
        return "is not known by that name";
    fd = connect_to(address, &patience);
    freeaddrinfo(address);
    if (fd < 0)
        return "takes no connection: is a tilery-bridge there?";
    status = ask(fd, server, reason, sizeof reason);
    close(fd);
    if (status == 200)
        return NULL;
    if (status == 0)
        return "gives no answer";
    (void)snprintf(why, sizeof why, "is not ready%s%s", reason[0] != '\0' ? ": " : "", reason);
    return why;
}

static int fail(enum tilery_status status, const char *server, const char *why)
{
    fprintf(stderr, "tilery: %s: %s %s\n", tilery_status_name(status), server, why);
    return tilery_status_exit(status);
}

/* Of one attempt, where so much is left: with others to follow, none takes it all. */
static uint64_t patience_ms(uint64_t left_ms, bool others)
{
    return others && left_ms > DEFAULT_TIMEOUT_MS ? DEFAULT_TIMEOUT_MS : left_ms;
}

int cli_health_http(const struct cli_options *options)
{
    const char *server = options->client.server, *why;
    bool waits = options->call.wait_for_ready;
    uint64_t ms = options->call.timeout_ms, until_ns, now;
    char host[256], port[6];

    if (options->argument != NULL)
        return cli_refuse("health's argument", options->argument,
                          "left out where the server is an http:// one");
    if (!split(server, host, sizeof host, port))
        return cli_refuse("--server", server, "as http://127.0.0.1:8405");
    if (ms == 0)
        ms = waits ? LONGEST_WAIT_MS : DEFAULT_TIMEOUT_MS;
    until_ns = wire_after_ms(ms);
    while ((why = why_not_ready(server, host, port, patience_ms(ms, waits))) != NULL) {
        if (!waits)
            return fail(TILERY_UNAVAILABLE, server, why);
        (void)nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
        now = wire_now_ns();
        if (now >= until_ns)
            return fail(TILERY_DEADLINE_EXCEEDED, server, why);
        ms = (until_ns - now) / NS_PER_MS + 1;
    }
    puts("SERVING");
    return cli_flush_output(options);
}
