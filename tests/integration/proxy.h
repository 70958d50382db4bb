#ifndef TILERY_TESTS_PROXY_H
#define TILERY_TESTS_PROXY_H

/*
 * A TCP proxy between one client and a server, in a thread of its own. It knows nng's framing and cuts the
 * connection at chosen messages, so that a client that tries again still gets on. The first two
 * requests always pass, and so does the first reply but with the last of these.
 */
enum proxy_cut {
    PROXY_AFTER_REPLIES,   /* each, passed on whole */
    PROXY_WITHIN_REPLIES,  /* every second one, half of it passed on */
    PROXY_BEFORE_REPLIES,  /* every second one, not passed on */
    PROXY_BEFORE_REQUESTS, /* every second one, not passed on */
    PROXY_AFTER_REQUESTS,  /* every second one, passed on whole */
    PROXY_AFTER_BYTES,     /* within the reply with which they come to more than PROXY_BYTES */
    PROXY_CUTS,
    PROXY_WHEN_TOLD = PROXY_CUTS,
    PROXY_BEFORE_THE_FIRST_REPLY, /* and nowhere else */
};

#define PROXY_BYTES (300u << 10)

struct proxy;

/* To a URL tcp://address:port. Ends with proxy_stop. */
struct proxy *proxy_start(const char *server_url, enum proxy_cut cut);
void proxy_stop(struct proxy *proxy);

/* What the client dials. */
const char *proxy_url(const struct proxy *proxy);

/* Cuts the connection there is now. */
void proxy_cut_now(struct proxy *proxy);

/* How many connections it has cut. */
unsigned proxy_count(const struct proxy *proxy);

/* How many requests it has read. */
unsigned proxy_requests(const struct proxy *proxy);

#endif
