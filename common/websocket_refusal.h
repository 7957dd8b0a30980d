/* SPDX-License-Identifier: MIT */
/*
 * websocket_refusal.h – an answer that is not 101, read past libwebsockets.
 *
 * Private to websocket_link.c. A connection's first answer is looked at
 * without taking it; only a refusal is then read, and whole.
 */
#ifndef COMMON_WEBSOCKET_REFUSAL_H
#define COMMON_WEBSOCKET_REFUSAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/types.h>

#include "common/websocket_answer.h"

enum {
	WEBSOCKET_REFUSAL_WAIT_MS = 1000, /* for the rest of its body */
};

enum websocket_look {
	LOOK_WAIT,    /* nothing yet, or too little to tell */
	LOOK_OTHER,   /* 101, noise, or the end: libwebsockets' business */
	LOOK_REFUSAL, /* read it with websocket_refusal_read() */
};

/* The socket is FD, non-blocking; SSL is its TLS layer or NULL. */
struct websocket_refusal {
	int fd;
	SSL *ssl;
	uint64_t begun_ms;
	char raw[WEBSOCKET_ANSWER_RAW_MAX];
	size_t raw_len;
	struct websocket_answer answer; /* what is known so far */
};

enum websocket_look websocket_refusal_look(int fd, SSL *ssl);

/* Zeroed memory, except for FD and SSL; NULL without memory. */
struct websocket_refusal *websocket_refusal_new(int fd, SSL *ssl);

/* Reads what there is; true when ANSWER is complete or time is up. */
bool websocket_refusal_read(struct websocket_refusal *refusal);

#endif
