/* SPDX-License-Identifier: MIT */
/*
 * tls.h – the one place that makes a client SSL_CTX.
 *
 * TLS 1.2 or later, peer and host name always verified, trust either in one
 * CA file that the operator named or in the system's hashed directory, read
 * certificate by certificate when needed. No relative path, no environment
 * variable (SSL_CERT_FILE) and no library default can change that.
 */
#ifndef COMMON_TLS_H
#define COMMON_TLS_H

#include <stddef.h>

#include <openssl/types.h>

/* Debian's hashed directory (package ca-certificates). */
#define TLS_CA_DIRECTORY "/etc/ssl/certs"

/*
 * Makes a context that trusts the certificates in CA_FILE (PEM, absolute
 * path) and nothing else, or TLS_CA_DIRECTORY if CA_FILE is NULL. The caller
 * owns it: SSL_CTX_free(). Verification of the host name is armed by whoever
 * makes the connection (libwebsockets does). Returns 0, -EINVAL (relative
 * path), -ENOENT/-EACCES, -EBADMSG (no certificate in it) or -ENOMEM; the
 * reason is logged.
 */
int tls_client_context_new(SSL_CTX **ctx_out, const char *ca_file);

/*
 * Why the last verification in STORE failed, in words that an operator can
 * act on ("certificate has expired", "hostname mismatch"); the same words
 * for the same X509_V_ERR_ code.
 */
const char *tls_verify_error(const X509_STORE_CTX *store);

#endif
