#include "engine/kernel.h"

#include <string.h>

static const struct kernel *const kernels[] = {&kernel_scalar};

const struct kernel *kernel_at(size_t index)
{
    return index < sizeof kernels / sizeof *kernels ? kernels[index] : NULL;
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
