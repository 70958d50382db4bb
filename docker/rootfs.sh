#!/usr/bin/env bash
# Usage: docker/rootfs.sh ROOT INSTALLED PROGRAM...
#
# Makes ROOT, all of an image's files: the programs out of the tree INSTALLED, the libraries that they load, the CA
# certificates, and two users. Of each package that a library is of, its licence and its entry for scanners of images
# (var/lib/dpkg/status.d) are there too. No shell, no package manager.
set -eu
root=$1 installed=$2
shift 2

# The files that a program loads, as the loader itself finds them, under the names that it asks for.
libraries() {
    local found
    found=$(ldd "$1")
    ! grep -F 'not found' <<<"$found" >&2 || return 1
    grep -oE '/[^ ]+' <<<"$found" | xargs realpath -s
}

add_library() {
    local file package
    install -D -m 755 "$1" "$root${1#"$installed"}"
    [ "$1" = "${1#"$installed"}" ] || return 0
    file=$(realpath "$1") # of /lib or, as newer packages name them, /usr/lib
    package=$(dpkg-query -S "$file" "${file#/usr}" 2>/dev/null | sed 's/[:,].*//;q')
    [ -n "$package" ] || { echo "$file is of no package" >&2 && return 1; }
    install -D -m 644 "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/copyright"
    dpkg-query -s "$package" >"$root/var/lib/dpkg/status.d/$package"
}

mkdir -p "$root"/{etc,tmp,var/lib/dpkg/status.d,usr/bin,usr/lib,usr/lib64}
chmod 1777 "$root/tmp"
ln -s usr/lib "$root/lib"
ln -s usr/lib64 "$root/lib64"
for program; do
    install -m 755 "$installed/usr/bin/$program" "$root/usr/bin/"
    files=$(libraries "$installed/usr/bin/$program")
    for file in $files; do
        add_library "$file"
    done
done
install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
install -D -m 644 LICENSE "$root/usr/share/doc/tilery/copyright"
printf '%s\n' root:x:0:0:root:/:/sbin/nologin tilery:x:65532:65532:tilery:/:/sbin/nologin >"$root/etc/passwd"
printf '%s\n' root:x:0: tilery:x:65532: >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
