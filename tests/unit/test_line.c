#include "daemon/line.h"
#include "rpc/server.h"

#include <stdio.h>
#include <string.h>

#include "suite.h"

#define TRACE "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static const struct timespec when = {.tv_sec = 1700000000, .tv_nsec = 7999999};

static const struct wire_request request = {.method = "tilery.v1.TileCompute/Compute", .request_id = "id"};
static const struct rpc_ended ok = {.request = &request,
                                    .peer = "127.0.0.1:4",
                                    .message = "",
                                    .queue_ns = 999,
                                    .run_ns = 1234567,
                                    .total_ns = UINT64_C(10000000000),
                                    .has_items = true,
                                    .items = 9};

/* The whole line, as a string. */
static const char *shown(const struct rpc_ended *ended, bool json)
{
    static struct line line;

    line_of_call(&line, json, &when, ended);
    ck_assert_uint_lt(line.len, LINE_BYTES);
    line.text[line.len] = '\0';
    return line.text;
}

START_TEST(a_call_is_one_line_of_logfmt)
{
    ck_assert_str_eq(shown(&ok, false), "ts=2023-11-14T22:13:20.007Z level=info "
                                        "method=tilery.v1.TileCompute/Compute request_id=id peer=127.0.0.1:4 "
                                        "code=OK queue_ms=0.000 run_ms=1.234 total_ms=10000.000 tiles=9\n");
}
END_TEST

START_TEST(a_call_that_is_about_another_names_that)
{
    struct rpc_ended ended = ok;

    ended.target = "other id";
    ck_assert_ptr_nonnull(strstr(shown(&ended, false), " request_id=id target=\"other id\" peer="));
}
END_TEST

START_TEST(a_call_is_one_line_of_json)
{
    struct rpc_ended ended = ok;

    ended.status = WIRE_INTERNAL;
    ended.message = "it \"broke\"";
    ended.has_items = false;
    ck_assert_str_eq(shown(&ended, true),
                     "{\"ts\":\"2023-11-14T22:13:20.007Z\",\"level\":\"error\","
                     "\"method\":\"tilery.v1.TileCompute/Compute\",\"request_id\":\"id\","
                     "\"peer\":\"127.0.0.1:4\",\"code\":\"INTERNAL\",\"queue_ms\":0.000,"
                     "\"run_ms\":1.234,\"total_ms\":10000.000,"
                     "\"message\":\"it \\\"broke\\\"\"}\n");
}
END_TEST

static const struct {
    const char *value, *logfmt;
} texts[] = {
    {"", "key=\"\""},
    {"plain/text:1", "key=plain/text:1"},
    {"two words", "key=\"two words\""},
    {"a=b", "key=\"a=b\""},
    {"\"", "key=\"\\\"\""},
    {"back\\slash", "key=\"back\\\\slash\""},
    {"x\nlevel=error", "key=\"x\\u000alevel=error\""},
    {"x\r\t\x7f", "key=\"x\\u000d\\u0009\\u007f\""},
    {"\x1b]0;title\x07", "key=\"\\u001b]0;title\\u0007\""},
    {"\xc2\x9b", "key=\"\\u00c2\\u009b\""}, /* a terminal's CSI, in UTF-8 */
    {"12345678901234567890", "key=12345678901234567890"},
    {"123456789012345678901", "key=\"12345678901234567890...\""},
};

START_TEST(what_a_caller_wrote_stays_one_value)
{
    struct line line;
    size_t start;

    for (int json = 0; json <= 1; json++) {
        line_begin(&line, json, &when, "info");
        start = line.len + 1;
        line_add_text(&line, "key", texts[_i].value, 20);
        line_end(&line);
        line.text[line.len] = '\0';
        for (size_t i = 0; i + 1 < line.len; i++)
            ck_assert(line.text[i] >= ' ' && line.text[i] <= '~');
        if (!json) {
            line.text[line.len - 1] = '\0';
            ck_assert_str_eq(&line.text[start], texts[_i].logfmt);
        }
    }
}
END_TEST

START_TEST(the_longest_line_is_whole)
{
    char method[65536], id[65536], message[321];
    const struct wire_request hostile = {.method = method, .request_id = id};
    struct rpc_ended ended = ok;

    ended.target = id;
    memset(method, '\x1b', sizeof method - 1);
    memset(id, '\n', sizeof id - 1);
    memset(message, '"', sizeof message - 1);
    method[sizeof method - 1] = id[sizeof id - 1] = message[sizeof message - 1] = '\0';
    ended.request = &hostile;
    ended.status = WIRE_UNAUTHENTICATED;
    ended.message = message;
    for (int json = 0; json <= 1; json++) {
        const char *text = shown(&ended, json);
        const char *last = json ? "\\\"\"}\n" : "\\\"\"\n";

        ck_assert_str_eq(text + strlen(text) - strlen(last), last);
        ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
        ck_assert_ptr_nonnull(strstr(text, "total_ms"));
    }
}
END_TEST

START_TEST(a_field_that_does_not_fit_is_left_out_whole)
{
    static char long_text[3000];
    struct line line;

    memset(long_text, 'x', sizeof long_text - 1);
    line_begin(&line, true, &when, "info");
    line_add_text(&line, "first", long_text, sizeof long_text);
    line_add_text(&line, "second", long_text, sizeof long_text);
    line_add_count(&line, "third", 3);
    line_end(&line);
    line.text[line.len] = '\0';
    ck_assert_ptr_null(strstr(line.text, "second"));
    ck_assert_ptr_nonnull(strstr(line.text, "x\",\"third\":3}\n"));
}
END_TEST

static const struct {
    const char *value;
    bool good;
} traces[] = {
    {TRACE, true},
    {"01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00-more", true},
    {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00-more", false},
    {"01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00more", false},
    {"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false},
    {"00-00000000000000000000000000000000-b7ad6b7169203331-01", false},
    {"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false},
    {"00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false},
    {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0", false},
    {"00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false},
    {"00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01", false},
    {"", false},
};

START_TEST(a_traceparent_is_shown_where_it_is_well_formed)
{
    const struct wire_metadata metadata[] = {{"other", TRACE}, {"traceparent", traces[_i].value}};
    struct wire_request traced = request;
    struct rpc_ended ended = ok;
    char wanted[80];

    traced.metadata = metadata;
    traced.metadata_count = 2;
    ended.request = &traced;
    (void)snprintf(wanted, sizeof wanted, " traceparent=%.55s\n", traces[_i].value);
    if (traces[_i].good)
        ck_assert_ptr_nonnull(strstr(shown(&ended, false), wanted));
    else
        ck_assert_ptr_null(strstr(shown(&ended, false), "traceparent"));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("line");

    tcase_add_test(tests, a_call_is_one_line_of_logfmt);
    tcase_add_test(tests, a_call_that_is_about_another_names_that);
    tcase_add_test(tests, a_call_is_one_line_of_json);
    tcase_add_loop_test(tests, what_a_caller_wrote_stays_one_value, 0, sizeof texts / sizeof *texts);
    tcase_add_test(tests, the_longest_line_is_whole);
    tcase_add_test(tests, a_field_that_does_not_fit_is_left_out_whole);
    tcase_add_loop_test(tests, a_traceparent_is_shown_where_it_is_well_formed, 0,
                        sizeof traces / sizeof *traces);
    return suite_run("line", tests);
}
