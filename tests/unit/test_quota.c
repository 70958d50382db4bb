/* Control groups, as trees of files. */
#include "daemon/quota.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "suite.h"

static char root[] = "/tmp/tilery-quota-XXXXXX";

static void set_up(void)
{
    memcpy(root + sizeof root - 7, "XXXXXX", 6);
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static void tear_down(void)
{
    char command[64];

    (void)snprintf(command, sizeof command, "rm -r %s", root);
    ck_assert_int_eq(system(command), 0);
}

/* Writes a file under the root, and makes the folders around it. */
static void put(const char *name, const char *text)
{
    char path[256];
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *slash = strchr(path + sizeof root, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    fclose(file);
}

#define check_quota(cpus_wanted, memory_wanted)                 \
    do {                                                        \
        struct quota quota = quota_read(root);                  \
                                                                \
        ck_assert_uint_eq(quota.cpus, (cpus_wanted));           \
        ck_assert_uint_eq(quota.memory_bytes, (memory_wanted)); \
    } while (0)

START_TEST(without_any_file_there_is_no_quota)
{
    check_quota(0, 0);
    put("proc/self/cgroup", "");
    check_quota(0, 0);
    put("proc/self/cgroup", "0::/\n");
    check_quota(0, 0);
}
END_TEST

START_TEST(a_container_of_version_2_has_its_own_files_at_the_mount)
{
    put("proc/self/cgroup", "0::/\n");
    put("sys/fs/cgroup/cpu.max", "150000 100000\n");
    put("sys/fs/cgroup/memory.max", "268435456\n");
    check_quota(2, 268435456);
    put("sys/fs/cgroup/cpu.max", "max 100000\n");
    put("sys/fs/cgroup/memory.max", "max\n");
    check_quota(0, 0);
}
END_TEST

START_TEST(a_quota_is_rounded_up_to_whole_cpus)
{
    static const struct {
        const char *line;
        uint32_t cpus;
    } cases[] = {{"1000 100000", 1},
                 {"100000 100000", 1},
                 {"100001 100000", 2},
                 {"400000 100000", 4},
                 {"25000 50000", 1},
                 {"18446744073709551615 1", 0},
                 {"100000 0", 0},
                 {"0 100000", 0},
                 {"100000", 0},
                 {"nonsense 100000", 0},
                 {"", 0}};

    put("proc/self/cgroup", "0::/\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put("sys/fs/cgroup/cpu.max", cases[i].line);
        check_quota(cases[i].cpus, 0);
    }
}
END_TEST

START_TEST(the_narrowest_of_all_groups_around_counts)
{
    put("proc/self/cgroup", "0::/kubepods.slice/pod.slice/one.scope\n");
    put("sys/fs/cgroup/kubepods.slice/cpu.max", "800000 100000\n");
    put("sys/fs/cgroup/kubepods.slice/pod.slice/cpu.max", "200000 100000\n");
    put("sys/fs/cgroup/kubepods.slice/pod.slice/one.scope/cpu.max", "max 100000\n");
    put("sys/fs/cgroup/kubepods.slice/memory.max", "1000000\n");
    put("sys/fs/cgroup/kubepods.slice/pod.slice/one.scope/memory.max", "3000000\n");
    check_quota(2, 1000000);
    put("sys/fs/cgroup/kubepods.slice/other/cpu.max", "1000 100000\n");
    check_quota(2, 1000000);
}
END_TEST

START_TEST(version_1_is_read_too_alone_and_beside_version_2)
{
    put("proc/self/cgroup", "12:pids:/a\n4:memory:/a\n2:cpu,cpuacct:/a/b\n0::/a\n");
    put("sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "300000\n");
    put("sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n");
    put("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "500000\n");
    check_quota(3, 500000);
    put("sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n");
    put("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n");
    check_quota(0, 0);
    put("sys/fs/cgroup/unified/a/memory.max", "400000\n");
    check_quota(0, 400000);
}
END_TEST

/* Docker on version 1: the path is the host's, and the mount is the container's own group. */
START_TEST(a_group_that_is_not_seen_is_the_mount)
{
    put("proc/self/cgroup",
        "4:memory:/docker/0123\n3:cpuset:/docker/0123\n2:cpu:/docker/0123\n1:cpuacct:/docker/0123\n");
    put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n");
    put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n");
    check_quota(1, 268435456);
}
END_TEST

START_TEST(lines_that_are_none_are_passed_over)
{
    char line[5000];

    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\0';
    put("proc/self/cgroup", line);
    check_quota(0, 0);
    put("proc/self/cgroup", "\n:\n::\n0:\n0::relative\ncpu:/\n7:cpux,xcpu:/\n0::/\n");
    put("sys/fs/cgroup/memory.max", "1\n");
    put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n");
    put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    check_quota(0, 1);
}
END_TEST

START_TEST(a_quota_gives_eight_threads_a_cpu_that_it_really_has)
{
    static const struct {
        uint32_t quota, usable, threads;
    } cases[] = {{0, 4, 0}, {1, 4, 8},      {3, 4, 24},       {4, 4, 32},       {2, 2, 16},
                 {4, 1, 8}, {65536, 2, 16}, {127, 128, 1016}, {128, 128, 1024}, {65536, UINT32_MAX, 1024}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct quota quota = {.cpus = cases[i].quota};

        ck_assert_uint_eq(quota_threads(&quota, cases[i].usable), cases[i].threads);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("quota");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, without_any_file_there_is_no_quota);
    tcase_add_test(tests, a_container_of_version_2_has_its_own_files_at_the_mount);
    tcase_add_test(tests, a_quota_is_rounded_up_to_whole_cpus);
    tcase_add_test(tests, the_narrowest_of_all_groups_around_counts);
    tcase_add_test(tests, version_1_is_read_too_alone_and_beside_version_2);
    tcase_add_test(tests, a_group_that_is_not_seen_is_the_mount);
    tcase_add_test(tests, lines_that_are_none_are_passed_over);
    tcase_add_test(tests, a_quota_gives_eight_threads_a_cpu_that_it_really_has);
    return suite_run("quota", tests);
}
