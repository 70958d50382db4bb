#include "wire/environment.h"

#include <argz.h>
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_given(const struct argp_option *option, int argc, char **argv)
{
    size_t len = strlen(option->name);

    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], "--", 2) == 0) {
            if (strncmp(argv[i] + 2, option->name, len) == 0 &&
                (argv[i][2 + len] == '\0' || argv[i][2 + len] == '='))
                return true;
        } else if (argv[i][0] == '-' && option->key < 256 && isgraph(option->key) &&
                   argv[i][1] == option->key) {
            return true;
        }
    }
    return false;
}

static bool is_list(const struct argp_option *option, const char *const *lists)
{
    while (*lists != NULL && strcmp(*lists, option->name) != 0)
        lists++;
    return *lists != NULL;
}

static const char *variable(const char *prefix, const struct argp_option *option)
{
    char name[64];

    (void)snprintf(name, sizeof name, "%s_%s", prefix, option->name);
    for (char *c = name; *c != '\0'; c++)
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    return getenv(name);
}

/* Appends --name=value, or one for each value of a list. */
static error_t add(char **argz, size_t *len, const struct argp_option *option, const char *value, bool list)
{
    char *values = NULL, *one = NULL, *arg;
    size_t values_len;
    error_t error = list ? argz_create_sep(value, ',', &values, &values_len)
                         : argz_create((char *const[]){(char *)(uintptr_t)value, NULL}, &values, &values_len);

    while (error == 0 && (one = argz_next(values, values_len, one)) != NULL) {
        if (asprintf(&arg, "--%s=%s", option->name, one) < 0)
            break;
        error = argz_add(argz, len, arg);
        free(arg);
    }
    free(values);
    return error;
}

static char **vector_of(char *argz, size_t len, int *argc)
{
    size_t count = argz_count(argz, len);
    char **argv = malloc((count + 1) * sizeof *argv);

    if (argv == NULL) {
        free(argz);
        return NULL;
    }
    argz_extract(argz, len, argv);
    *argc = (int)count;
    return argv;
}

char **environment_argv(const char *prefix, const struct argp_option *options, const char *const *lists,
                        int *argc, char **argv)
{
    char *argz = NULL;
    size_t len = 0;
    error_t error = argz_add(&argz, &len, argv[0]);

    for (const struct argp_option *option = options; option->name != NULL || option->doc != NULL; option++) {
        const char *value = option->arg != NULL ? variable(prefix, option) : NULL;

        if (error == 0 && value != NULL && value[0] != '\0' && !is_given(option, *argc, argv))
            error = add(&argz, &len, option, value, is_list(option, lists));
    }
    for (int i = 1; error == 0 && i < *argc; i++)
        error = argz_add(&argz, &len, argv[i]);
    if (error == 0)
        return vector_of(argz, len, argc);
    free(argz);
    return NULL;
}

void environment_free(char **argv)
{
    if (argv == NULL)
        return;
    free(argv[0]); /* one block holds all the strings */
    free(argv);
}

uint32_t environment_number(const struct argp_state *state, const char *name, const char *text, uint32_t min,
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
