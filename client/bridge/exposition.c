#include "exposition.h"

#include <inttypes.h>

#define NS_PER_S UINT64_C(1000000000)

void exposition_family(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_label(FILE *out, char before, const char *name, const char *value)
{
    fprintf(out, "%c%s=\"", before, name);
    for (; *value != '\0'; value++) {
        if (*value == '"' || *value == '\\')
            fputc('\\', out);
        fputc(*value >= ' ' && *value <= '~' ? *value : '?', out);
    }
    fputc('"', out);
}

/* The name with its suffix, the labels, and le where it is not NULL. */
static void put_series(FILE *out, const char *name, const char *suffix, const struct exposition_label *labels,
                       const char *le)
{
    char before = '{';

    fprintf(out, "%s%s", name, suffix);
    for (; labels->name != NULL; labels++) {
        put_label(out, before, labels->name, labels->value);
        before = ',';
    }
    if (le != NULL) {
        put_label(out, before, "le", le);
        before = ',';
    }
    fputs(before == ',' ? "} " : " ", out);
}

static void put_seconds(FILE *out, uint64_t ns)
{
    fprintf(out, "%" PRIu64 ".%09" PRIu64 "\n", ns / NS_PER_S, ns % NS_PER_S);
}

void exposition_sample(FILE *out, const char *name, const struct exposition_label *labels, uint64_t value)
{
    put_series(out, name, "", labels, NULL);
    fprintf(out, "%" PRIu64 "\n", value);
}

void exposition_seconds(FILE *out, const char *name, const struct exposition_label *labels, uint64_t ns)
{
    put_series(out, name, "", labels, NULL);
    put_seconds(out, ns);
}

void exposition_histogram(FILE *out, const char *name, const struct exposition_label *labels,
                          const struct exposition_histogram *histogram)
{
    uint64_t count = 0;
    char le[32];

    for (size_t i = 0; i <= histogram->bounds; i++) {
        if (i < histogram->bounds)
            (void)snprintf(le, sizeof le, "%.9g", (double)histogram->bounds_ns[i] / (double)NS_PER_S);
        else
            (void)snprintf(le, sizeof le, "+Inf");
        count += histogram->counts[i];
        put_series(out, name, "_bucket", labels, le);
        fprintf(out, "%" PRIu64 "\n", count);
    }
    put_series(out, name, "_sum", labels, NULL);
    put_seconds(out, histogram->sum_ns);
    put_series(out, name, "_count", labels, NULL);
    fprintf(out, "%" PRIu64 "\n", count);
}
