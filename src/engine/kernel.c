#include "engine/kernel.h"

#include <string.h>

extern const struct kernel kernel_avx512, kernel_avx2, kernel_sse2, kernel_neon;

/* Fastest first. */
static const struct kernel *const kernels[] = {
#if defined __x86_64__
    &kernel_avx512,
    &kernel_avx2,
    &kernel_sse2,
#elif defined __aarch64__
    &kernel_neon,
#endif
    &kernel_scalar,
};

const struct kernel *kernel_at(size_t index)
{
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
        if ((kernels[i]->supported == NULL || kernels[i]->supported()) && index-- == 0)
            return kernels[i];
    return NULL;
}

const struct kernel *kernel_find(const char *name)
{
    const struct kernel *kernel;

    if (strcmp(name, "auto") == 0)
        return kernel_at(0);
    for (size_t i = 0; (kernel = kernel_at(i)) != NULL; i++)
        if (strcmp(name, kernel->name) == 0)
            return kernel;
    return NULL;
}
