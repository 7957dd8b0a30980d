/* SPDX-License-Identifier: MIT */
/*
 * websocket_refusal.c – peeking at a socket, and through TLS.
 *
 * A look at TLS takes a record off the socket, which then announces it no
 * more: whoever reads on must be told to (LOOK_OTHER means that).
 */
#include "common/websocket_refusal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "common/clock.h"

/* Bytes read or only looked at, 0 at the end, -EAGAIN, or -EIO. */
static ssize_t
read_plaintext(int fd, SSL *ssl, char *buf, size_t size, bool peek)
{
	ssize_t n;

	if (!ssl) {
		n = recv(fd, buf, size, peek ? MSG_PEEK : 0);
		if (n >= 0)
			return n;
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : -EIO;
	}
	ERR_clear_error();
	n = peek ? SSL_peek(ssl, buf, (int)size)
		 : SSL_read(ssl, buf, (int)size);
	if (n > 0)
		return n;
	switch (SSL_get_error(ssl, (int)n)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		return -EIO;
	}
}

/*
 * Too few bytes are waited for if more can be seen without reading these:
 * not through TLS, where a look shows no more than one record.
 */
enum websocket_look
websocket_refusal_look(int fd, SSL *ssl)
{
	char buf[WEBSOCKET_ANSWER_PREFIX];
	ssize_t n = read_plaintext(fd, ssl, buf, sizeof(buf), true);

	if (n == -EAGAIN)
		return LOOK_WAIT;
	if (n > 0 && n < (ssize_t)sizeof(buf) && !ssl)
		return LOOK_WAIT;
	if (n > 0 && websocket_answer_is_refusal(buf, (size_t)n))
		return LOOK_REFUSAL;
	return LOOK_OTHER;
}

struct websocket_refusal *
websocket_refusal_new(int fd, SSL *ssl)
{
	struct websocket_refusal *refusal = calloc(1, sizeof(*refusal));

	if (!refusal)
		return NULL;
	refusal->fd = fd;
	refusal->ssl = ssl;
	refusal->begun_ms = clock_now_ms();
	return refusal;
}

bool
websocket_refusal_read(struct websocket_refusal *refusal)
{
	bool whole = false;
	ssize_t n;

	do {
		n = read_plaintext(refusal->fd, refusal->ssl,
		    refusal->raw + refusal->raw_len,
		    sizeof(refusal->raw) - refusal->raw_len, false);
		if (n > 0)
			refusal->raw_len += (size_t)n;
		whole = websocket_answer_parse(refusal->raw, refusal->raw_len,
		    n == 0 || n == -EIO, &refusal->answer);
	} while (!whole && n > 0);
	return whole ||
	       clock_now_ms() - refusal->begun_ms >= WEBSOCKET_REFUSAL_WAIT_MS;
}
