/*
 * A remedy for nng, which every program of ours puts before libnng's own functions: what it would go on to
 * send or receive over a connection that has just been closed ends with an error.
 *
 * nng sends and receives a message piece by piece, over TLS record by record, each piece begun in the
 * callback of the one before. Where the connection is closed between two, nng 1.5 to 1.10 refuse the next
 * without a word (nni_aio_begin): no callback comes, and the thread that clears connections away waits for it
 * for ever, and with it all that end later.
 */
#include <dlfcn.h>
#include <string.h>

#include <nng/nng.h>

typedef void stream_fn(nng_stream *stream, nng_aio *aio);

static void find(const char *name, stream_fn **out)
{
    void *found = dlsym(RTLD_NEXT, name);

    memcpy(out, &found, sizeof *out);
}

__attribute__((constructor)) static void find_both(void);

static stream_fn *real_send, *real_receive;

static void find_both(void)
{
    find("nng_stream_send", &real_send);
    find("nng_stream_recv", &real_receive);
}

/* Nothing that was begun ends so: whoever closes a connection gives NNG_ECLOSED before anybody cancels. Here
 * that would be taken, within the handshake, for the end of the listener or dialer: it would accept and dial
 * no more. */
static void end_if_refused(nng_aio *aio)
{
    if (nng_aio_result(aio) == NNG_ECANCELED)
        nng_aio_finish(aio, NNG_ECONNRESET);
}

__attribute__((visibility("default"))) void nng_stream_send(nng_stream *stream, nng_aio *aio)
{
    real_send(stream, aio);
    end_if_refused(aio);
}

__attribute__((visibility("default"))) void nng_stream_recv(nng_stream *stream, nng_aio *aio)
{
    real_receive(stream, aio);
    end_if_refused(aio);
}
