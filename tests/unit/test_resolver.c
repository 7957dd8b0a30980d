/* SPDX-License-Identifier: MIT */
/*
 * test_resolver.c – names to addresses, with a name server of our own.
 *
 * The name server is an evdns server on a loopback port in the same loop;
 * resolv.conf cannot name a port, so it binds 127.0.0.N:53 if the test may,
 * and those tests are skipped (and say so) if it may not.
 */
#include "common/resolver.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <event2/dns.h>
#include <event2/dns_struct.h>
#include <event2/event.h>
#include <netinet/in.h>

#include "common/clock.h"
#include "common/log.h"
#include "tests/unit/guarded_loop.h"

/* Unlikely to be anyone's; all of 127/8 is ours on Linux. */
#define SERVER_IP "127.53.71.9"

enum server_mode {
	SERVER_ANSWERS,
	SERVER_SILENT,
	SERVER_FAILS,
};

struct fixture {
	struct event_base *base;
	struct resolver *resolver;
	char dir[64];
	char resolv_conf[96];
	char hosts[96];
	int socket;
	struct evdns_server_port *server;
	enum server_mode mode;
	int questions;

	int answers;
	struct resolver_result last;
	char last_text[128];
};

static void
on_result(const struct resolver_result *result, void *arg)
{
	struct fixture *f = arg;

	f->answers++;
	f->last = *result;
	snprintf(f->last_text, sizeof(f->last_text), "%s", result->text);
	event_base_loopbreak(f->base);
}

static void
run(struct fixture *f)
{
	guarded_loop(f->base);
}

static void
write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void
on_question(struct evdns_server_request *request, void *arg)
{
	struct fixture *f = arg;
	const char *name = request->questions[0]->name;
	int type = request->questions[0]->type;
	uint32_t v4[2] = {htonl(0xc0000201), htonl(0x7f000001)};
	unsigned char v6[16] = {[15] = 1};
	int code = f->mode == SERVER_FAILS ? DNS_ERR_SERVERFAILED : 0;

	f->questions++;
	if (f->mode == SERVER_SILENT) {
		evdns_server_request_drop(request);
		return;
	}
	if (code == 0 && strcasecmp(name, "dual.test") == 0) {
		if (type == EVDNS_TYPE_A)
			evdns_server_request_add_a_reply(
			    request, name, 2, v4, 60);
		else
			evdns_server_request_add_aaaa_reply(
			    request, name, 1, v6, 60);
	} else if (code == 0) {
		code = DNS_ERR_NOTEXIST;
	}
	evdns_server_request_respond(request, code);
}

static void
start_server(struct fixture *f)
{
	struct sockaddr_in sin = {
	    .sin_family = AF_INET,
	    .sin_port = htons(53),
	};

	inet_pton(AF_INET, SERVER_IP, &sin.sin_addr);
	f->socket = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (bind(f->socket, (struct sockaddr *)&sin, sizeof(sin)) != 0) {
		close(f->socket);
		f->socket = -1;
		return;
	}
	f->server = evdns_add_server_port_with_base(
	    f->base, f->socket, 0, on_question, f);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct resolver_config config;

	snprintf(f->dir, sizeof(f->dir), "/tmp/test-resolver-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->resolv_conf, sizeof(f->resolv_conf), "%s/conf", f->dir);
	snprintf(f->hosts, sizeof(f->hosts), "%s/hosts", f->dir);
	write_file(f->resolv_conf,
	    "nameserver " SERVER_IP "\noptions timeout:1 attempts:2\n");
	write_file(
	    f->hosts, "192.0.2.7 pbx pbx.example\n::1 six\n127.0.0.1 six\n");
	f->base = event_base_new();
	start_server(f);
	config = (struct resolver_config){
	    .resolv_conf = f->resolv_conf,
	    .hosts = f->hosts,
	    .cache_ms = 1,
	};
	assert_int_equal(resolver_new(&f->resolver, f->base, &config), 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	resolver_free(&f->resolver);
	assert_null(f->resolver);
	for (int i = 0; i < 4; i++)
		event_base_loop(f->base, EVLOOP_NONBLOCK);
	if (f->server)
		evdns_close_server_port(f->server);
	if (f->socket >= 0)
		close(f->socket);
	event_base_free(f->base);
	unlink(f->resolv_conf);
	unlink(f->hosts);
	rmdir(f->dir);
	free(f);
	return 0;
}

static void
look_up(struct fixture *f, const char *host, unsigned int deadline_ms)
{
	int before = f->answers;
	uint64_t now = clock_now_ms();

	/* The last answer is to be older than the cache's 1 ms. */
	while (clock_now_ms() - now < 3)
		continue;
	assert_int_equal(resolver_lookup(f->resolver, host, 5060, deadline_ms,
			     on_result, f, NULL),
	    0);
	assert_int_equal(f->answers, before);
	run(f);
	assert_int_equal(f->answers, before + 1);
}

static void
need_server(struct fixture *f)
{
	if (!f->server) {
		print_message("skipped: may not bind " SERVER_IP ":53\n");
		skip();
	}
}

static void
numbers_are_answered_without_a_question(void **state)
{
	struct fixture *f = *state;

	look_up(f, "192.0.2.1", 1000);
	assert_int_equal(f->last.err, 0);
	assert_int_equal(f->last.count, 1);
	assert_string_equal(f->last.addresses[0].ip, "192.0.2.1");
	assert_int_equal(f->last.addresses[0].port, 5060);
	look_up(f, "[2001:DB8:0::1]", 1000);
	assert_string_equal(f->last.addresses[0].ip, "2001:db8::1");
	assert_int_equal(f->questions, 0);
}

static void
what_is_no_host_name_is_refused(void **state)
{
	struct fixture *f = *state;
	char longer[300];
	const char *const bad[] = {"", "a b", "a/b", "[::1", "ñ", longer};

	memset(longer, 'a', sizeof(longer));
	longer[254] = '\0';
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(resolver_lookup(f->resolver, bad[i], 1, 100,
				     on_result, f, NULL),
		    -EINVAL);
	}
	assert_int_equal(f->answers, 0);
}

static void
the_hosts_file_is_honoured_and_read_again_when_edited(void **state)
{
	struct fixture *f = *state;

	look_up(f, "pbx", 1000);
	assert_int_equal(f->last.err, 0);
	assert_string_equal(f->last.addresses[0].ip, "192.0.2.7");
	look_up(f, "six", 1000);
	assert_int_equal(f->last.count, 2);
	unlink(f->hosts);
	write_file(f->hosts, "192.0.2.8 pbx\n");
	look_up(f, "pbx", 1000);
	assert_string_equal(f->last.addresses[0].ip, "192.0.2.8");
	assert_int_equal(f->questions, 0);
}

static void
localhost_is_known_without_a_hosts_file(void **state)
{
	struct fixture *f = *state;

	unlink(f->hosts);
	look_up(f, "localhost", 1000);
	assert_int_equal(f->last.err, 0);
	assert_true(f->last.count > 0);
	for (size_t i = 0; i < f->last.count; i++)
		assert_true(strcmp(f->last.addresses[i].ip, "127.0.0.1") == 0 ||
			    strcmp(f->last.addresses[i].ip, "::1") == 0);
	assert_int_equal(f->questions, 0);
}

static void
both_families_are_asked_for_and_ordered(void **state)
{
	struct fixture *f = *state;

	need_server(f);
	look_up(f, "dual.test", 5000);
	assert_int_equal(f->last.err, 0);
	assert_int_equal(f->last.count, 3);
	/* ::1 first only where IPv6 is up at all */
	if (strcmp(f->last.addresses[0].ip, "::1") != 0)
		assert_string_equal(f->last.addresses[2].ip, "::1");
	look_up(f, "nowhere.test", 5000);
	assert_int_equal(f->last.err, -ENOENT);
	assert_string_equal(f->last_text, "no such host name");
}

/* Without the file evdns would ask this machine, which knows nothing. */
static void
a_file_that_cannot_be_read_changes_no_name_server(void **state)
{
	struct fixture *f = *state;

	need_server(f);
	look_up(f, "dual.test", 5000);
	assert_int_equal(f->last.err, 0);
	unlink(f->resolv_conf);
	look_up(f, "dual.test", 5000);
	assert_int_equal(f->last.err, 0);
	assert_false(f->last.stale);
}

static void
an_old_answer_serves_while_the_servers_do_not(void **state)
{
	struct fixture *f = *state;
	uint64_t begun;

	need_server(f);
	look_up(f, "dual.test", 5000);
	assert_false(f->last.stale);
	f->mode = SERVER_FAILS;
	look_up(f, "DUAL.test", 5000);
	assert_int_equal(f->last.err, 0);
	assert_true(f->last.stale);
	assert_int_equal(f->last.count, 3);
	assert_int_equal(f->last.addresses[2].port, 5060);
	look_up(f, "other.test", 5000);
	assert_true(f->last.err == -EIO || f->last.err == -ETIMEDOUT);
	f->mode = SERVER_SILENT;
	begun = clock_now_ms();
	look_up(f, "silent.test", 200);
	assert_int_equal(f->last.err, -ETIMEDOUT);
	assert_true(clock_now_ms() - begun >= 190);
	assert_true(clock_now_ms() - begun < 10000);
}

static void
a_cancelled_lookup_stays_silent(void **state)
{
	struct fixture *f = *state;
	const char *const hosts[] = {"192.0.2.1", "pbx", "dual.test"};
	struct resolver_request *request;

	f->mode = SERVER_SILENT;
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(resolver_lookup(f->resolver, hosts[i], 1, 1000,
				     on_result, f, &request),
		    0);
		assert_non_null(request);
		resolver_cancel(&request);
		assert_null(request);
		for (int j = 0; j < 3; j++)
			event_base_loop(f->base, EVLOOP_NONBLOCK);
	}
	/* One is left to resolver_free(). */
	assert_int_equal(resolver_lookup(f->resolver, "dual.test", 1, 1000,
			     on_result, f, &request),
	    0);
	assert_int_equal(f->answers, 0);
}

static void
addresses_are_parsed_formatted_and_judged(void **state)
{
	static const struct {
		const char *text;
		const char *formatted; /* NULL: refused */
		bool loopback;
	} cases[] = {
	    {"127.0.0.1", "127.0.0.1:80", true},
	    {"127.9.9.9", "127.9.9.9:80", true},
	    {"128.0.0.1", "128.0.0.1:80", false},
	    {"::1", "[::1]:80", true},
	    {"[::1]", "[::1]:80", true},
	    {"::ffff:127.0.0.1", "[::ffff:127.0.0.1]:80", true},
	    {"2001:db8::0:1", "[2001:db8::1]:80", false},
	    {"[127.0.0.1]", NULL, false},
	    {"127.1", NULL, false},
	    {"localhost", NULL, false},
	    {"fe80::1%eth0", NULL, false},
	    {"", NULL, false},
	    {"[]", NULL, false},
	};
	struct net_address address;
	char buf[NET_ADDRESS_FORMAT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int r = net_address_parse(cases[i].text, 80, &address);

		if (!cases[i].formatted) {
			assert_int_equal(r, -EINVAL);
			continue;
		}
		assert_int_equal(r, 0);
		net_address_format(&address, buf, sizeof(buf));
		assert_string_equal(buf, cases[i].formatted);
		assert_int_equal(
		    net_address_is_loopback(&address), cases[i].loopback);
	}
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(numbers_are_answered_without_a_question),
	    TEST(what_is_no_host_name_is_refused),
	    TEST(the_hosts_file_is_honoured_and_read_again_when_edited),
	    TEST(localhost_is_known_without_a_hosts_file),
	    TEST(both_families_are_asked_for_and_ordered),
	    TEST(a_file_that_cannot_be_read_changes_no_name_server),
	    TEST(an_old_answer_serves_while_the_servers_do_not),
	    TEST(a_cancelled_lookup_stays_silent),
	    cmocka_unit_test(addresses_are_parsed_formatted_and_judged),
	};
#undef TEST

	log_init("test", getenv("TEST_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
