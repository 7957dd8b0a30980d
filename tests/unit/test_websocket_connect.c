/* SPDX-License-Identifier: MIT */
/*
 * test_websocket_connect.c – getting as far as a WebSocket: refusals, silence,
 * the next address, certificates.
 */
#include "tests/unit/websocket_client.h"

#include <sys/resource.h>

/* ---- not getting that far --------------------------------------------------- */

/* libwebsockets itself cannot begin; it said "Cannot allocate memory". */
static void
what_keeps_the_library_from_working_is_named(void **state)
{
	struct rlimit before, none;
	struct client client;

	(void)state;
	client_init(&client, 1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	client_open(&client);
	client_run(&client);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_true(client.closed);
	assert_int_equal(client.reason, WEBSOCKET_INTERNAL);
	assert_non_null(strstr(client.text, "/dev/urandom"));
	assert_non_null(strstr(client.text, "errno 24")); /* EMFILE */
	client_deinit(&client);
}

static void
a_refused_connection_names_the_address(void **state)
{
	struct client client;
	char text[128];
	uint16_t port = scripted_dead_port();

	(void)state;
	client_init(&client, port);
	client_open(&client);
	client_run(&client);
	assert_false(client.opened);
	assert_int_equal(client.reason, WEBSOCKET_REFUSED);
	snprintf(
	    text, sizeof(text), "127.0.0.1:%u refused the connection", port);
	assert_string_equal(client.text, text);
	client_deinit(&client);
}

static void
the_next_address_is_tried_after_a_refusal(void **state)
{
	struct scripted_server server;
	struct client client;

	(void)state;
	scripted_server_start(&server, serve_greeting, NULL);
	client_init(&client, scripted_dead_port());
	net_address_parse("127.0.0.1", server.port, &client.addresses[1]);
	client.config.address_count = 2;
	client.stop_after = 1;
	client_open(&client);
	client_run(&client);
	assert_string_equal(client.last, "hi");
	client_deinit(&client);
	assert_string_equal(scripted_server_stop(&server), "");
}

/* It accepts (the kernel does) and never says a word. */
static void
the_next_address_is_tried_when_the_first_stays_silent(void **state)
{
	static const char *const headers[] = {
	    "Authorization: Bearer secret", NULL};
	struct scripted_server server;
	struct client client;
	uint64_t begun = clock_now_ms();
	uint16_t port;
	int fd = scripted_listen(&port);

	(void)state;
	scripted_server_start(&server, serve_echo, NULL);
	client_init(&client, port);
	net_address_parse("127.0.0.1", server.port, &client.addresses[1]);
	client.config.address_count = 2;
	client.config.headers = headers;
	client.config.subprotocol = "ari";
	client.on_open = close_now;
	client_open(&client);
	client_run(&client);
	assert_true(client.opened);
	assert_int_equal(client.reason, WEBSOCKET_LOCAL);
	assert_true(clock_now_ms() - begun >= WEBSOCKET_ADDRESS_TRY_MS);
	client_deinit(&client);
	assert_string_equal(scripted_server_stop(&server), "");
	close(fd);
}

static void
a_silent_server_times_out(void **state)
{
	struct client client;
	uint16_t port;
	int fd = scripted_listen(&port);

	(void)state;
	client_init(&client, port);
	client.config.handshake_timeout_ms = 300;
	client_open(&client);
	client_run(&client);
	assert_int_equal(client.reason, WEBSOCKET_TIMEOUT);
	client_deinit(&client);
	close(fd);
}

static void
serve_refusals(struct scripted_conn *conn)
{
	static const char *const answers[] = {
	    "HTTP/1.1 401 Unauthorized\r\nContent-Length: 15\r\n"
	    "Content-Type: application/json\r\n\r\n{\"error\":\"key\"}",
	    "HTTP/1.1 429 Too Many Requests\r\nTransfer-Encoding: chunked\r\n"
	    "\r\n5\r\nquota\r\n3\r\n!\x1b!\r\n0\r\n\r\n",
	    "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
	    "Content-Length: 0\r\n\r\n",
	    "HTTP/1.0 503 Service Unavailable\r\n\r\nbusy",
	    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
	    "SSH-2.0-OpenSSH_9.2\r\n\r\n",
	    "",
	};

	if (!scripted_read_request(conn))
		return;
	scripted_print(conn, answers[conn->number % 7]);
}

static const struct {
	int status;
	const char *text;
	const char *body;
} refusals[] = {
    {401, "server answered 401 Unauthorized", "{\"error\":\"key\"}"},
    {429, "server answered 429 Too Many Requests", "quota!\x1b!"},
    {302, "server answered 302 Found", ""},
    {503, "server answered 503 Service Unavailable", "busy"},
    {101, "bad upgrade answer: Accept hash wrong", ""},
    {0, "connection closed without a proper answer", ""},
    {0, "connection closed without a proper answer", ""},
};

static void
an_answer_other_than_101_is_reported_with_its_body(void **state)
{
	struct scripted_server server;
	struct client client;

	(void)state;
	scripted_server_start(&server, serve_refusals, NULL);
	for (size_t i = 0; i < 7; i++) {
		client_init(&client, server.port);
		client_open(&client);
		client_run(&client);
		assert_false(client.opened);
		assert_int_equal(client.reason, WEBSOCKET_HANDSHAKE);
		assert_int_equal(client.status, refusals[i].status);
		assert_string_equal(client.text, refusals[i].text);
		assert_string_equal(client.body, refusals[i].body);
		client_deinit(&client);
	}
	assert_string_equal(scripted_server_stop(&server), "");
}

/* ---- TLS ------------------------------------------------------------------- */

static void
run_tls(const struct scripted_ca *server_ca, const char *names, long expires_s,
    const char *ca_file, struct client *client)
{
	SSL_CTX *tls = scripted_tls(server_ca, names, expires_s);
	struct scripted_server server;

	scripted_server_start(&server, serve_early_ping, tls);
	client_init(client, server.port);
	client->config.tls = true;
	client->config.plaintext_allowed = false;
	client->config.ca_file = ca_file;
	client_open(client);
	client_run(client);
	client_deinit(client);
	assert_string_equal(scripted_server_stop(&server), "");
	SSL_CTX_free(tls);
}

static void
tls_accepts_the_right_certificate_only(void **state)
{
	static const struct {
		const char *names;
		long expires_s;
		bool foreign;
		const char *text; /* NULL: accepted */
	} cases[] = {
	    {"DNS:localhost", 3600, false, NULL},
	    {"DNS:other.test", 3600, false, "hostname mismatch"},
	    {"IP:127.0.0.1", 3600, false, "hostname mismatch"},
	    {"DNS:localhost", -60, false, "certificate has expired"},
	    {"DNS:localhost", 3600, true,
		"unable to get local issuer certificate"},
	};
	struct scripted_ca ca;
	struct scripted_ca foreign;
	struct client client;

	(void)state;
	scripted_ca_make(&ca);
	scripted_ca_make(&foreign);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		run_tls(cases[i].foreign ? &foreign : &ca, cases[i].names,
		    cases[i].expires_s, ca.file, &client);
		if (!cases[i].text) {
			assert_true(client.opened);
			assert_string_equal(client.last, "greeting");
			assert_int_equal(client.status, 1001);
			continue;
		}
		assert_false(client.opened);
		assert_int_equal(client.reason, WEBSOCKET_TLS);
		assert_string_equal(client.text, cases[i].text);
	}
	/* The system's directory does not know this CA either. */
	run_tls(&ca, "DNS:localhost", 3600, NULL, &client);
	assert_int_equal(client.reason, WEBSOCKET_TLS);
	scripted_ca_free(&ca);
	scripted_ca_free(&foreign);
}

static void
serve_plain_answer(struct scripted_conn *conn)
{
	char buf[16];

	if (scripted_read(conn, buf, sizeof(buf)) > 0)
		scripted_print(conn, "HTTP/1.1 400 Bad Request\r\n\r\n");
}

static void
a_server_without_tls_is_named_as_such(void **state)
{
	struct scripted_server server;
	struct client client;

	(void)state;
	scripted_server_start(&server, serve_plain_answer, NULL);
	client_init(&client, server.port);
	client.config.tls = true;
	client.config.plaintext_allowed = false;
	client_open(&client);
	client_run(&client);
	assert_int_equal(client.reason, WEBSOCKET_TLS);
	assert_string_equal(client.text, "wrong version number");
	client_deinit(&client);
	assert_string_equal(scripted_server_stop(&server), "");
}

/* Two handshakes at once, and one context made during another's handshake. */
static void
two_tls_sockets_do_not_disturb_each_other(void **state)
{
	struct scripted_ca ca;
	struct scripted_server server[2];
	struct client client[2];
	SSL_CTX *tls;

	(void)state;
	scripted_ca_make(&ca);
	tls = scripted_tls(&ca, "DNS:localhost", 3600);
	for (int i = 0; i < 2; i++) {
		scripted_server_start(&server[i], serve_early_ping, tls);
		client_init(&client[i], server[i].port);
		client[i].config.tls = true;
		client[i].config.plaintext_allowed = false;
		client[i].config.ca_file = ca.file;
	}
	event_base_free(client[1].base);
	client[1].base = client[0].base;
	client_open(&client[0]);
	event_base_loop(client[0].base, EVLOOP_ONCE);
	client_open(&client[1]);
	while (!client[0].closed || !client[1].closed)
		client_run(&client[0]);
	for (int i = 0; i < 2; i++) {
		assert_string_equal(client[i].last, "greeting");
		assert_int_equal(client[i].status, 1001);
		assert_string_equal(scripted_server_stop(&server[i]), "");
		websocket_free(&client[i].ws);
	}
	event_base_free(client[0].base);
	SSL_CTX_free(tls);
	scripted_ca_free(&ca);
}

/* A numeric IPv6 host: brackets in Host:, none in the certificate, no SNI. */
static void
serve_ipv6_host(struct scripted_conn *conn)
{
	char value[64];

	if (!scripted_upgrade(conn, "", "\x81\x02hi", 4))
		return;
	scripted_header(conn, "Host", value, sizeof(value));
	if (strncmp(value, "[::1]:", 6) != 0)
		scripted_fail(conn, "Host: %s", value);
	if (conn->ssl && SSL_get_servername(conn->ssl, 0))
		scripted_fail(conn, "SNI with an address");
	scripted_drain(conn);
}

static void
a_numeric_ipv6_host_is_verified_as_such(void **state)
{
	static const char *const hosts[] = {"::1", "[::1]"};
	struct scripted_ca ca;
	struct scripted_server server;
	struct client client;
	SSL_CTX *tls;

	(void)state;
	scripted_ca_make(&ca);
	tls = scripted_tls(&ca, "IP:::1", 3600);
	scripted_server_start(&server, serve_ipv6_host, tls);
	for (int i = 0; i < 2; i++) {
		client_init(&client, server.port);
		client.config.host = hosts[i];
		client.config.tls = true;
		client.config.plaintext_allowed = false;
		client.config.ca_file = ca.file;
		client.stop_after = 1;
		client_open(&client);
		client_run(&client);
		assert_string_equal(client.last, "hi");
		client_deinit(&client);
	}
	assert_string_equal(scripted_server_stop(&server), "");
	SSL_CTX_free(tls);
	scripted_ca_free(&ca);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_keeps_the_library_from_working_is_named),
	    cmocka_unit_test(a_refused_connection_names_the_address),
	    cmocka_unit_test(the_next_address_is_tried_after_a_refusal),
	    cmocka_unit_test(
		the_next_address_is_tried_when_the_first_stays_silent),
	    cmocka_unit_test(a_silent_server_times_out),
	    cmocka_unit_test(
		an_answer_other_than_101_is_reported_with_its_body),
	    cmocka_unit_test(tls_accepts_the_right_certificate_only),
	    cmocka_unit_test(a_server_without_tls_is_named_as_such),
	    cmocka_unit_test(two_tls_sockets_do_not_disturb_each_other),
	    cmocka_unit_test(a_numeric_ipv6_host_is_verified_as_such),
	};

	signal(SIGPIPE, SIG_IGN);
	log_init("test", getenv("TEST_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
