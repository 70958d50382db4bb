/* What --help tells: of all commands in a table, and of each its own options. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

#define NAME_MAX_LEN 16u /* of a command that is looked for by likeness */

/* ---- Options ---- */

static bool is_told(const struct command *command, const struct argp_option *option)
{
    if (command == NULL)
        return option_commands(option->key) == FOR_ALL;
    return (option_commands(option->key) & command->set) != 0 && option->key != OPT_FULL_HELP;
}

/* Whether an option is told of that comes under a heading. */
static bool has_options(const struct command *command, const struct argp_option *heading)
{
    for (const struct argp_option *option = heading + 1; option->name != NULL; option++)
        if (is_told(command, option))
            return true;
    return false;
}

struct argp_option *help_options(const struct command *command)
{
    size_t count = 0, kept = 0;
    struct argp_option *options;

    while (cli_argp_options[count].name != NULL || cli_argp_options[count].doc != NULL)
        count++;
    options = calloc(count + 1, sizeof *options);
    for (size_t i = 0; i < count && options != NULL; i++) {
        const struct argp_option *option = &cli_argp_options[i];

        if (option->name == NULL && !has_options(command, option))
            continue;
        options[kept] = *option;
        if (option->name != NULL && !is_told(command, option))
            options[kept].flags |= OPTION_HIDDEN;
        kept++;
    }
    return options;
}

/* ---- Texts ---- */

/* The command that a part is of, and what it says of it; NULL: it is of all. */
static const struct command *owner_of(const char **part)
{
    for (const struct command *command = cli_commands; command->name != NULL; command++) {
        size_t len = strlen(command->name);

        if (strncmp(*part, command->name, len) == 0 && strncmp(*part + len, ": ", 2) == 0) {
            *part += len + 2;
            return command;
        }
    }
    return NULL;
}

/* Where all is told, whose an option is that is only of some commands that compute. */
static void put_owners(int key, FILE *out)
{
    unsigned set = option_commands(key), owners = 0;

    if (set == FOR_WORK || (set & FOR_WORK) != set)
        return;
    for (const struct command *command = cli_commands; command->name != NULL; command++)
        if ((command->set & set) != 0)
            fprintf(out, "%s%s", owners++ != 0 ? ", " : "", command->name);
    fputs(": ", out);
}

static char *option_text(const struct command *command, bool all, int key, const char *text)
{
    char *copy = strdup(text), *rest = copy, *line, *told = NULL;
    size_t size, parts = 0;
    FILE *out = copy != NULL ? open_memstream(&told, &size) : NULL;

    while (out != NULL && (line = strsep(&rest, "\n")) != NULL) {
        const char *part = line;
        const struct command *owner = owner_of(&part);

        if (command == NULL && owner == NULL && parts == 0)
            put_owners(key, out);
        if (owner == NULL || owner == command || all)
            fprintf(out, "%s%s", parts++ != 0 ? "; " : "", command == NULL ? line : part);
    }
    if (out != NULL)
        (void)fclose(out);
    free(copy);
    return told;
}

/* From the one table; help2man makes a section of it. */
static char *exit_statuses(const char *text)
{
    char *all = NULL;
    size_t size;
    FILE *out = open_memstream(&all, &size);

    if (out == NULL)
        return NULL;
    fprintf(out,
            "%sThe exit status is the number of the gRPC code that the command ended with.\n\nExit status:\n",
            text != NULL ? text : "");
    for (enum tilery_status code = TILERY_OK; code <= TILERY_UNAUTHENTICATED; code++)
        fprintf(out, "  %-3d  %s\n", tilery_status_exit(code), tilery_status_name(code));
    fprintf(out, "  %-3d  after a usage error\n  128  and the signal's number, where a signal ended it",
            CLI_USAGE_EXIT);
    (void)fclose(out);
    return all;
}

char *help_text(const struct command *command, bool all, int key, const char *text)
{
    char *changed = NULL;

    if (key == ARGP_KEY_HELP_POST_DOC && command == NULL)
        changed = exit_statuses(text);
    else if (key > 0 && key < OPT_END && text != NULL)
        changed = option_text(command, all, key, text);
    return changed != NULL ? changed : (char *)(uintptr_t)text;
}

/* ---- The beginning, and the end behind \v ---- */

static const char closing[] =
    "Every option that takes a value can also be given in the environment: --server as TILERY_SERVER. What "
    "the "
    "command does not use is passed over there, and is an error on the command line, as is what does nothing "
    "beside the other options.\n\n"
    "At a terminal, what takes longer than half a second shows a bar on stderr, for which compute takes its "
    "tiles as a stream, up to 32 million pixels; --quiet and --verbose show none. NO_COLOR is heeded.\n\n";

/* Of each command that has more to tell, where all is told. */
static void put_more(FILE *out)
{
    for (const struct command *each = cli_commands; each->name != NULL; each++)
        if (each->more != NULL)
            fprintf(out, "tilery %s: %s.\n%s\n\n", each->name, each->summary, each->more);
}

char *help_doc(const struct command *command, bool all)
{
    char *doc = NULL;
    size_t size;
    FILE *out = open_memstream(&doc, &size);

    if (out == NULL)
        return NULL;
    if (command != NULL) {
        fprintf(out, "tilery %s: %s.\v%s", command->name, command->summary,
                command->more != NULL ? command->more : "");
    } else {
        fputs("The command line of a Tilery server.\n\nCommands:\n", out);
        for (const struct command *each = cli_commands; each->name != NULL; each++)
            fprintf(out, "  %-16s  %s\n", each->usage, each->summary);
        fprintf(out, "\n`tilery COMMAND --help` tells of a command's options. Those of all commands:\v%s",
                closing);
        if (all)
            put_more(out);
    }
    (void)fclose(out);
    return doc;
}

/* ---- Likeness ---- */

static unsigned least_of(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* How many letters are to be changed, put in or left out. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[NAME_MAX_LEN + 1];
    size_t len = strlen(b);

    for (unsigned i = 0; i <= len; i++)
        row[i] = i;
    for (unsigned y = 1; *a != '\0'; a++, y++) {
        unsigned before = row[0];

        row[0] = y;
        for (size_t x = 1; x <= len; x++) {
            unsigned changed = before + (*a != b[x - 1]);

            before = row[x];
            row[x] = least_of(changed, 1 + least_of(row[x], row[x - 1]));
        }
    }
    return row[len];
}

const struct command *command_nearest(const char *name)
{
    const struct command *nearest = NULL;
    unsigned least = 3;

    for (const struct command *command = cli_commands; command->name != NULL; command++) {
        unsigned away = strlen(name) <= NAME_MAX_LEN ? distance(name, command->name) : least;

        if (away < least && away < strlen(command->name) / 2) {
            least = away;
            nearest = command;
        }
    }
    return nearest;
}
