#!/usr/bin/env python3
"""Runs a program under its unit's restrictions, as far as they can be had without systemd: confined.py UNIT COMMAND...

What the unit lets the kernel refuse is refused: system calls, families of addresses, capabilities, memory that is
written and run. What it hides of the file system is not hidden."""
import ctypes
import errno
import os
import resource
import socket
import subprocess
import sys

import seccomp

PR_SET_NO_NEW_PRIVS, PR_CAPBSET_DROP, PR_SET_MDWE = 38, 24, 65
LAST_CAPABILITY = 63


def settings(unit):
    with open(unit, encoding="utf-8") as file:
        pairs = [line.strip().split("=", 1) for line in file if "=" in line and not line.startswith("#")]
    return {key: [value for name, value in pairs if name == key] for key, _ in pairs}


def calls(group):
    """The system calls of a group of systemd's, and of the groups within."""
    listed = subprocess.run(["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True)
    names = [line.split()[0] for line in listed.stdout.splitlines()[1:] if line.strip() and "#" not in line]
    return {call for name in names for call in (calls(name) if name.startswith("@") else [name])}


def confine(unit):
    libc, wanted = ctypes.CDLL(None), settings(unit)
    allowed, *without = wanted["SystemCallFilter"]
    names = calls("@default") | calls(allowed)
    for groups in without:
        assert groups.startswith("~")
        names = names.difference(*map(calls, groups[1:].split()))
    families = [getattr(socket, name) for name in wanted["RestrictAddressFamilies"][0].split()]
    limit, = map(int, wanted["LimitNOFILE"])

    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    os.umask(int(wanted["UMask"][0], 8))
    assert wanted["CapabilityBoundingSet"] == [""] and wanted["NoNewPrivileges"] == ["yes"]
    for capability in range(LAST_CAPABILITY + 1):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    if wanted["MemoryDenyWriteExecute"] == ["yes"]:
        libc.prctl(PR_SET_MDWE, 1, 0, 0, 0)  # since Linux 6.3
    rules = seccomp.SyscallFilter(seccomp.ERRNO(getattr(errno, wanted["SystemCallErrorNumber"][0])))
    for name in sorted(names - {"socket"}):
        try:
            rules.add_rule(seccomp.ALLOW, name)
        except RuntimeError:  # of another machine, or newer than the library
            pass
    for family in families:
        rules.add_rule(seccomp.ALLOW, "socket", seccomp.Arg(0, seccomp.EQ, family))
    rules.load()


if __name__ == "__main__":
    confine(sys.argv[1])
    os.execvp(sys.argv[2], sys.argv[2:])
