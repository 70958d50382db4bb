#ifndef TILERY_CLI_PROGRESS_H
#define TILERY_CLI_PROGRESS_H

#include "cli.h"

/* How often it may be drawn. */
#define PROGRESS_MS 100

/* A bar on stderr, where that is a terminal and nobody wants quiet, or lines of their own there, of what
 * takes longer than half a second.
 */
struct progress {
    const char *unit; /* "tiles": of what is counted */
    bool wanted, drawn;
    bool utf8, colours;
    uint64_t start_ns, last_ns;
};

bool progress_is_wanted(const struct cli_options *options);
void progress_begin(struct progress *progress, const struct cli_options *options, const char *unit);

/* So many are done of so many, now. Draws when it is time to. */
void progress_show(struct progress *progress, uint64_t done, uint64_t planned);

/* The same of what counts from a time on, before which it warms up, until another; both are wire_now_ns's. */
void progress_show_time(struct progress *progress, uint64_t from_ns, uint64_t until_ns, uint64_t done);

/* It is gone then. */
void progress_end(struct progress *progress);

#endif
