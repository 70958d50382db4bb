# Sums up the log that ctest -V wrote, whose lines begin with a test program's number: each failed program's output, each
# reason to skip something, and the three counts as the last line. A failed program that counted no failure of its own, as
# it crashed, ran out of time or was not built, counts as one. Python leaves out of the tests that "Ran" those that a whole
# class or module skipped.
function count(name) {
    if (!match($0, name "[=: ]+[0-9]+")) return 0
    name = substr($0, RSTART, RLENGTH)
    gsub(/[^0-9]/, "", name)
    return name + 0
}
{ id = 0 }
$1 == "Start" && $2 ~ /^[0-9]+:$/ {
    id = $2 + 0
    again[id] = id in program
    program[id] = $3
    passes[id] = failures[id] = skips[id] = ran[id] = whole[id] = 0
    output[id] = reasons[id] = ""
}
$1 == "Test" && $NF == "sec" && / Passed / && again[$2 = substr($2, 2) + 0] {
    print "failed at first, and passed when it was run again: " program[$2]
}
match($0, /^ *[0-9]+: /) {
    id = $0 + 0
    $0 = substr($0, RLENGTH + 1)
    output[id] = output[id] $0 "\n"
}
id && /^[0-9]+%: Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+/ {
    bad = count("Failures") + count("Errors")
    passes[id] += count("Checks") - bad
    failures[id] += bad
}
id && /^setUp(Class|Module) \(.*\) \.\.\. skipped / { whole[id]++ }
id && /^Ran [0-9]+ tests? in / { ran[id] = count("Ran") + whole[id] + 0; whole[id] = 0 }
ran[id] && /^(OK|FAILED|NO TESTS RAN)( \(.*\))?$/ {
    gsub(/expected failures=[0-9]+/, "")
    bad = count("failures") + count("errors") + count("unexpected successes")
    passes[id] += ran[id] - bad - count("skipped")
    skips[id] += count("skipped")
    failures[id] += bad
    ran[id] = 0
}
id && /^# (pass|fail|cancelled|skipped) [0-9]+$/ {
    passes[id] += count("pass")
    failures[id] += count("fail") + count("cancelled")
    skips[id] += count("skipped")
}
id && match($0, /skipped(: .*| [\047"].*[\047"])( \(.*\))?$/) {
    reasons[id] = reasons[id] substr($0, RSTART) " (" program[id] ")\n"
}
/^The following tests FAILED:/ { listing = 1 }
listing && /^[ \t]+[0-9]+ - / {
    id = $1
    if (!failures[id]) failures[id] = 1
    printf "%s\n%s", $0, output[id]
}
END {
    for (id in program) {
        passed += passes[id]
        failed += failures[id]
        skipped += skips[id]
        printf "%s", reasons[id]
    }
    print passed + 0, failed + 0, skipped + 0
}
