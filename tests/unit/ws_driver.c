/* SPDX-License-Identifier: MIT */
/*
 * ws_driver.c – one WebSocket client as a process, for tests in Python.
 *
 *   ws_driver IP:PORT[,IP:PORT…] HOST PATH CA_FILE|plain PING_S DEAD_S
 *
 * A message "send COUNT SIZE" makes it send COUNT numbered messages of SIZE
 * bytes, one every 20 ms, as a call's uplink does; every other message counts
 * towards a SHA-256 over all of them. Lines on stdout: "open", "sent", and at
 * the end one JSON object.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <openssl/evp.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/websocket.h"

enum {
	TICK_MS = 20,
	SIZE_MAX_SENT = 1 << 19,
};

struct driver {
	struct event_base *base;
	struct websocket *ws;
	struct event *tick;
	EVP_MD_CTX *digest;
	unsigned long received;
	unsigned long bytes;
	unsigned int to_send;
	unsigned int sent;
	unsigned int size;
	uint64_t begun_ms;
	uint64_t opened_ms;
};

static void
say(const char *line)
{
	puts(line);
	fflush(stdout);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct driver *driver = arg;
	static char message[SIZE_MAX_SENT];
	int n;

	(void)fd;
	(void)what;
	n = snprintf(message, sizeof(message), "%u ", driver->sent);
	memset(message + n, 'a', driver->size - (size_t)n);
	if (websocket_send_text(driver->ws, message, driver->size)) {
		event_del(driver->tick);
		say("full");
		return;
	}
	if (++driver->sent == driver->to_send) {
		event_del(driver->tick);
		say("sent");
	}
}

static void
on_open(struct websocket *ws, void *arg)
{
	struct driver *driver = arg;

	(void)ws;
	driver->opened_ms = clock_now_ms();
	say("open");
}

static void
on_message(struct websocket *ws, const char *data, size_t len, bool is_binary,
    void *arg)
{
	struct driver *driver = arg;
	const struct timeval wait = {.tv_usec = TICK_MS * 1000};

	(void)ws;
	(void)is_binary;
	if (sscanf(data, "send %u %u", &driver->to_send, &driver->size) == 2) {
		if (driver->size < 16 || driver->size > SIZE_MAX_SENT)
			exit(2);
		event_add(driver->tick, &wait);
		return;
	}
	driver->received++;
	driver->bytes += len;
	EVP_DigestUpdate(driver->digest, data, len);
}

static void
print_quoted(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		if ((unsigned char)*text < 0x20)
			printf("\\u%04x", (unsigned int)*text);
		else
			putchar(*text);
	}
	putchar('"');
}

static void
on_close(struct websocket *ws, const struct websocket_closed *closed, void *arg)
{
	struct driver *driver = arg;
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int digest_len;

	(void)ws;
	EVP_DigestFinal_ex(driver->digest, digest, &digest_len);
	printf("{\"reason\": \"%s\", \"status\": %d, \"text\": ",
	    websocket_reason_name(closed->reason), closed->status);
	print_quoted(closed->text);
	printf(", \"body\": ");
	print_quoted(closed->body);
	printf(", \"received\": %lu, \"bytes\": %lu, \"sent\": %u, "
	       "\"open_ms\": %llu, \"sha256\": \"",
	    driver->received, driver->bytes, driver->sent,
	    driver->opened_ms
		? (unsigned long long)(driver->opened_ms - driver->begun_ms)
		: 0);
	for (unsigned int i = 0; i < digest_len; i++)
		printf("%02x", digest[i]);
	say("\"}");
	event_base_loopbreak(driver->base);
}

static size_t
parse_addresses(char *list, struct net_address *out)
{
	size_t count = 0;

	for (char *p = strtok(list, ","); p; p = strtok(NULL, ",")) {
		char *colon = strrchr(p, ':');

		if (!colon || count == NET_ADDRESSES_MAX)
			exit(2);
		*colon = '\0';
		if (net_address_parse(
			p, (uint16_t)atoi(colon + 1), &out[count++]))
			exit(2);
	}
	return count;
}

int
main(int argc, char **argv)
{
	struct net_address addresses[NET_ADDRESSES_MAX];
	struct driver driver = {.begun_ms = clock_now_ms()};
	struct websocket_config config = {
	    .addresses = addresses,
	    .callbacks = {on_open, on_message, on_close},
	    .arg = &driver,
	};
	int r;

	if (argc != 7) {
		fprintf(stderr, "usage: see the source\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	log_init("ws_driver", LOG_LEVEL_DEBUG);
	config.address_count = parse_addresses(argv[1], addresses);
	config.host = argv[2];
	config.path = argv[3];
	config.plaintext_allowed = strcmp(argv[4], "plain") == 0;
	config.tls = !config.plaintext_allowed;
	config.ca_file = config.tls ? argv[4] : NULL;
	config.ping_interval_s = (unsigned int)atoi(argv[5]);
	config.dead_peer_s = (unsigned int)atoi(argv[6]);
	driver.base = event_base_new();
	driver.tick = event_new(driver.base, -1, EV_PERSIST, on_tick, &driver);
	driver.digest = EVP_MD_CTX_new();
	EVP_DigestInit_ex(driver.digest, EVP_sha256(), NULL);
	r = websocket_open(&driver.ws, driver.base, &config);
	if (r) {
		fprintf(stderr, "websocket_open: %s\n", strerror(-r));
		return 1;
	}
	event_base_dispatch(driver.base);
	websocket_free(&driver.ws);
	event_free(driver.tick);
	EVP_MD_CTX_free(driver.digest);
	event_base_free(driver.base);
	return 0;
}
