/* SPDX-License-Identifier: MIT */
/*
 * scripted_server.h – the other end of a connection, for unit tests.
 *
 * One thread accepts one connection after the other and runs a script on
 * each: a plain function that reads and writes with blocking calls, with or
 * without TLS, well or badly behaved. A script's expectation that fails is
 * kept in the server and must be looked at by the test
 * (scripted_server_stop()). Certificates are made at run time.
 */
#ifndef TESTS_UNIT_SCRIPTED_SERVER_H
#define TESTS_UNIT_SCRIPTED_SERVER_H

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

enum {
	SCRIPTED_REQUEST_MAX = 8192,
	SCRIPTED_WAIT_S = 10, /* for each byte from the client */
};

struct scripted_server;

struct scripted_conn {
	struct scripted_server *server;
	int fd;
	SSL *ssl;
	int number; /* 0 for the first connection */
	char request[SCRIPTED_REQUEST_MAX];
	size_t request_len;
};

typedef void (*scripted_fn)(struct scripted_conn *conn);

struct scripted_server {
	int fd;
	uint16_t port;
	pthread_t thread;
	scripted_fn script;
	SSL_CTX *tls;
	int stop[2];       /* pipe, at its end when the test is over */
	char failure[256]; /* the first, or "" */
};

static inline void scripted_fail(struct scripted_conn *conn, const char *fmt,
    ...) __attribute__((format(printf, 2, 3)));

static inline void
scripted_fail(struct scripted_conn *conn, const char *fmt, ...)
{
	va_list ap;

	if (conn->server->failure[0])
		return;
	va_start(ap, fmt);
	vsnprintf(
	    conn->server->failure, sizeof(conn->server->failure), fmt, ap);
	va_end(ap);
}

/* Bytes read, 0 at the end, -1 on error or after SCRIPTED_WAIT_S. */
static inline ssize_t
scripted_read(struct scripted_conn *conn, void *buf, size_t size)
{
	if (conn->ssl)
		return SSL_read(conn->ssl, buf, (int)size);
	return recv(conn->fd, buf, size, 0);
}

static inline bool
scripted_read_all(struct scripted_conn *conn, void *buf, size_t len)
{
	char *p = buf;

	while (len > 0) {
		ssize_t n = scripted_read(conn, p, len);

		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

/* In one write, so that it arrives as one TLS record or segment. */
static inline void
scripted_write(struct scripted_conn *conn, const void *buf, size_t len)
{
	if (conn->ssl)
		SSL_write(conn->ssl, buf, (int)len);
	else
		send(conn->fd, buf, len, MSG_NOSIGNAL);
}

static inline void
scripted_print(struct scripted_conn *conn, const char *text)
{
	scripted_write(conn, text, strlen(text));
}

/* Reads until the empty line; the body, if any, is left unread. */
static inline bool
scripted_read_request(struct scripted_conn *conn)
{
	conn->request_len = 0;
	while (conn->request_len < sizeof(conn->request) - 1) {
		if (scripted_read(conn, conn->request + conn->request_len, 1) !=
		    1)
			return false;
		conn->request[++conn->request_len] = '\0';
		if (strstr(conn->request, "\r\n\r\n"))
			return true;
	}
	return false;
}

/* The value of a request header, in BUF, "" if absent. */
static inline const char *
scripted_header(
    struct scripted_conn *conn, const char *name, char *buf, size_t size)
{
	char key[64];
	const char *p;
	size_t len;

	buf[0] = '\0';
	snprintf(key, sizeof(key), "\r\n%s: ", name);
	p = strcasestr(conn->request, key);
	if (!p)
		return buf;
	p += strlen(key);
	len = strcspn(p, "\r");
	snprintf(buf, size, "%.*s", (int)len, p);
	return buf;
}

/* RFC 6455 4.2.2, with TAIL (frames) in the same write as the answer. */
static inline bool
scripted_upgrade(struct scripted_conn *conn, const char *extra_header,
    const void *tail, size_t tail_len)
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	unsigned char digest[SHA_DIGEST_LENGTH];
	unsigned char accept[64];
	char key[64];
	char joined[128];
	char answer[16384];
	int n;

	if (!scripted_read_request(conn)) {
		scripted_fail(conn, "no upgrade request");
		return false;
	}
	scripted_header(conn, "Sec-WebSocket-Key", key, sizeof(key));
	n = snprintf(joined, sizeof(joined), "%s%s", key, guid);
	SHA1((const unsigned char *)joined, (size_t)n, digest);
	EVP_EncodeBlock(accept, digest, sizeof(digest));
	n = snprintf(answer, sizeof(answer),
	    "HTTP/1.1 101 Switching Protocols\r\n"
	    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: %s\r\n%s\r\n",
	    (const char *)accept, extra_header);
	if (tail_len > 0)
		memcpy(answer + n, tail, tail_len);
	scripted_write(conn, answer, (size_t)n + tail_len);
	return true;
}

/* Puts an unmasked frame into BUF (room for LEN + 10); returns its length. */
static inline size_t
scripted_make_frame(
    unsigned char *buf, unsigned int first, const void *data, size_t len)
{
	size_t n = 0;

	buf[n++] = (unsigned char)first;
	if (len < 126) {
		buf[n++] = (unsigned char)len;
	} else if (len < 65536) {
		buf[n++] = 126;
		buf[n++] = (unsigned char)(len >> 8);
		buf[n++] = (unsigned char)len;
	} else {
		buf[n++] = 127;
		for (int shift = 56; shift >= 0; shift -= 8)
			buf[n++] =
			    (unsigned char)((unsigned long long)len >> shift);
	}
	if (len > 0)
		memcpy(buf + n, data, len);
	return n + len;
}

static inline void
scripted_frame(struct scripted_conn *conn, unsigned int first, const void *data,
    size_t len)
{
	unsigned char *buf = malloc(len + 10);

	scripted_write(conn, buf, scripted_make_frame(buf, first, data, len));
	free(buf);
}

/*
 * Reads one frame of the client, which must be masked (RFC 6455 5.1).
 * Returns its opcode (with FIN as 0x80), or -1; data is NUL-terminated.
 */
static inline int
scripted_read_frame(
    struct scripted_conn *conn, char *buf, size_t size, size_t *len_out)
{
	unsigned char head[14];
	unsigned char mask[4];
	unsigned long long len;

	if (!scripted_read_all(conn, head, 2))
		return -1;
	if (!(head[1] & 0x80)) {
		scripted_fail(conn, "unmasked frame");
		return -1;
	}
	len = head[1] & 0x7f;
	if (len >= 126) {
		size_t bytes = len == 126 ? 2 : 8;

		if (!scripted_read_all(conn, head + 2, bytes))
			return -1;
		len = 0;
		for (size_t i = 0; i < bytes; i++)
			len = len << 8 | head[2 + i];
	}
	if (len >= size || !scripted_read_all(conn, mask, 4) ||
	    !scripted_read_all(conn, buf, (size_t)len))
		return -1;
	for (size_t i = 0; i < len; i++)
		buf[i] = (char)(buf[i] ^ mask[i & 3]);
	buf[len] = '\0';
	if (len_out)
		*len_out = (size_t)len;
	return head[0];
}

/* Waits for the client to go away, discarding what it sends. */
static inline void
scripted_drain(struct scripted_conn *conn)
{
	char buf[4096];

	while (scripted_read(conn, buf, sizeof(buf)) > 0)
		continue;
}

/* Sits there, deaf and dumb, until the test stops the server. */
static inline void
scripted_wait_stop(struct scripted_conn *conn)
{
	char byte;

	while (read(conn->server->stop[0], &byte, 1) > 0)
		continue;
}

static inline void
scripted_serve(struct scripted_server *server, int fd, int number)
{
	const struct timeval wait = {.tv_sec = SCRIPTED_WAIT_S};
	struct scripted_conn conn = {
	    .server = server, .fd = fd, .number = number};
	int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (server->tls) {
		conn.ssl = SSL_new(server->tls);
		SSL_set_fd(conn.ssl, fd);
		if (SSL_accept(conn.ssl) == 1)
			server->script(&conn);
		SSL_shutdown(conn.ssl);
		SSL_free(conn.ssl);
	} else {
		server->script(&conn);
	}
	close(fd);
}

static inline void *
scripted_thread(void *arg)
{
	struct scripted_server *server = arg;

	for (int number = 0;; number++) {
		int fd = accept(server->fd, NULL, NULL);

		if (fd < 0)
			return NULL;
		scripted_serve(server, fd, number);
	}
}

/* A listening socket on 127.0.0.1 that nobody accepts from. */
static inline int
scripted_listen(uint16_t *port_out)
{
	struct sockaddr_in sin = {
	    .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0 ||
	    listen(fd, 8) != 0 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) != 0)
		abort();
	*port_out = ntohs(sin.sin_port);
	return fd;
}

/* A port on which connections are refused. */
static inline uint16_t
scripted_dead_port(void)
{
	uint16_t port;

	close(scripted_listen(&port));
	return port;
}

static inline void
scripted_server_start(
    struct scripted_server *server, scripted_fn script, SSL_CTX *tls)
{
	*server = (struct scripted_server){.script = script, .tls = tls};
	server->fd = scripted_listen(&server->port);
	if (pipe(server->stop) != 0 ||
	    pthread_create(&server->thread, NULL, scripted_thread, server))
		abort();
}

/* Returns the first failed expectation of a script, or "". */
static inline const char *
scripted_server_stop(struct scripted_server *server)
{
	shutdown(server->fd, SHUT_RDWR);
	close(server->stop[1]);
	pthread_join(server->thread, NULL);
	close(server->stop[0]);
	close(server->fd);
	return server->failure;
}

/* ---- certificates -------------------------------------------------------- */

struct scripted_ca {
	char file[64]; /* PEM, in /tmp */
	EVP_PKEY *key;
	X509 *cert;
};

static inline void
scripted_add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	X509_add_ext(cert, extension, -1);
	X509_EXTENSION_free(extension);
}

/* NAMES: subjectAltName ("DNS:localhost"), or NULL for a CA. */
static inline X509 *
scripted_make_cert(EVP_PKEY *key, const char *common_name, const char *names,
    long expires_s, X509 *issuer, EVP_PKEY *issuer_key)
{
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);
	static long serial = 1;

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
	X509_gmtime_adj(X509_getm_notBefore(cert), -7200);
	X509_gmtime_adj(X509_getm_notAfter(cert), expires_s);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)common_name, -1, -1, 0);
	X509_set_issuer_name(
	    cert, X509_get_subject_name(issuer ? issuer : cert));
	X509_set_pubkey(cert, key);
	if (names) {
		scripted_add_extension(
		    cert, issuer, NID_subject_alt_name, names);
	} else {
		scripted_add_extension(
		    cert, cert, NID_basic_constraints, "critical,CA:TRUE");
	}
	X509_sign(cert, issuer_key ? issuer_key : key, EVP_sha256());
	return cert;
}

static inline void
scripted_ca_make(struct scripted_ca *ca)
{
	FILE *file;

	snprintf(ca->file, sizeof(ca->file), "/tmp/test-ca-XXXXXX");
	file = fdopen(mkstemp(ca->file), "w");
	if (!file)
		abort();
	ca->key = EVP_EC_gen("P-256");
	/* Its file name makes the CA's name unique. */
	ca->cert =
	    scripted_make_cert(ca->key, ca->file, NULL, 86400, NULL, NULL);
	PEM_write_X509(file, ca->cert);
	fclose(file);
}

static inline void
scripted_ca_free(struct scripted_ca *ca)
{
	unlink(ca->file);
	X509_free(ca->cert);
	EVP_PKEY_free(ca->key);
}

/* A server context with a certificate of CA for NAMES. */
static inline SSL_CTX *
scripted_tls(const struct scripted_ca *ca, const char *names, long expires_s)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = scripted_make_cert(
	    key, "server", names, expires_s, ca->cert, ca->key);

	SSL_CTX_use_certificate(ctx, cert);
	SSL_CTX_use_PrivateKey(ctx, key);
	X509_free(cert);
	EVP_PKEY_free(key);
	return ctx;
}

#endif
