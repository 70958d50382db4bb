#include <inttypes.h>
#include <stdio.h>

#include "cli.h"
#include "json.h"

int cli_fail(const struct cli_options *options, const struct tilery_error *error)
{
    fprintf(stderr, "tilery: %s: %s\n", tilery_status_name(error->status), error->message);
    if (error->status == TILERY_UNAVAILABLE)
        fprintf(stderr, "tilery: start one with `tileryd --listen %s`, or name another with --server URL\n",
                options->server);
    return tilery_status_exit(error->status);
}

int cli_output_failed(void)
{
    perror("tilery: cannot write the answer");
    return tilery_status_exit(TILERY_DATA_LOSS);
}

int cli_flush_output(void)
{
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : cli_output_failed();
}

int cli_compute(tilery_client *client, const struct cli_options *options)
{
    char buffer[16384];
    tilery_result *result;
    struct tilery_error error;
    struct json_reply reply;
    size_t len;

    if (tilery_compute(client, &options->request, &options->call, &result, &error) != TILERY_OK)
        return cli_fail(options, &error);
    json_reply_init(&reply, &options->request, result, NULL);
    while ((len = json_reply_next(&reply, buffer, sizeof buffer)) != 0)
        if (fwrite(buffer, 1, len, stdout) != len)
            break;
    putchar('\n');
    tilery_result_free(result);
    return cli_flush_output();
}

int cli_health(tilery_client *client, const struct cli_options *options)
{
    struct tilery_error error;

    if (tilery_health(client, &options->call, &error) != TILERY_OK)
        return cli_fail(options, &error);
    puts("SERVING");
    return cli_flush_output();
}

static void print_names(const char *label, const char *const *names, size_t count)
{
    printf("%-18s", label);
    for (size_t i = 0; i < count; i++)
        printf(i == 0 ? "%s" : " %s", names[i]);
    putchar('\n');
}

int cli_info(tilery_client *client, const struct cli_options *options)
{
    struct tilery_error error;
    struct tilery_info *info;

    if (tilery_info(client, &options->call, &info, &error) != TILERY_OK)
        return cli_fail(options, &error);
    printf("%-18s%s\n", "version", info->version);
    print_names("kernels", info->kernels, info->kernel_count);
    print_names("schedules", info->schedules, info->schedule_count);
    printf("%-18s%" PRIu32 "\n", "cpus", info->cpus);
    printf("%-18s%.3f s\n", "uptime", (double)info->uptime_ns / 1e9);
    printf("%-18s%" PRIu64 "\n", "max_width", info->max_width);
    printf("%-18s%" PRIu64 "\n", "max_height", info->max_height);
    printf("%-18s%" PRIu64 "\n", "max_tiles", info->max_tiles);
    printf("%-18s%" PRIu64 "\n", "max_threads", info->max_threads);
    printf("%-18s%" PRIu64 "\n", "max_time_limit_ms", info->max_time_limit_ms);
    printf("%-18s%" PRIu64 "\n", "max_tile_bytes", info->max_tile_bytes);
    printf("%-18s%" PRIu64 "\n", "max_request_bytes", info->max_request_bytes);
    printf("%-18s%" PRIu64 "\n", "max_reply_bytes", info->max_reply_bytes);
    tilery_info_free(info);
    return cli_flush_output();
}
