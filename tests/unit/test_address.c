#include "wire/address.h"

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

int main(void)
{
    TCase *tests = tcase_create("address");

    tcase_add_loop_test(tests, loopback_and_what_is_no_tcp_is_local, 0, 10);
    tcase_add_loop_test(tests, everything_else_may_be_reached_from_elsewhere, 0, 10);
    tcase_add_test(tests, only_transports_over_tls_are_tls);
    tcase_add_test(tests, a_host_is_an_ip_or_a_name);
    return suite_run("address", tests);
}
