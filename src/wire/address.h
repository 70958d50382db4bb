#ifndef TILERY_WIRE_ADDRESS_H
#define TILERY_WIRE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Whether only this machine can reach what listens there: 127.x.x.x, [::1], localhost, and every scheme but
 * tcp. The address is a URL, or HOST:PORT. A host name that may stand for anything counts as reachable from
 * elsewhere.
 */
bool wire_address_is_local(const char *address);

/* Whether the URL's transport is TLS. */
bool wire_address_is_tls(const char *address);

/* Whether the URL's host is a number: IPv4, or IPv6 in brackets. */
bool wire_address_is_ip(const char *address);

/* Writes ADDRESS:PORT, for a person: an in_addr of AF_INET or an in6_addr of AF_INET6, in brackets; of IPv4
 * that comes by an IPv6 socket the IPv4 address. The port is in network order. */
void wire_address_write(char *out, size_t size, int family, const void *address, uint16_t port);

#endif
