# Adds up the results of all test targets: "426 passed, 0 failed, 3 skipped: no haproxy (2), no IPv6 (1)".
# Also writes that line to a file, with -v file=NAME.
# Fails if a test failed, if there was none, or, with -v skips=fail, if one was skipped.

/^test result: / {
    for (field = 2; field <= NF; field++) {
        if ($field == "passed;") passed += $(field - 1)
        if ($field == "failed;") failed += $(field - 1)
    }
}

/^test .* \.\.\. FAILED/ { failures[++named] = $2 }

/^test .* \.\.\. skipped: / {
    sub(/^.* \.\.\. skipped: /, "")
    if (!($0 in reasons)) order[++kinds] = $0
    reasons[$0]++
    skipped++
}

# The last line of `make test`: cargo itself may have failed, say because a target does not compile.
/^make: status / { status = $3 }

END {
    for (number = 1; number <= named; number++) print "failed: " failures[number]
    summary = passed + 0 " passed, " failed + 0 " failed"
    if (skipped) summary = summary ", " skipped " skipped"
    for (kind = 1; kind <= kinds; kind++) {
        summary = summary (kind == 1 ? ": " : ", ") order[kind] " (" reasons[order[kind]] ")"
    }
    print summary
    if (file) print summary > file
    exit status || failed || !passed || (skips == "fail" && skipped)
}
