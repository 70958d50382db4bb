/*
 * Feeds a parser its seeds and what random changes make of them, the same every time; or the files that are
 * named, as those that libFuzzer writes where it finds something. With --write FOLDER it writes the seeds.
 */
#include "fuzz.h"

#include <string.h>

#define CHANGED 3000 /* of each seed */
#define MOST_CHANGES 6
#define LONGEST (FUZZ_SEED_BYTES + MOST_CHANGES)

struct input {
    uint8_t bytes[LONGEST];
    size_t len;
};

static uint32_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

/* A byte at a random place changed, added, taken out, or the rest cut off. */
static void change(struct input *input, uint64_t *state)
{
    static const uint8_t edges[] = {0, 1, 0x7f, 0x80, 0xff, 0x08, 0x0a, 0x12};
    size_t at = input->len != 0 ? next_random(state) % input->len : 0;
    uint8_t edge = edges[next_random(state) % sizeof edges];

    switch (input->len != 0 ? next_random(state) % 8 : 1) {
    case 0:
        input->len = at;
        break;
    case 1:
        memmove(&input->bytes[at + 1], &input->bytes[at], input->len - at);
        input->bytes[at] = edge;
        input->len++;
        break;
    case 2:
        memmove(&input->bytes[at], &input->bytes[at + 1], input->len - at - 1);
        input->len--;
        break;
    case 3:
    case 4:
        input->bytes[at] = edge;
        break;
    default:
        input->bytes[at] ^= (uint8_t)(1u << next_random(state) % 8);
    }
}

/* A copy that ends where its memory ends, so that a sanitizer sees any step beyond. */
static void feed(const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len != 0 ? len : 1);

    require(copy != NULL);
    memcpy(copy, bytes, len);
    fuzz_one(copy, len);
    free(copy);
}

static size_t feed_seeds(void)
{
    struct input seed, changed;
    uint64_t state = 1;
    size_t number = 0;

    for (; (seed.len = fuzz_seed(number, seed.bytes)) != 0; number++) {
        feed(seed.bytes, seed.len);
        for (int i = 0; i < CHANGED; i++) {
            changed = seed;
            for (uint32_t changes = 1 + next_random(&state) % MOST_CHANGES; changes != 0; changes--)
                change(&changed, &state);
            feed(changed.bytes, changed.len);
        }
    }
    return number;
}

static void feed_file(const char *name)
{
    static uint8_t bytes[1 << 20];
    FILE *file = fopen(name, "rb");

    require(file != NULL);
    feed(bytes, fread(bytes, 1, sizeof bytes, file));
    fclose(file);
}

static void write_seeds(const char *folder)
{
    uint8_t bytes[FUZZ_SEED_BYTES];
    size_t len;

    for (size_t number = 0; (len = fuzz_seed(number, bytes)) != 0; number++) {
        char name[4096];
        FILE *file;

        (void)snprintf(name, sizeof name, "%s/seed-%zu", folder, number);
        file = fopen(name, "wb");
        require(file != NULL && fwrite(bytes, 1, len, file) == len && fclose(file) == 0);
    }
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--write") == 0) {
        write_seeds(argv[2]);
        return 0;
    }
    for (int i = 1; i < argc; i++)
        feed_file(argv[i]);
    if (argc == 1)
        require(feed_seeds() > 5);
    return 0;
}
