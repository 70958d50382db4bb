#!/bin/sh
# Usage: certificates.sh FOLDER
#
# Makes the keys and certificates that the tests of TLS need: ca.crt, and by it server.crt for localhost, client.crt and
# expired.crt, which was good for a day in 2020; by another CA, other-ca.crt, stranger.crt. Each NAME.crt has its
# NAME.key.
set -eu
cd "$1"

cat >ca.conf <<'END'
[ca]
default_ca = any
[any]
database = index
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any_name
x509_extensions = names
[any_name]
commonName = supplied
[names]
subjectAltName = DNS:localhost
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
END

# NAME OPTION...: makes NAME.key, and what the options ask for.
request() {
    name=$1
    shift
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$name.key" -subj "/CN=$name" "$@" 2>/dev/null
}

issue() { # NAME CA END
    : >index
    request "$1" -out "$1.csr"
    openssl ca -batch -notext -config ca.conf -cert "$2.crt" -keyfile "$2.key" -in "$1.csr" -out "$1.crt" \
        -startdate 20200101000000Z -enddate "$3" 2>/dev/null
}

# What RFC 5280 wants of a CA, and Python looks at from 3.13 on.
for ca in ca other-ca; do
    request $ca -x509 -days 36500 -addext keyUsage=critical,keyCertSign,cRLSign -out $ca.crt
done
issue server ca 21000101000000Z
issue expired ca 20200102000000Z
issue client ca 21000101000000Z
issue stranger other-ca 21000101000000Z
chmod 600 ./*.key
