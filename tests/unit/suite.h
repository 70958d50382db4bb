#ifndef TILERY_TESTS_SUITE_H
#define TILERY_TESTS_SUITE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

/* What main returns: runs the tests as the one case of a suite. */
static inline int suite_run(const char *name, TCase *tests)
{
    Suite *suite = suite_create(name);
    SRunner *runner;
    int failed;

    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* A file of tests/vectors, past its first line, which is a heading. Ends with fclose. */
static inline FILE *suite_vectors(const char *name)
{
    char line[512];
    FILE *file;

    (void)snprintf(line, sizeof line, "%s/%s", TILERY_REFERENCE_DIR, name);
    file = fopen(line, "r");
    ck_assert_msg(file != NULL, "cannot open %s", line);
    ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
    return file;
}

#endif
