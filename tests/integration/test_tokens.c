/* A client whose token changes, and what tells it that it is the wrong one. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fake.h"
#include "served.h"
#include "suite.h"

#define OLD "old-0123456789abcdef"
#define NEW "new-0123456789abcdef"
#define COMPUTE "tilery.v1.TileCompute/Compute"
#define INFO "tilery.v1.Server/Info"
#define CALLERS 4
#define CHANGES 200

static char server_file[] = "/tmp/tilery-server-token-XXXXXX";
static char client_file[] = "/tmp/tilery-client-token-XXXXXX";

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static void make_file(char *path)
{
    int fd;

    memcpy(path + strlen(path) - 6, "XXXXXX", 6);
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void set_up(void)
{
    make_file(server_file);
    make_file(client_file);
    write_file(server_file, OLD "\n");
    served.token_file = server_file;
}

static void tear_down(void)
{
    served_end();
    unlink(server_file);
    unlink(client_file);
}

static void show(const char *token, const char *token_file)
{
    check_status(tilery_client_set_token(served.client, token, token_file, &served.error), TILERY_OK);
}

static enum tilery_status info(tilery_client *client)
{
    struct tilery_error error;
    struct tilery_info *said;
    enum tilery_status status = tilery_info(client, NULL, &said, &error);

    tilery_info_free(said);
    return status;
}

START_TEST(a_client_shows_the_token_that_it_was_given_last)
{
    served_start(_i, 2, 2);
    ck_assert_int_eq(info(served.client), TILERY_UNAUTHENTICATED);
    show(OLD, NULL);
    ck_assert_int_eq(info(served.client), TILERY_OK);
    show(NEW, NULL);
    ck_assert_int_eq(info(served.client), TILERY_UNAUTHENTICATED);
    write_file(client_file, " " OLD "\nand what else there may be\n");
    show(NULL, client_file);
    ck_assert_int_eq(info(served.client), TILERY_OK);
    write_file(client_file, NEW "\n"); /* which nobody has read */
    ck_assert_int_eq(info(served.client), TILERY_OK);
    show(NULL, NULL);
    ck_assert_int_eq(info(served.client), TILERY_UNAUTHENTICATED);
}
END_TEST

START_TEST(what_is_no_token_leaves_the_old_one)
{
    static const struct {
        const char *token, *token_file, *words;
    } bad[] = {{"short", NULL, "token: the token has 5 characters; it must have from 16 to 4096"},
               {"0123456789 abcdef", NULL, "token: character 11 of the token is no printable ASCII"},
               {NULL, client_file, "is empty"},
               {NULL, "/nowhere/token", "No such file"},
               {NEW, client_file, "token and token_file are both set"}};

    served_start(TCP, 2, 2);
    show(OLD, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        check_status(tilery_client_set_token(served.client, bad[i].token, bad[i].token_file, &served.error),
                     TILERY_INVALID_ARGUMENT);
        ck_assert_ptr_nonnull(strstr(served.error.message, bad[i].words));
        ck_assert_int_eq(tilery_client_set_token(served.client, bad[i].token, bad[i].token_file, NULL),
                         TILERY_INVALID_ARGUMENT);
    }
    ck_assert_int_eq(info(served.client), TILERY_OK);
}
END_TEST

/* The first request is refused, and the token changed before that. */
static struct fake_answer change(void *arg, const struct wire_request *request, unsigned number)
{
    char *seen = arg;
    tilery_client *client = served.client;

    (void)snprintf(seen, 64, "%s", request->metadata_count == 1 ? request->metadata[0].value : "no metadata");
    if (number != 1)
        return (struct fake_answer){.status = WIRE_INVALID_ARGUMENT, .message = "enough"};
    ck_assert_str_eq(seen, "Bearer " OLD);
    ck_assert_int_eq(tilery_client_set_token(client, NEW, NULL, NULL), TILERY_OK);
    return (struct fake_answer){.status = WIRE_UNAVAILABLE, .message = "not now"};
}

START_TEST(another_attempt_shows_the_new_token)
{
    const struct tilery_compute_request request = served_request(8, 8, 8, 8, 1);
    char seen[64] = "";
    struct fake *fake = fake_start(COMPUTE, change, seen);

    served.client = served_connect(fake_url(fake));
    show(OLD, NULL);
    ck_assert_int_eq(served_compute(served.client, &request, 0, NULL), TILERY_INVALID_ARGUMENT);
    ck_assert_str_eq(seen, "Bearer " NEW);
    served_disconnect();
    fake_stop(fake);
}
END_TEST

static void serve_with(const char *tokens)
{
    struct wire_error error;
    size_t count;

    write_file(server_file, tokens);
    ck_assert_int_eq(daemon_reload(served.daemon, &count, &error), WIRE_OK);
}

/* Half of its 16 MiB of counts is more than what had been asked for when the token changed. */
START_TEST(an_open_stream_goes_on_with_the_new_token)
{
    const struct tilery_compute_request request = served_request(4096, 2048, 256, 256, 1);
    const struct tilery_tile *tile;
    tilery_stream *stream;

    served_start(_i, 2, 2);
    show(OLD, NULL);
    stream = served_stream(&request, NULL);
    serve_with(NEW "\n" OLD "\n");
    show(NEW, NULL);
    for (unsigned tiles = 0; tiles < 128; tiles++) {
        if (tiles == 64)
            serve_with(NEW "\n");
        check_status(tilery_stream_next(stream, &tile, &served.error), TILERY_OK);
        ck_assert_ptr_nonnull(tile);
    }
    check_status(tilery_stream_next(stream, &tile, &served.error), TILERY_OK);
    ck_assert_ptr_null(tile);
    tilery_stream_close(stream);
}
END_TEST

struct caller {
    pthread_t thread;
    unsigned refused, calls;
    atomic_bool *over;
};

static void *call_on(void *arg)
{
    struct caller *caller = arg;

    while (!atomic_load(caller->over) || caller->calls == 0) {
        caller->refused += info(served.client) != TILERY_OK;
        caller->calls++;
    }
    return NULL;
}

START_TEST(it_changes_while_others_call)
{
    struct caller callers[CALLERS] = {0};
    atomic_bool over = false;

    write_file(server_file, OLD "\n" NEW "\n");
    served_start(_i, 2, 2);
    show(OLD, NULL);
    for (size_t i = 0; i < CALLERS; i++) {
        callers[i].over = &over;
        ck_assert_int_eq(pthread_create(&callers[i].thread, NULL, call_on, &callers[i]), 0);
    }
    for (unsigned i = 0; i < CHANGES; i++)
        show(i % 2 == 0 ? NEW : OLD, NULL);
    atomic_store(&over, true);
    for (size_t i = 0; i < CALLERS; i++) {
        ck_assert_int_eq(pthread_join(callers[i].thread, NULL), 0);
        ck_assert_uint_eq(callers[i].refused, 0);
    }
}
END_TEST

struct verdict {
    sem_t over;
    struct tilery_error error;
};

static void judge(void *arg, const struct tilery_error *error)
{
    struct verdict *verdict = arg;

    verdict->error = error != NULL ? *error : (struct tilery_error){.status = TILERY_OK};
    sem_post(&verdict->over);
}

static void start_judging(struct verdict *verdict)
{
    const struct tilery_call_options options = {.timeout_ms = 60000};

    sem_init(&verdict->over, 0, 0);
    check_status(tilery_ready_async(served.client, &options, judge, verdict, &served.error), TILERY_OK);
}

static struct tilery_error end_judging(struct verdict *verdict)
{
    while (sem_wait(&verdict->over) != 0)
        continue;
    sem_destroy(&verdict->over);
    return verdict->error;
}

static struct tilery_error ready(void)
{
    struct verdict verdict;

    start_judging(&verdict);
    return end_judging(&verdict);
}

START_TEST(a_server_that_does_not_take_the_token_serves_and_is_not_ready)
{
    served_start(_i, 2, 2);
    check_status(tilery_health(served.client, NULL, &served.error), TILERY_OK);
    ck_assert_int_eq(ready().status, TILERY_UNAUTHENTICATED);
    show(NEW, NULL);
    check_status(tilery_health(served.client, NULL, &served.error), TILERY_OK);
    ck_assert_str_eq(ready().message, "the token is not the server's");
    show(OLD, NULL);
    ck_assert_int_eq(ready().status, TILERY_OK);
    daemon_drain(served.daemon, 0);
    ck_assert_int_eq(ready().status, TILERY_UNAVAILABLE);
}
END_TEST

static struct fake_answer say(void *arg, const struct wire_request *request, unsigned number)
{
    (void)request;
    (void)number;
    return (struct fake_answer){.status = *(const enum wire_status *)arg, .message = "so it is"};
}

START_TEST(only_that_it_refuses_its_caller_makes_one_that_serves_not_ready)
{
    static const struct {
        enum wire_status said;
        enum tilery_status wanted;
    } cases[] = {{WIRE_UNAUTHENTICATED, TILERY_UNAUTHENTICATED},
                 {WIRE_PERMISSION_DENIED, TILERY_PERMISSION_DENIED},
                 {WIRE_UNIMPLEMENTED, TILERY_OK},
                 {WIRE_RESOURCE_EXHAUSTED, TILERY_OK},
                 {WIRE_UNAVAILABLE, TILERY_OK}};
    enum wire_status said;
    struct tilery_error error;
    struct fake *fake = fake_start(INFO, say, &said);

    served.client = served_connect(fake_url(fake));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        said = cases[i].said;
        error = ready();
        ck_assert_int_eq(error.status, cases[i].wanted);
        ck_assert(error.status == TILERY_OK || strcmp(error.message, "so it is") == 0);
        ck_assert_uint_eq(fake_requests(fake), i + 1);
    }
    served_disconnect();
    fake_stop(fake);
}
END_TEST

static struct fake_answer say_nothing(void *arg, const struct wire_request *request, unsigned number)
{
    (void)arg;
    (void)request;
    (void)number;
    return (struct fake_answer){.silent = true};
}

START_TEST(who_ends_the_client_is_not_told_that_a_server_is_ready)
{
    struct fake *fake = fake_start(INFO, say_nothing, NULL);
    struct verdict verdict;

    served.client = served_connect(fake_url(fake));
    start_judging(&verdict);
    fake_wait(fake, 1);
    tilery_client_stop(served.client);
    ck_assert_int_eq(end_judging(&verdict).status, TILERY_CANCELLED);
    served_disconnect();
    fake_stop(fake);
}
END_TEST

START_TEST(the_server_that_said_that_it_serves_is_asked_and_no_other)
{
    enum wire_status yes = WIRE_OK, no = WIRE_UNAUTHENTICATED;
    struct fake *fakes[] = {fake_start(INFO, say, &yes), fake_start(INFO, say, &no)};
    unsigned before[2], refused = 0;
    char urls[512];

    (void)snprintf(urls, sizeof urls, "%s,%s", fake_url(fakes[0]), fake_url(fakes[1]));
    served.client = served_connect(urls);
    while (fake_checks(fakes[0]) == 0 || fake_checks(fakes[1]) == 0)
        check_status(tilery_health(served.client, NULL, &served.error), TILERY_OK);
    for (size_t i = 0; i < 2; i++)
        before[i] = fake_checks(fakes[i]);
    for (unsigned i = 0; i < 10; i++)
        refused += ready().status == TILERY_UNAUTHENTICATED;
    for (size_t i = 0; i < 2; i++)
        ck_assert_uint_eq(fake_requests(fakes[i]), fake_checks(fakes[i]) - before[i]);
    ck_assert_uint_eq(refused, fake_requests(fakes[1]));
    served_disconnect();
    for (size_t i = 0; i < 2; i++)
        fake_stop(fakes[i]);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("tokens");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, a_client_shows_the_token_that_it_was_given_last, 0, TRANSPORTS);
    tcase_add_test(tests, what_is_no_token_leaves_the_old_one);
    tcase_add_test(tests, another_attempt_shows_the_new_token);
    tcase_add_loop_test(tests, an_open_stream_goes_on_with_the_new_token, 0, TRANSPORTS);
    tcase_add_loop_test(tests, it_changes_while_others_call, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_server_that_does_not_take_the_token_serves_and_is_not_ready, 0, TRANSPORTS);
    tcase_add_test(tests, only_that_it_refuses_its_caller_makes_one_that_serves_not_ready);
    tcase_add_test(tests, who_ends_the_client_is_not_told_that_a_server_is_ready);
    tcase_add_test(tests, the_server_that_said_that_it_serves_is_asked_and_no_other);
    return suite_run("tokens", tests);
}
