/*
 * The engine's speed: each kernel against SCALAR, what bounds SCALAR, two threads against one, the documented
 * request, how soon a cancel frees its threads, and memory. Runs of what is compared take turns; the figures
 * are medians, with the spread.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/clock.h"
#include "measure.h"
#include "sample.h"
#include "settings.h"

#define MAX_KERNELS 8
#define IMAGES 5

/* A turn repeats a run that is shorter than this, so that short runs are measured as long as long ones. */
#define TURN_MS 100

#define CHAIN 20000000

struct image {
    const char *name;
    uint32_t width, height, max_iter, tile;
    bool plain; /* the kernels without their shortcuts */
    bool slow;  /* SCALAR takes minutes */
};

static const struct image images[IMAGES] = {
    {"800 x 600, 256", 800, 600, 256, 64, false, false},
    {"1600 x 1200, 1000", 1600, 1200, 1000, 64, false, false},
    {"1920 x 1080, 65535", 1920, 1080, 65535, 64, false, true},
    {"96 x 96, 128", 96, 96, 128, 32, false, false},
    {"1600 x 1200, 1000, plain", 1600, 1200, 1000, 64, true, false},
};

static void take_turn(const struct run_spec *spec, struct sample *times)
{
    double time, spent = 0;

    do {
        time = measure_run(spec).tiles_ms;
        sample_add(times, time);
        spent += time;
    } while (spent < TURN_MS);
}

/* ---- Kernels ---- */

static void report_kernel(const struct image *image, const char *name, struct sample *times,
                          struct sample *scalar, uint64_t steps, json_t *out)
{
    double median = sample_percentile(times, 0.5), least = sample_percentile(times, 0);
    double most = sample_percentile(times, 1), ratio = sample_percentile(scalar, 0.5) / median;
    double least_ratio = sample_percentile(scalar, 0) / least;

    printf("%-26s %-8s %12.3f %10.3f .. %-10.3f %10.1f %9.1f %9.1f\n", image->name, name, median, least, most,
           (double)steps / median / 1e3, ratio, least_ratio);
    json_array_append_new(out, json_pack("{s:s, s:s, s:f, s:f, s:f, s:f, s:f}", "image", image->name,
                                         "kernel", name, "median_ms", median, "min_ms", least, "max_ms", most,
                                         "ratio", ratio, "min_ratio", least_ratio));
}

static void bench_image(const struct image *image, const struct settings *settings, json_t *out)
{
    struct sample times[MAX_KERNELS] = {{.count = 0}};
    struct kernel kernels[MAX_KERNELS];
    struct run_spec spec;
    size_t count = 0;
    unsigned runs = image->slow && settings->runs > 3 ? 3 : settings->runs;
    uint64_t steps;

    for (const struct kernel *kernel; count < MAX_KERNELS && (kernel = kernel_at(count)) != NULL; count++) {
        kernels[count] = *kernel;
        if (image->plain)
            kernels[count].compute = kernel->plain;
    }
    spec = measure_spec(image->width, image->height, image->max_iter, image->tile, &kernels[0]);
    steps = measure_run(&spec).steps; /* and the threads are warm */
    for (unsigned run = 0; run < runs; run++)
        for (size_t k = 0; k < count; k++) {
            spec.kernel = &kernels[k];
            take_turn(&spec, &times[k]);
        }
    for (size_t k = count; k-- > 0;)
        report_kernel(image, kernels[k].name, &times[k], &times[count - 1], steps, out);
    for (size_t k = 0; k < count; k++)
        sample_free(&times[k]);
}

static json_t *bench_kernels(const struct settings *settings)
{
    json_t *out = json_array();

    printf("%-26s %-8s %12s %10s    %-10s %10s %9s %9s\n", "image, max_iter", "kernel", "median ms", "least",
           "most", "Msteps/s", "x SCALAR", "x, least");
    for (size_t i = 0; i < IMAGES; i++)
        if (!images[i].slow || !settings->quick)
            bench_image(&images[i], settings, out);
    return out;
}

/* ---- What bounds SCALAR: a step's three dependent operations ---- */

/* Steps of that chain alone, of which every one waits for the one before, in millions a second. */
static double chain_rate(void)
{
    uint64_t begin = clock_now_ns();
    volatile double from = 0.25;
    double re = from;

    for (unsigned i = 0; i < CHAIN; i++)
        re = (re * re - 0.25) - 0.25;
    from = re;
    return CHAIN * 1e3 / (double)(clock_now_ns() - begin);
}

static json_t *bench_bound(const struct settings *settings)
{
    struct run_spec spec = measure_spec(800, 600, 256, 64, &kernel_scalar);
    struct sample times = {.count = 0}, chains = {.count = 0};
    double steps = (double)measure_run(&spec).steps, chain, rate;

    for (unsigned run = 0; run < settings->runs; run++) {
        take_turn(&spec, &times);
        sample_add(&chains, chain_rate());
    }
    chain = sample_percentile(&chains, 0.5);
    rate = steps / sample_percentile(&times, 0.5) / 1e3;
    printf("\nSCALAR does %.0f M steps/s; a multiplication and two additions, one after the other, are done "
           "%.0f M "
           "times\n",
           rate, chain);
    sample_free(&times);
    sample_free(&chains);
    return json_pack("{s:f, s:f}", "chain_msteps", chain, "scalar_msteps", rate);
}

/* ---- Threads ---- */

static json_t *bench_threads(const struct settings *settings)
{
    static const enum schedule_kind schedules[] = {SCHEDULE_DYNAMIC, SCHEDULE_STEALING};
    struct run_spec spec = measure_spec(1600, 1200, 1000, 64, &kernel_scalar);
    json_t *out = json_array();

    puts("\ntwo threads against one, 1600 x 1200, 1000, SCALAR");
    for (size_t s = 0; s < 2; s++) {
        struct sample one = {.count = 0}, two = {.count = 0};
        double speedup;

        spec.schedule = schedules[s];
        for (unsigned run = 0; run < settings->runs; run++) {
            spec.num_threads = 1;
            sample_add(&one, measure_run(&spec).whole_ms);
            spec.num_threads = 2;
            sample_add(&two, measure_run(&spec).whole_ms);
        }
        speedup = sample_percentile(&one, 0.5) / sample_percentile(&two, 0.5);
        printf("%-9s %10.1f ms %10.1f ms %8.3f x\n", schedule_name(schedules[s]),
               sample_percentile(&one, 0.5), sample_percentile(&two, 0.5), speedup);
        json_array_append_new(
            out, json_pack("{s:s, s:f}", "schedule", schedule_name(schedules[s]), "speedup", speedup));
        sample_free(&one);
        sample_free(&two);
    }
    return out;
}

/* ---- The documented request: 96 x 96 in 32 x 32 tiles, 128, two threads ---- */

static json_t *bench_wake_up(const struct settings *settings)
{
    struct sample times = {.count = 0};
    double median, late;

    for (unsigned run = 0; run < 400 * settings->runs; run++)
        sample_add(&times, measure_wake_up_us());
    median = sample_percentile(&times, 0.5);
    late = sample_percentile(&times, 0.99);
    printf("wake-up   p50 %8.1f  p99 %8.1f (of one idle thread)\n", median, late);
    sample_free(&times);
    return json_pack("{s:f, s:f}", "p50_us", median, "p99_us", late);
}

static json_t *bench_request(const struct settings *settings)
{
    const struct kernel *const kernels[] = {kernel_at(0), &kernel_scalar};
    json_t *out = json_array();

    puts("\nthe documented request in the engine, in us");
    for (size_t k = 0; k < 2; k++) {
        struct run_spec spec = measure_spec(96, 96, 128, 32, kernels[k]);
        struct sample times = {.count = 0};

        spec.num_threads = 2;
        spec.time_limit_ms = 500;
        for (unsigned run = 0; run < 400 * settings->runs; run++)
            sample_add(&times, measure_run(&spec).whole_ms * 1e3);
        printf("%-9s p50 %8.1f  p99 %8.1f\n", kernels[k]->name, sample_percentile(&times, 0.5),
               sample_percentile(&times, 0.99));
        json_array_append_new(out, json_pack("{s:s, s:f, s:f}", "kernel", kernels[k]->name, "p50_us",
                                             sample_percentile(&times, 0.5), "p99_us",
                                             sample_percentile(&times, 0.99)));
        sample_free(&times);
    }
    return out;
}

/* ---- Cancel: one 8192 x 8192 tile inside the cardioid, at 65535, SCALAR ---- */

static json_t *bench_cancel(const struct settings *settings)
{
    struct sample times = {.count = 0};
    double median, most;

    for (unsigned run = 0; run < 10 * settings->runs; run++)
        sample_add(&times, measure_cancel_ms());
    median = sample_percentile(&times, 0.5);
    most = sample_percentile(&times, 1);
    printf("\na cancel within a tile, in ms: p50 %.3f, most %.3f\n", median, most);
    sample_free(&times);
    return json_pack("{s:f, s:f}", "p50_ms", median, "max_ms", most);
}

/* ---- Memory of a record-only 16384 x 16384 run, in a process of its own ---- */

static long peak_kib(uint32_t tile)
{
    struct rusage usage;
    pid_t child = fork();

    if (child == 0) {
        struct run_spec spec = measure_spec(16384, 16384, 50, tile, kernel_at(0));

        spec.num_threads = 2;
        measure_begin();
        (void)measure_run(&spec);
        _exit(0);
    }
    if (child < 0 || wait4(child, NULL, 0, &usage) != child)
        return -1;
    return usage.ru_maxrss;
}

static json_t *bench_memory(void)
{
    long tiles = peak_kib(64), one = peak_kib(16384);

    printf(
        "\npeak memory of a record-only 16384 x 16384 run: %.1f MiB in 64 x 64 tiles, %.1f MiB in one tile\n",
        (double)tiles / 1024, (double)one / 1024);
    return json_pack("{s:I, s:I}", "tiles_kib", (json_int_t)tiles, "one_tile_kib", (json_int_t)one);
}

/* ---- */

int main(int argc, char **argv)
{
    static const struct chart chart = {.title = "Times as fast as SCALAR, one thread (logarithmic)",
                                       .group = "image",
                                       .name = "kernel",
                                       .value = "ratio",
                                       .unit = " x",
                                       .most = 10000};
    struct settings settings;
    json_t *all, *memory;
    bool written;

    settings_parse(
        &settings,
        "Measures the engine. The image that takes SCALAR minutes is run at most 3 times, and left "
        "out where it is to be quick.",
        argc, argv);
    memory = bench_memory(); /* first: a child takes over what its parent holds */
    measure_begin();
    puts("");
    all = json_object();
    json_object_set_new(all, "kernels", bench_kernels(&settings));
    json_object_set_new(all, "bound", bench_bound(&settings));
    json_object_set_new(all, "threads", bench_threads(&settings));
    json_object_set_new(all, "request", bench_request(&settings));
    json_object_set_new(all, "wake_up", bench_wake_up(&settings));
    json_object_set_new(all, "cancel", bench_cancel(&settings));
    json_object_set_new(all, "memory", memory);
    written = settings_write(&settings, all, &chart, "kernels");
    json_decref(all);
    measure_end();
    return written ? 0 : 1;
}
