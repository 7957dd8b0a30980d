/* SPDX-License-Identifier: MIT */
/* test_http_client.c – the HTTP client against good and bad servers. */
#include "common/http_client.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <event2/event.h>

#include "common/clock.h"
#include "common/log.h"
#include "tests/unit/guarded_loop.h"
#include "tests/unit/scripted_server.h"

struct fixture {
	struct event_base *base;
	struct http_client *client;
	char url[128];
	struct http_request_config config;
	struct http_request *request;
	int pending; /* callbacks still to come before the loop is left */

	int answers;
	enum http_result result;
	int status;
	char body[4096];
	size_t body_len;
	char content_type[64];
	long retry_after_s;
	char error[600];
	unsigned int elapsed_ms;

	void (*then)(struct fixture *f); /* inside the callback */
};

static void
on_response(const struct http_response *response, void *arg)
{
	struct fixture *f = arg;

	f->answers++;
	f->result = response->result;
	f->status = response->status;
	f->body_len = response->body_len;
	assert_int_equal(response->body[response->body_len], '\0');
	snprintf(f->body, sizeof(f->body), "%s", response->body);
	snprintf(f->content_type, sizeof(f->content_type), "%s",
	    response->content_type);
	f->retry_after_s = response->retry_after_s;
	snprintf(f->error, sizeof(f->error), "%s", response->error);
	f->elapsed_ms = response->elapsed_ms;
	assert_int_equal(response->result == HTTP_OK, !response->error[0]);
	f->request = NULL;
	if (f->then)
		f->then(f);
	if (--f->pending <= 0)
		event_base_loopbreak(f->base);
}

static void
run(struct fixture *f)
{
	guarded_loop(f->base);
}

static void
init(struct fixture *f, const char *scheme, uint16_t port,
    const struct http_client_config *config)
{
	memset(f, 0, sizeof(*f));
	f->base = event_base_new();
	assert_int_equal(http_client_new(&f->client, f->base, config), 0);
	snprintf(f->url, sizeof(f->url), "%s://127.0.0.1:%u/ari/channels?x=1",
	    scheme, port);
	f->config.url = f->url;
}

static void
deinit(struct fixture *f)
{
	http_client_free(&f->client);
	assert_null(f->client);
	event_base_free(f->base);
}

static int
start(struct fixture *f)
{
	int r =
	    http_request(f->client, &f->request, &f->config, on_response, f);

	if (r == 0)
		f->pending++;
	assert_int_equal(f->request == NULL, r != 0);
	return r;
}

static void
ask(struct fixture *f)
{
	int before = f->answers;

	assert_int_equal(start(f), 0);
	assert_int_equal(f->answers, before);
	run(f);
	assert_int_equal(f->answers, before + 1);
	assert_int_equal(http_client_pending(f->client), 0);
}

/* ---- answers --------------------------------------------------------------- */

/* Says what it was asked, for ever, on one connection. */
static void
serve_mirror(struct scripted_conn *conn)
{
	char value[256];
	char body[1024];
	char answer[4096];

	while (scripted_read_request(conn)) {
		size_t len = strtoul(scripted_header(conn, "Content-Length",
					 value, sizeof(value)),
		    NULL, 10);
		int line = (int)strcspn(conn->request, "\r");

		if (len >= sizeof(body) || !scripted_read_all(conn, body, len))
			return;
		body[len] = '\0';
		scripted_header(conn, "Authorization", value, sizeof(value));
		snprintf(answer, sizeof(answer), "%d|%.*s|%s|%s", conn->number,
		    line, conn->request, value, body);
		scripted_header(conn, "X-Test", value, sizeof(value));
		snprintf(body, sizeof(body),
		    "HTTP/1.1 %s\r\nContent-Type: text/plain\r\n"
		    "Retry-After: 7\r\nContent-Length: %zu\r\n\r\n",
		    value[0] ? value : "200 OK", strlen(answer));
		scripted_print(conn, body);
		scripted_print(conn, answer);
	}
}

static void
requests_share_a_connection_and_carry_what_they_should(void **state)
{
	static const char *const headers[] = {"X-Test: 404 Not Found", NULL};
	struct scripted_server server;
	struct fixture f;

	(void)state;
	scripted_server_start(&server, serve_mirror, NULL);
	init(&f, "http", server.port, NULL);
	ask(&f);
	assert_int_equal(f.result, HTTP_OK);
	assert_int_equal(f.status, 200);
	assert_string_equal(f.body, "0|GET /ari/channels?x=1 HTTP/1.1||");
	assert_string_equal(f.content_type, "text/plain");
	assert_int_equal(f.retry_after_s, 7);

	f.config.user = "asterisk";
	f.config.password = "pass:word";
	f.config.body = "{\"a\":1}";
	f.config.body_len = 7;
	ask(&f);
	assert_string_equal(f.body, "0|POST /ari/channels?x=1 HTTP/1.1|"
				    "Basic YXN0ZXJpc2s6cGFzczp3b3Jk|{\"a\":1}");

	f.config.method = "DELETE";
	f.config.body = NULL;
	f.config.user = NULL;
	f.config.headers = headers;
	ask(&f);
	assert_int_equal(f.status, 404);
	assert_int_equal(f.result, HTTP_OK);
	assert_string_equal(f.body, "0|DELETE /ari/channels?x=1 HTTP/1.1||");

	f.config.method = "POST";
	f.config.headers = NULL;
	ask(&f);
	assert_string_equal(f.body, "0|POST /ari/channels?x=1 HTTP/1.1||");
	deinit(&f);
	assert_string_equal(scripted_server_stop(&server), "");
}

static void
serve_oddities(struct scripted_conn *conn)
{
	static const char *const answers[] = {
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
	    "HTTP/1.1 204 No Content\r\n\r\n",
	    "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
	    "Content-Length: 0\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
	    "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
	    "HTTP/1.0 200 OK\r\n\r\n",
	    "220 mail.example ESMTP\r\n",
	    "",
	};
	static char large[5000];

	memset(large, 'L', sizeof(large));
	if (!scripted_read_request(conn))
		return;
	scripted_print(conn, answers[conn->number]);
	if (conn->number == 5)
		scripted_write(conn, large, sizeof(large));
}

static void
odd_answers_have_their_own_results(void **state)
{
	static const struct {
		enum http_result result;
		int status;
		const char *body;
	} expected[] = {
	    {HTTP_OK, 200, "abcde"},
	    {HTTP_OK, 204, ""},
	    {HTTP_OK, 302, ""},
	    {HTTP_BROKEN, 200, "short"},
	    {HTTP_TOO_LARGE, 200, ""}, /* announced */
	    {HTTP_TOO_LARGE, 200, NULL},
	    {HTTP_BROKEN, 0, ""},
	    {HTTP_BROKEN, 0, ""},
	};
	struct scripted_server server;
	struct fixture f;
	char where[64];

	(void)state;
	scripted_server_start(&server, serve_oddities, NULL);
	init(&f, "http", server.port, NULL);
	snprintf(where, sizeof(where), "127.0.0.1:%u ", server.port);
	f.config.response_max = 4000;
	for (size_t i = 0; i < 8; i++) {
		ask(&f);
		assert_int_equal(f.result, expected[i].result);
		assert_int_equal(f.status, expected[i].status);
		assert_true(f.body_len <= 4000);
		if (expected[i].body)
			assert_string_equal(f.body, expected[i].body);
		if (f.result != HTTP_OK)
			assert_memory_equal(f.error, where, strlen(where));
	}
	deinit(&f);
	assert_string_equal(scripted_server_stop(&server), "");
}

/* ---- no answer -------------------------------------------------------------- */

static void
a_refused_connection_is_a_sentence(void **state)
{
	struct fixture f;
	char text[128];
	uint16_t port = scripted_dead_port();

	(void)state;
	init(&f, "http", port, NULL);
	ask(&f);
	assert_int_equal(f.result, HTTP_REFUSED);
	snprintf(
	    text, sizeof(text), "127.0.0.1:%u refused the connection", port);
	assert_string_equal(f.error, text);
	deinit(&f);
}

static void
the_deadline_counts_waiting_for_a_connection(void **state)
{
	const struct http_client_config one = {.connections_max = 1};
	struct fixture f;
	uint16_t port;
	int fd = scripted_listen(&port);
	uint64_t begun = clock_now_ms();

	(void)state;
	init(&f, "http", port, &one);
	f.config.deadline_ms = 300;
	for (int i = 0; i < 3; i++)
		assert_int_equal(start(&f), 0);
	assert_int_equal(http_client_pending(f.client), 3);
	run(&f);
	assert_int_equal(f.answers, 3);
	assert_int_equal(f.result, HTTP_TIMEOUT);
	assert_true(clock_now_ms() - begun >= 290);
	assert_true(f.elapsed_ms >= 290);
	assert_non_null(strstr(f.error, "did not answer within"));
	deinit(&f);
	close(fd);
}

static void
no_more_connections_than_allowed(void **state)
{
	const struct http_client_config two = {
	    .connections_max = 1, .requests_max = 5};
	struct scripted_server server;
	struct fixture f;

	(void)state;
	scripted_server_start(&server, serve_mirror, NULL);
	init(&f, "http", server.port, &two);
	for (int i = 0; i < 5; i++)
		assert_int_equal(start(&f), 0);
	assert_int_equal(start(&f), -EBUSY);
	run(&f);
	assert_int_equal(f.answers, 5);
	assert_int_equal(f.body[0], '0'); /* still the first connection */
	deinit(&f);
	assert_string_equal(scripted_server_stop(&server), "");
}

/* ---- cancelling, freeing ------------------------------------------------------ */

static void
a_cancelled_request_stays_silent(void **state)
{
	struct scripted_server server;
	struct fixture f;

	(void)state;
	scripted_server_start(&server, serve_mirror, NULL);
	init(&f, "http", server.port, NULL);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(start(&f), 0);
		for (int j = 0; j < i; j++)
			event_base_loop(f.base, EVLOOP_ONCE);
		if (f.request)
			http_request_cancel(&f.request);
		assert_null(f.request);
	}
	f.pending = 0;
	f.answers = 0;
	ask(&f);
	assert_int_equal(f.result, HTTP_OK);
	/* One is left to http_client_free(). */
	assert_int_equal(start(&f), 0);
	deinit(&f);
	assert_string_equal(scripted_server_stop(&server), "");
}

static void
ask_again(struct fixture *f)
{
	if (f->answers < 3)
		assert_int_equal(start(f), 0);
}

static void
free_client(struct fixture *f)
{
	http_client_free(&f->client);
	f->pending = 0;
}

static void
callbacks_may_ask_again_and_may_free_the_client(void **state)
{
	struct scripted_server server;
	struct fixture f;

	(void)state;
	scripted_server_start(&server, serve_mirror, NULL);
	init(&f, "http", server.port, NULL);
	f.then = ask_again;
	assert_int_equal(start(&f), 0);
	run(&f);
	assert_int_equal(f.answers, 3);
	f.then = free_client;
	assert_int_equal(start(&f), 0);
	assert_int_equal(start(&f), 0);
	run(&f);
	assert_int_equal(f.answers, 4);
	assert_null(f.client);
	event_base_loop(f.base, EVLOOP_NONBLOCK);
	event_base_free(f.base);
	assert_string_equal(scripted_server_stop(&server), "");
}

/* ---- TLS, names ----------------------------------------------------------------- */

static void
ask_tls(struct fixture *f, const struct scripted_ca *ca, const char *names,
    long expires_s, const char *ca_file)
{
	const struct http_client_config config = {.ca_file = ca_file};
	SSL_CTX *tls = scripted_tls(ca, names, expires_s);
	struct net_address addresses[2];
	struct scripted_server server;

	scripted_server_start(&server, serve_mirror, tls);
	init(f, "https", server.port, &config);
	snprintf(f->url, sizeof(f->url), "https://service.test:%u/health",
	    server.port);
	/* The first refuses: nothing listens on 127.0.0.2. */
	net_address_parse("127.0.0.2", 1, &addresses[0]);
	net_address_parse("127.0.0.1", 1, &addresses[1]);
	f->config.addresses = addresses;
	f->config.address_count = 2;
	f->config.resolve_forbidden = true;
	f->config.plaintext_forbidden = true;
	ask(f);
	deinit(f);
	assert_string_equal(scripted_server_stop(&server), "");
	SSL_CTX_free(tls);
}

static void
tls_is_verified_and_given_addresses_are_used(void **state)
{
	struct scripted_ca ca;
	struct scripted_ca foreign;
	struct fixture f;

	(void)state;
	scripted_ca_make(&ca);
	scripted_ca_make(&foreign);
	ask_tls(&f, &ca, "DNS:service.test", 3600, ca.file);
	assert_int_equal(f.result, HTTP_OK);
	assert_string_equal(f.body, "0|GET /health HTTP/1.1||");
	ask_tls(&f, &ca, "DNS:other.test", 3600, ca.file);
	assert_int_equal(f.result, HTTP_TLS);
	assert_non_null(strstr(f.error, "service.test"));
	ask_tls(&f, &ca, "DNS:service.test", -60, ca.file);
	assert_int_equal(f.result, HTTP_TLS);
	assert_non_null(strstr(f.error, "certificate has expired"));
	ask_tls(&f, &foreign, "DNS:service.test", 3600, ca.file);
	assert_int_equal(f.result, HTTP_TLS);
	ask_tls(&f, &ca, "DNS:service.test", 3600, NULL);
	assert_int_equal(f.result, HTTP_TLS);
	scripted_ca_free(&ca);
	scripted_ca_free(&foreign);
}

static void
proxies_in_the_environment_are_ignored(void **state)
{
	struct scripted_server server;
	struct fixture f;

	(void)state;
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	scripted_server_start(&server, serve_mirror, NULL);
	init(&f, "http", server.port, NULL);
	ask(&f);
	assert_int_equal(f.result, HTTP_OK);
	deinit(&f);
	assert_string_equal(scripted_server_stop(&server), "");
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
}

/* ---- what is refused at once ------------------------------------------------------ */

static void
bad_requests_are_refused(void **state)
{
	static const char *const split[] = {"A: b\r\nC: d", NULL};
	struct fixture f;
	const struct http_request_config good = {.url = "http://127.0.0.1/"};
	struct http_client *client;
	struct http_client_config config = {.ca_file = "ca.pem"};

	(void)state;
	init(&f, "http", 1, NULL);
#define REFUSED(field, value)                                                  \
	do {                                                                   \
		f.config = good;                                               \
		f.config.field = value;                                        \
		assert_int_equal(start(&f), -EINVAL);                          \
		assert_int_equal(http_client_pending(f.client), 0);            \
	} while (0)
	REFUSED(url, "not a url");
	REFUSED(url, "ftp://127.0.0.1/");
	REFUSED(url, "file:///etc/passwd");
	REFUSED(url, "http://user:secret@127.0.0.1/");
	REFUSED(method, "get");
	REFUSED(method, "GET /\r\n");
	REFUSED(method, "");
	REFUSED(headers, split);
	REFUSED(user, "a:b");
	REFUSED(plaintext_forbidden, true);
	f.config = good;
	f.config.url = "http://name.test/";
	f.config.resolve_forbidden = true;
	assert_int_equal(start(&f), -EINVAL);
#undef REFUSED
	assert_int_equal(http_client_new(&client, f.base, &config), -EINVAL);
	config.ca_file = "/nonexistent";
	assert_int_equal(http_client_new(&client, f.base, &config), -ENOENT);
	deinit(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		requests_share_a_connection_and_carry_what_they_should),
	    cmocka_unit_test(odd_answers_have_their_own_results),
	    cmocka_unit_test(a_refused_connection_is_a_sentence),
	    cmocka_unit_test(the_deadline_counts_waiting_for_a_connection),
	    cmocka_unit_test(no_more_connections_than_allowed),
	    cmocka_unit_test(a_cancelled_request_stays_silent),
	    cmocka_unit_test(callbacks_may_ask_again_and_may_free_the_client),
	    cmocka_unit_test(tls_is_verified_and_given_addresses_are_used),
	    cmocka_unit_test(proxies_in_the_environment_are_ignored),
	    cmocka_unit_test(bad_requests_are_refused),
	};

	signal(SIGPIPE, SIG_IGN);
	log_init("test", getenv("TEST_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
