#include "wire/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "suite.h"

START_TEST(loopback_and_what_is_no_tcp_is_local)
{
    static const char *const local[] = {"tcp://127.0.0.1:5570",  "tcp4://127.8.9.1:0", "tcp://[::1]:5570",
                                        "tcp://localhost:5570",  "127.0.0.1:8405",     "[::1]:8405",
                                        "tls+tcp://127.0.0.1:1", "ipc:///run/tilery",  "inproc://127",
                                        "TCP://LOCALHOST:1"};

    ck_assert_msg(wire_address_is_local(local[_i]), "%s", local[_i]);
}
END_TEST

START_TEST(everything_else_may_be_reached_from_elsewhere)
{
    static const char *const open[] = {"tcp://0.0.0.0:5570",
                                       "tcp://*:5570",
                                       "tcp://[::]:5570",
                                       "tcp://10.0.0.1:1",
                                       "tls+tcp://[::]:1",
                                       "TCP://10.0.0.1:1",
                                       "0.0.0.0:8405",
                                       "[::]:8405",
                                       "tcp://localhost.example.org:1",
                                       ":8405"};

    ck_assert_msg(!wire_address_is_local(open[_i]), "%s", open[_i]);
}
END_TEST

START_TEST(only_transports_over_tls_are_tls)
{
    ck_assert(wire_address_is_tls("tls+tcp://127.0.0.1:1"));
    ck_assert(wire_address_is_tls("TLS+TCP4://host:1"));
    ck_assert(wire_address_is_tls("wss://host:1"));
    ck_assert(!wire_address_is_tls("tcp://tls+tcp:1"));
    ck_assert(!wire_address_is_tls("ws://host:1"));
    ck_assert(!wire_address_is_tls("ipc:///run/tls"));
}
END_TEST

START_TEST(a_host_is_an_ip_or_a_name)
{
    ck_assert(wire_address_is_ip("tls+tcp://127.0.0.1:1"));
    ck_assert(wire_address_is_ip("tls+tcp://[2001:db8::1]:1"));
    ck_assert(wire_address_is_ip("10.0.0.1"));
    ck_assert(!wire_address_is_ip("tls+tcp://localhost:1"));
    ck_assert(!wire_address_is_ip("tls+tcp://1.example.org:1"));
    ck_assert(!wire_address_is_ip("tls+tcp://:1"));
    ck_assert(!wire_address_is_ip(""));
}
END_TEST

START_TEST(an_address_is_told_as_it_is_written)
{
    static const struct {
        int family;
        const char *address, *told;
    } rows[] = {{AF_INET, "192.0.2.7", "192.0.2.7:8405"},
                {AF_INET6, "2001:db8::1", "[2001:db8::1]:8405"},
                {AF_INET6, "::1", "[::1]:8405"},
                {AF_INET6, "::ffff:192.0.2.7", "192.0.2.7:8405"}};
    struct in6_addr address; /* has room for either */
    char told[64];

    ck_assert_int_eq(inet_pton(rows[_i].family, rows[_i].address, &address), 1);
    wire_address_write(told, sizeof told, rows[_i].family, &address, htons(8405));
    ck_assert_str_eq(told, rows[_i].told);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("address");

    tcase_add_loop_test(tests, loopback_and_what_is_no_tcp_is_local, 0, 10);
    tcase_add_loop_test(tests, everything_else_may_be_reached_from_elsewhere, 0, 10);
    tcase_add_test(tests, only_transports_over_tls_are_tls);
    tcase_add_test(tests, a_host_is_an_ip_or_a_name);
    tcase_add_loop_test(tests, an_address_is_told_as_it_is_written, 0, 4);
    return suite_run("address", tests);
}
