#ifndef TILERY_BRIDGE_OPTIONS_H
#define TILERY_BRIDGE_OPTIONS_H

#include <argp.h>

#include "daemon/daemon.h"
#include "tilery/client.h"

#define DEFAULT_LISTEN "127.0.0.1:8405"
#define MAX_NAMES 16

/* What the command line and the environment say. */
struct settings {
    const char *listen;
    struct tilery_client_options backend; /* without a server: one inside this process */
    const char *origins[MAX_NAMES], *hosts[MAX_NAMES];
    size_t origin_count, host_count;
    enum daemon_log access_log;
    uint64_t reply_budget_bytes;
    enum daemon_log log; /* of the server inside */
    const char *token_file;
    unsigned max_connections, surplus, max_per_address, connection_timeout_s;
    bool per_address_given;
    uint64_t backend_timeout_ms, grace_ms, heartbeat_ms, lease_ms;
};

extern const struct argp_option bridge_argp_options[];

/* The names of those that are given several times; ends with NULL. */
extern const char *const bridge_argp_lists[];

/*
 * Reads argv, of which the first from_environment options stand for the environment's. What is for a backend
 * is a usage error without one, and so is --log with one, but in the environment, where it is passed over.
 * Ends the process at a usage error, --help and --version.
 */
void options_parse(int argc, char **argv, int from_environment, struct settings *settings);

#endif
