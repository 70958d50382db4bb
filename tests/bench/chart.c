#include "chart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define LABEL 190
#define BARS 560
#define ROW 22

static const char *colour_of(const char *name)
{
    static const char *const colours[][2] = {
        {"scalar", "#888888"}, {"sse2", "#0072b2"},   {"avx2", "#009e73"}, {"avx512", "#d55e00"},
        {"neon", "#cc79a7"},   {"tilery", "#0072b2"}, {"nng", "#888888"},  {"gRPC", "#d55e00"}};

    for (size_t i = 0; i < sizeof colours / sizeof *colours; i++)
        if (strcmp(name, colours[i][0]) == 0)
            return colours[i][1];
    return "#000000";
}

static double value_of(const struct chart *chart, const json_t *row)
{
    return json_number_value(json_object_get(row, chart->value));
}

static double length(const struct chart *chart, double value, double largest)
{
    if (chart->most == 0)
        return BARS * value / largest;
    return value <= 1 ? 1 : BARS * log10(value) / log10(chart->most);
}

static void draw_bar(FILE *out, const struct chart *chart, const json_t *row, double largest, size_t place,
                     bool first)
{
    const char *name = json_string_value(json_object_get(row, chart->name));
    double value = value_of(chart, row), wide = length(chart, value, largest);
    size_t y = 40 + place * ROW;

    if (first)
        fprintf(out, "<text x=\"%d\" y=\"%zu\" text-anchor=\"end\">%s</text>\n", LABEL - 8, y + 15,
                json_string_value(json_object_get(row, chart->group)));
    fprintf(out, "<rect x=\"%d\" y=\"%zu\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", LABEL, y, wide,
            ROW - 4, colour_of(name));
    fprintf(out, "<text x=\"%.1f\" y=\"%zu\">%s %.1f%s</text>\n", LABEL + wide + 6, y + 15, name, value,
            chart->unit);
}

bool chart_write(const char *file, const struct chart *chart, const json_t *rows)
{
    FILE *out = fopen(file, "w");
    const char *group, *before = "";
    double largest = 0;
    const json_t *row;
    size_t i;

    if (out == NULL)
        return false;
    json_array_foreach(rows, i, row)
    {
        if (value_of(chart, row) > largest)
            largest = value_of(chart, row);
    }
    fprintf(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%zu\" font-family=\"sans-serif\" "
        "font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
        "<text x=\"10\" y=\"22\" font-size=\"15\">%s</text>\n",
        LABEL + BARS + 120, 50 + json_array_size(rows) * ROW, chart->title);
    json_array_foreach(rows, i, row)
    {
        group = json_string_value(json_object_get(row, chart->group));
        draw_bar(out, chart, row, largest, i, strcmp(group, before) != 0);
        before = group;
    }
    fputs("</svg>\n", out);
    return fclose(out) == 0;
}
