#include "chart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define LABEL 190
#define BARS 560
#define ROW 22
#define MOST 10000.0 /* the scale's end */

static const char *colour_of(const char *kernel)
{
    static const char *const colours[][2] = {{"scalar", "#888888"},
                                             {"sse2", "#0072b2"},
                                             {"avx2", "#009e73"},
                                             {"avx512", "#d55e00"},
                                             {"neon", "#cc79a7"}};

    for (size_t i = 0; i < sizeof colours / sizeof *colours; i++)
        if (strcmp(kernel, colours[i][0]) == 0)
            return colours[i][1];
    return "#000000";
}

static double length(double ratio)
{
    return ratio <= 1 ? 1 : BARS * log10(ratio) / log10(MOST);
}

static void draw_bar(FILE *out, const json_t *bar, size_t row, bool first)
{
    const char *kernel = json_string_value(json_object_get(bar, "kernel"));
    double ratio = json_number_value(json_object_get(bar, "ratio"));
    size_t y = 40 + row * ROW;

    if (first)
        fprintf(out, "<text x=\"%d\" y=\"%zu\" text-anchor=\"end\">%s</text>\n", LABEL - 8, y + 15,
                json_string_value(json_object_get(bar, "image")));
    fprintf(out, "<rect x=\"%d\" y=\"%zu\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", LABEL, y,
            length(ratio), ROW - 4, colour_of(kernel));
    fprintf(out, "<text x=\"%.1f\" y=\"%zu\">%s %.1f x</text>\n", LABEL + length(ratio) + 6, y + 15, kernel,
            ratio);
}

bool chart_write(const char *file, const json_t *kernels)
{
    FILE *out = fopen(file, "w");
    const char *image, *before = "";
    const json_t *bar;
    size_t i;

    if (out == NULL)
        return false;
    fprintf(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%zu\" font-family=\"sans-serif\" "
        "font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
        "<text x=\"10\" y=\"22\" font-size=\"15\">Times as fast as SCALAR, one thread (logarithmic)</text>\n",
        LABEL + BARS + 120, 50 + json_array_size(kernels) * ROW);
    json_array_foreach(kernels, i, bar)
    {
        image = json_string_value(json_object_get(bar, "image"));
        draw_bar(out, bar, i, strcmp(image, before) != 0);
        before = image;
    }
    fputs("</svg>\n", out);
    return fclose(out) == 0;
}
