/* Streams that nobody may know of: their opener's connection was lost, with the reply or after it. */
#include "engine/clock.h"
#include "service/stream_table.h"

void streams_connection_gone(struct streams *streams, uint32_t connection)
{
    uint64_t until_ns = clock_after_ms(STREAM_ORPHAN_LEASE_MS);

    pthread_mutex_lock(&streams->mutex);
    for (struct stream *stream = streams->first; stream != NULL; stream = stream->next) {
        if (stream->opener != connection)
            continue;
        stream->orphan = true;
        if (stream->lease_until_ns > until_ns)
            stream->lease_until_ns = until_ns;
    }
    pthread_cond_broadcast(&streams->changed);
    pthread_mutex_unlock(&streams->mutex);
}

static bool same_plane(const struct plane *a, const struct plane *b)
{
    return a->re_min == b->re_min && a->im_min == b->im_min && a->re_span == b->re_span &&
           a->im_span == b->im_span && a->max_iter == b->max_iter;
}

static bool same_spec(const struct run_spec *a, const struct run_spec *b)
{
    return a->grid.width == b->grid.width && a->grid.height == b->grid.height &&
           a->grid.tile_w == b->grid.tile_w && a->grid.tile_h == b->grid.tile_h &&
           same_plane(&a->plane, &b->plane) && a->kernel == b->kernel && a->schedule == b->schedule &&
           a->sequential == b->sequential && a->num_threads == b->num_threads &&
           a->time_limit_ms == b->time_limit_ms && a->first_task == b->first_task &&
           a->task_count == b->task_count;
}

bool stream_adopt(struct streams *streams, const char *id, const struct run_spec *spec, unsigned encodings,
                  uint32_t opener)
{
    struct stream *stream;
    bool adopted;

    pthread_mutex_lock(&streams->mutex);
    stream = stream_find(streams, id);
    adopted = stream != NULL && stream->orphan && stream->encodings == encodings &&
              same_spec(run_spec(stream->run), spec);
    if (adopted) {
        stream->opener = opener;
        stream->orphan = false;
        stream_renew(stream);
    }
    pthread_mutex_unlock(&streams->mutex);
    return adopted;
}
