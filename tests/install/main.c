/* A user's program: says what became of a computation. */
#include <tilery/client.h>

#include <stdio.h>

/* A name of the library's inside; linking must not make it one of ours. */
int wire_error_set(void);
int wire_error_set(void)
{
    return 7;
}

int main(int argc, char **argv)
{
    struct tilery_client_options options = {0};
    struct tilery_compute_request request;
    struct tilery_error error;
    tilery_client *client;
    tilery_result *result;

    if (argc > 1)
        options.server = argv[1];
    tilery_compute_request_init(&request);
    if (tilery_client_open(&options, &client, &error) != TILERY_OK) {
        printf("%s\n", error.message);
        return tilery_status_exit(error.status);
    }
    if (tilery_compute(client, &request, NULL, &result, &error) == TILERY_OK) {
        printf("%s: %zu tiles\n", tilery_version(), tilery_result_count(result));
        tilery_result_free(result);
    } else {
        printf("%s: %s\n", tilery_status_name(error.status), error.message);
    }
    tilery_client_close(client);
    return wire_error_set() == 7 ? 0 : 1;
}
