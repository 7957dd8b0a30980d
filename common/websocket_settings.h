/* SPDX-License-Identifier: MIT */
/*
 * websocket_settings.h – a websocket_config checked, completed and copied.
 *
 * Private to websocket.c.
 */
#ifndef COMMON_WEBSOCKET_SETTINGS_H
#define COMMON_WEBSOCKET_SETTINGS_H

#include <stddef.h>

#include "common/net_address.h"
#include "common/tls.h"

struct websocket_config;

struct websocket_settings {
	struct net_address addresses[NET_ADDRESSES_MAX];
	size_t address_count;
	char host[TLS_HOST_SIZE]; /* as certificates know it, unbracketed */
	char *host_header;
	char *path;
	char *subprotocol; /* or NULL */
	char *name;
	char *headers; /* "Name: value\r\n…", not NUL-terminated; or NULL */
	size_t headers_len;
	unsigned int handshake_timeout_ms;
	unsigned int ping_interval_ms;
	unsigned int dead_peer_ms;
	size_t message_max;
	size_t queue_max;
	size_t droppable_max;
};

/* SETTINGS is zeroed by the caller and freed in any case. 0, -EINVAL, -ENOMEM. */
int websocket_settings_make(
    struct websocket_settings *settings, const struct websocket_config *config);

/* The headers, which hold a key, are no longer needed. */
void websocket_settings_wipe(struct websocket_settings *settings);

void websocket_settings_free(struct websocket_settings *settings);

#endif
