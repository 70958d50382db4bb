#include "settings.h"

#include <argp.h>
#include <stdio.h>

#include "wire/option.h"

enum { OPT_INPROC = 256, OPT_SERVE };

#define CALLS_ONLY 3

/* Those of calls alone come first. */
static const struct argp_option options[] = {
    {"ms", 'm', "MS", 0, "How long each of them lasts (default 1000; quick: 200)", 0},
    {"inproc", OPT_INPROC, NULL, 0, "Over inproc, too, where there is such a thing", 0},
    {"serve", OPT_SERVE, "KIND", OPTION_HIDDEN, "", 0},
    {"runs", 'r', "N", 0, "Runs of each (default 5, of calls 11; quick: 2)", 0},
    {"quick", 'q', NULL, 0, "Run each briefly", 0},
    {"json", 'j', "FILE", 0, "Write the figures as JSON, too", 0},
    {"chart", 'c', "FILE", 0, "Draw them as SVG", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct settings *settings = state->input;

    switch (key) {
    case 'r':
        settings->runs = option_number(state, "runs", arg, 1, 1000);
        return 0;
    case 'm':
        settings->ms = option_number(state, "ms", arg, 1, 60000);
        return 0;
    case 'q':
        settings->quick = true;
        return 0;
    case OPT_INPROC:
        settings->inproc = true;
        return 0;
    case 'j':
        settings->json = arg;
        return 0;
    case 'c':
        settings->chart = arg;
        return 0;
    case OPT_SERVE:
        settings->serve = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void parse_options(struct settings *settings, const struct argp *argp, unsigned runs, int argc,
                          char **argv)
{
    *settings = (struct settings){.runs = 0};
    argp_err_exit_status = 64;
    argp_parse(argp, argc, argv, 0, NULL, settings);
    if (settings->runs == 0)
        settings->runs = settings->quick ? 2 : runs;
    if (settings->ms == 0)
        settings->ms = settings->quick ? 200 : 1000;
    setvbuf(stdout, NULL, _IOLBF, 0);
}

void settings_parse(struct settings *settings, const char *doc, int argc, char **argv)
{
    const struct argp argp = {&options[CALLS_ONLY], parse, NULL, doc, NULL, NULL, NULL};

    parse_options(settings, &argp, 5, argc, argv);
}

void settings_parse_calls(struct settings *settings, const char *doc, int argc, char **argv)
{
    const struct argp argp = {options, parse, NULL, doc, NULL, NULL, NULL};

    parse_options(settings, &argp, 11, argc, argv);
}

bool settings_write(const struct settings *settings, const json_t *results, const struct chart *chart,
                    const char *rows)
{
    if ((settings->json == NULL || json_dump_file(results, settings->json, JSON_INDENT(2)) == 0) &&
        (settings->chart == NULL || chart_write(settings->chart, chart, json_object_get(results, rows))))
        return true;
    perror("cannot write");
    return false;
}
