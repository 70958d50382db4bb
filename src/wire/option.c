#include "wire/option.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/status.h"

uint32_t option_number(const struct argp_state *state, const char *name, const char *text, uint32_t min,
                       uint32_t max)
{
    char *end;
    unsigned long value;

    errno = 0;
    value = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < min || value > max)
        argp_error(state, "--%s is \"%s\"; it must be a whole number from %u to %u", name, text, min, max);
    return (uint32_t)value;
}

void option_no_argument(const struct argp_state *state, const char *argument)
{
    argp_error(state, "\"%s\" is no option, and there are no other arguments", argument);
}

static bool parsing; /* for what exit calls, which is given nothing */

static void check_written(void)
{
    if (!parsing || (fflush(stdout) == 0 && !ferror(stdout)))
        return;
    fprintf(stderr, "%s: cannot write the answer: %s\n", program_invocation_short_name, strerror(errno));
    _exit(wire_status_exit(WIRE_DATA_LOSS));
}

void option_parse(const struct argp *argp, int argc, char **argv, void *input)
{
    (void)atexit(check_written);
    parsing = true;
    argp_parse(argp, argc, argv, 0, NULL, input);
    parsing = false;
}

static bool is_option(const struct argp_option *options, const char *name)
{
    for (const struct argp_option *option = options; option->name != NULL || option->doc != NULL; option++)
        if (option->name != NULL && strcmp(option->name, name) == 0)
            return true;
    return false;
}

const char *option_message(const struct argp_option *options, const char *prefix, const char *message,
                           char *room, size_t size)
{
    size_t len = strspn(message, "abcdefghijklmnopqrstuvwxyz_");
    char name[64];

    (void)snprintf(name, sizeof name, "%s%.*s", prefix, (int)len, message);
    for (char *c = name; *c != '\0'; c++)
        if (*c == '_')
            *c = '-';
    if (message[len] != ' ' || strncmp(message + len, " and ", 5) == 0 || !is_option(options, name))
        return message;
    (void)snprintf(room, size, "--%s%s", name, message + len);
    return room;
}
