# What help2man does not see of --help's headings, after the last of which come the options of the program itself.
s/^\.SS "Exit status:"$/.SH "EXIT STATUS"/
/^\.IP$/ {
    N
    s/^\.IP\n\(What is computed\|How it is [a-z]*\):$/.SS "\1:"/
    t heading
}
/^\.TP$/ {
    N
    /\n\\-?/ {
        G
        s/^\.TP\n\(.*\)\n\.SS .*$/.SS "Of the program itself:"\n.TP\n\1/
        s/\n$//
    }
}
b
: heading
h
