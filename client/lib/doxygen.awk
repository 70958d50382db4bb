# Lets doxygen read the public headers, whose comments are plain: each one is documentation, a section's title a group.
# Lines stay where they are, for doxygen's messages.
FNR == 1 && $0 == "/*" { print "/** @file"; inside = 1; next }
/^\/\* ---- .* ---- \*\/$/ {
    gsub(/^\/\* ---- | ---- \*\/$/, "")
    print (group ? "/** @} */ " : "") "/** @name " $0 " */ /** @{ */"
    group = 1
    next
}
/^#ifdef __cplusplus$/ && group { print "/** @} */"; group = 0 }
{
    start = match($0, /\/\*( |$)/)
    if (start) {
        before = substr($0, 1, start - 1)
        rest = substr($0, start + 2)
        gsub(/</, "\\\\<", rest)
        $0 = before (before ~ /[^ ]/ ? "/**<" : "/**") rest
        inside = 1
    } else if (inside)
        gsub(/</, "\\\\<")
    if (/\*\//)
        inside = 0
    print
}
