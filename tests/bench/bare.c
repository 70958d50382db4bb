#include "bare.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <microhttpd.h>

#include "child.h"

#define THREADS 2u

/* The first call is for the headers: a response that is queued there closes the connection. */
static enum MHD_Result answer(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **state)
{
    (void)url;
    (void)method;
    (void)version;
    (void)upload;
    (void)upload_size;
    if (*state != NULL)
        return MHD_queue_response(connection, MHD_HTTP_OK, arg);
    *state = arg;
    return MHD_YES;
}

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "the bare server: %s\n", what);
    exit(1);
}

_Noreturn void bare_serve(unsigned bytes)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char *body = malloc(bytes), url[64];
    struct MHD_Response *response;
    struct MHD_Daemon *http;

    if (body == NULL)
        fail("no memory");
    memset(body, ' ', bytes);
    response = MHD_create_response_from_buffer(bytes, body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL || MHD_add_response_header(response, "Content-Type", "application/json") != MHD_YES)
        fail("no memory");
    http =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, answer, response, MHD_OPTION_SOCK_ADDR,
                         (struct sockaddr *)&address, MHD_OPTION_THREAD_POOL_SIZE, THREADS, MHD_OPTION_END);
    if (http == NULL)
        fail("it cannot listen");
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u",
                   (unsigned)MHD_get_daemon_info(http, MHD_DAEMON_INFO_BIND_PORT)->port);
    child_serve(url);
}
