/* SPDX-License-Identifier: MIT */
/*
 * resolver.c – evdns with a memory.
 *
 * Invariant: every request on the list has its timer armed, and the timer's
 * callback is the only place that answers: with the answer, when there is
 * one, or with the deadline's. evdns may call back from inside its own
 * functions, and still does after a cancel: a cancelled query lives on without
 * its request, and evdns with its resolver, until the last has called back.
 */
#include "common/resolver.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/util.h>
#include <netdb.h>
#include <netinet/in.h>

#include "common/clock.h"
#include "common/log.h"

enum {
	CACHE_MS = 60 * 1000,
	STALE_MS = 24 * 3600 * 1000,
	CACHE_MAX = 64, /* names; the oldest answer goes */
	HOST_MAX = 253, /* RFC 1035 2.3.4, without the final dot */
};

struct cached_name {
	TAILQ_ENTRY(cached_name) entry;
	char host[HOST_MAX + 1];
	uint64_t answered_ms;
	size_t count;
	struct net_address addresses[NET_ADDRESSES_MAX]; /* port 0 */
};

/* What evdns knows of a request. */
struct query {
	struct resolver *resolver;
	struct resolver_request *request;        /* NULL once cancelled */
	struct evdns_getaddrinfo_request *evdns; /* NULL before and after */
};

struct resolver_request {
	TAILQ_ENTRY(resolver_request) entry;
	struct resolver *resolver;
	char host[HOST_MAX + 1];
	uint16_t port;
	resolver_fn fn;
	void *arg;
	struct query *query; /* NULL when none is running */
	struct event timer;
	bool answered; /* else the timer means the deadline */
	struct resolver_result result;
};

/* Which version of a file evdns has read. */
struct file_version {
	struct timespec mtime;
	ino_t inode;
};

struct resolver {
	struct event_base *base;
	struct evdns_base *dns;
	char *resolv_conf;
	char *hosts;
	struct file_version resolv_conf_version;
	struct file_version hosts_version;
	unsigned int cache_ms;
	unsigned int stale_ms;
	unsigned int queries; /* evdns still owes us a callback */
	bool orphaned;        /* freed, but for those */
	TAILQ_HEAD(, resolver_request) requests;
	TAILQ_HEAD(cache_list, cached_name) cache; /* newest answer first */
	size_t cache_count;
};

/* ---- evdns's configuration ------------------------------------------------ */

static struct file_version
get_version(const char *path)
{
	struct stat st;
	struct file_version version = {.inode = 0};

	if (path[0] && stat(path, &st) == 0) {
		version.mtime = st.st_mtim;
		version.inode = st.st_ino;
	}
	return version;
}

static bool
is_same_version(const struct file_version *a, const struct file_version *b)
{
	return a->inode == b->inode && a->mtime.tv_sec == b->mtime.tv_sec &&
	       a->mtime.tv_nsec == b->mtime.tv_nsec;
}

static void
on_evdns_log(int is_warning, const char *text)
{
	(void)is_warning; /* what matters of it is in our own results */
	log_debug("evdns says text=\"%s\"", text);
}

static int
start_evdns(struct resolver *resolver)
{
	struct evdns_base *dns;
	int r;

	evdns_set_log_fn(on_evdns_log); /* else to stderr */
	dns = evdns_base_new(resolver->base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (!dns)
		return -ENOMEM;
	/* Before the file, whose "options" line may say otherwise. */
	evdns_base_set_option(dns, "timeout:", "2");
	evdns_base_set_option(dns, "attempts:", "3");
	evdns_base_set_option(dns, "getaddrinfo-allow-skew:", "1");
	resolver->resolv_conf_version = get_version(resolver->resolv_conf);
	resolver->hosts_version = get_version(resolver->hosts);
	r = evdns_base_resolv_conf_parse(dns,
	    DNS_OPTION_SEARCH | DNS_OPTION_NAMESERVERS | DNS_OPTION_MISC,
	    resolver->resolv_conf);
	if (r)
		log_warn("name servers cannot be read file=%s code=%d",
		    resolver->resolv_conf, r);
	/* Where there is none, as in a bare chroot, evdns knows localhost. */
	if (resolver->hosts[0] && evdns_base_load_hosts(dns, resolver->hosts) &&
	    resolver->hosts_version.inode != 0)
		log_warn("hosts cannot be read file=%s", resolver->hosts);
	resolver->dns = dns;
	return 0;
}

static bool
is_readable(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/*
 * An edited file counts from the next lookup that finds evdns at rest. One
 * that is gone, or that a wall hides, does not: without any name server evdns
 * would ask this machine.
 */
static int
refresh_evdns(struct resolver *resolver)
{
	struct file_version conf = get_version(resolver->resolv_conf);
	struct file_version hosts = get_version(resolver->hosts);
	struct evdns_base *old = resolver->dns;
	int r;

	if (resolver->queries > 0 ||
	    (is_same_version(&conf, &resolver->resolv_conf_version) &&
		is_same_version(&hosts, &resolver->hosts_version)))
		return 0;
	if (!is_readable(resolver->resolv_conf)) {
		log_info("name servers have changed, asking those known so "
			 "far file=%s error=%s",
		    resolver->resolv_conf, strerror(errno));
		resolver->resolv_conf_version = conf;
		resolver->hosts_version = hosts;
		return 0;
	}
	log_info("name servers or hosts have changed, reading them again");
	r = start_evdns(resolver);
	if (r == 0)
		evdns_base_free(old, 0);
	return r;
}

/* ---- the cache ------------------------------------------------------------- */

static struct cached_name *
find_cached(struct resolver *resolver, const char *host)
{
	struct cached_name *name;

	TAILQ_FOREACH(name, &resolver->cache, entry) {
		if (strcasecmp(name->host, host) == 0)
			return name;
	}
	return NULL;
}

static void
forget(struct resolver *resolver, struct cached_name *name)
{
	TAILQ_REMOVE(&resolver->cache, name, entry);
	resolver->cache_count--;
	free(name);
}

static void
remember(struct resolver *resolver, const char *host,
    const struct resolver_result *result)
{
	struct cached_name *name = find_cached(resolver, host);

	if (name)
		forget(resolver, name);
	if (resolver->cache_count >= CACHE_MAX)
		forget(resolver, TAILQ_LAST(&resolver->cache, cache_list));
	name = calloc(1, sizeof(*name));
	if (!name)
		return; /* an answer less to remember */
	snprintf(name->host, sizeof(name->host), "%s", host);
	name->answered_ms = clock_now_ms();
	name->count = result->count;
	memcpy(name->addresses, result->addresses, sizeof(name->addresses));
	TAILQ_INSERT_HEAD(&resolver->cache, name, entry);
	resolver->cache_count++;
}

static void
use_cached(struct resolver_request *request, const struct cached_name *name)
{
	struct resolver_result *result = &request->result;

	result->err = 0;
	result->count = name->count;
	memcpy(result->addresses, name->addresses, sizeof(result->addresses));
}

/* ---- answers ---------------------------------------------------------------- */

/* Whether the kernel would know where to send; no packet is sent. */
static bool
has_route(const struct sockaddr *sa, socklen_t len)
{
	int fd = socket(sa->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool routed;

	if (fd < 0)
		return false;
	routed = connect(fd, sa, len) == 0;
	close(fd);
	return routed;
}

static bool
is_known(const struct resolver_result *result, const char *ip)
{
	for (size_t i = 0; i < result->count; i++) {
		if (strcmp(result->addresses[i].ip, ip) == 0)
			return true;
	}
	return false;
}

static void
add_address(struct resolver_result *result, const struct sockaddr *sa)
{
	struct net_address *address = &result->addresses[result->count];
	char ip[NET_ADDRESS_IP_SIZE];
	const void *bytes;

	if (sa->sa_family == AF_INET)
		bytes =
		    &((const struct sockaddr_in *)(const void *)sa)->sin_addr;
	else
		bytes =
		    &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
	if (result->count == NET_ADDRESSES_MAX ||
	    !inet_ntop(sa->sa_family, bytes, ip, sizeof(ip)) ||
	    is_known(result, ip))
		return;
	memcpy(address->ip, ip, sizeof(ip));
	address->port = 0;
	result->count++;
}

/*
 * RFC 6724's rules 1 and 6 in short: what cannot be reached last, IPv6 before
 * IPv4, otherwise as the server said.
 */
static void
add_addresses(struct resolver_result *result, const struct addrinfo *list)
{
	static const struct {
		int family;
		bool routed;
	} passes[] = {
	    {AF_INET6, true},
	    {AF_INET, true},
	    {AF_INET, false},
	    {AF_INET6, false},
	};

	for (size_t i = 0; i < sizeof(passes) / sizeof(*passes); i++) {
		for (const struct addrinfo *ai = list; ai; ai = ai->ai_next) {
			if (ai->ai_family == passes[i].family &&
			    has_route(ai->ai_addr, ai->ai_addrlen) ==
				passes[i].routed)
				add_address(result, ai->ai_addr);
		}
	}
}

static int
map_error(int code)
{
	switch (code) {
	case EVUTIL_EAI_NONAME:
	case EVUTIL_EAI_NODATA:
		return -ENOENT;
	case EVUTIL_EAI_AGAIN: /* no server answered */
		return -ETIMEDOUT;
	case EVUTIL_EAI_MEMORY:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

static const char *
error_text(int err)
{
	switch (err) {
	case -ENOENT:
		return "no such host name";
	case -ETIMEDOUT:
		return "no answer from the name servers";
	case -ENOMEM:
		return "no memory";
	default:
		return "the name servers failed";
	}
}

/* The lookup has failed; an old answer is better than none. */
static void
fail_request(struct resolver_request *request, int err)
{
	struct resolver *resolver = request->resolver;
	struct cached_name *name = find_cached(resolver, request->host);
	struct resolver_result *result = &request->result;

	result->err = err;
	result->text = error_text(err);
	if (name && clock_now_ms() - name->answered_ms <= resolver->stale_ms) {
		use_cached(request, name);
		result->stale = true;
		log_warn("using an old address of a host host=%s why=\"%s\"",
		    request->host, result->text);
	}
	request->answered = true;
}

static void
destroy(struct resolver *resolver)
{
	if (resolver->dns)
		evdns_base_free(resolver->dns, 0);
	free(resolver->resolv_conf);
	free(resolver->hosts);
	free(resolver);
}

static void
on_last_query(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	destroy(arg);
}

static void
free_query(struct query *query)
{
	struct resolver *resolver = query->resolver;

	free(query);
	/* Not from inside evdns's own callback. */
	if (--resolver->queries == 0 && resolver->orphaned)
		event_base_once(resolver->base, -1, EV_TIMEOUT, on_last_query,
		    resolver, NULL);
}

static void
on_evdns(int code, struct evutil_addrinfo *list, void *arg)
{
	struct query *query = arg;
	struct resolver_request *request = query->request;

	free_query(query);
	if (!request) { /* cancelled */
		if (list)
			evutil_freeaddrinfo(list);
		return;
	}
	request->query = NULL;
	if (code == 0)
		add_addresses(&request->result, list);
	if (list)
		evutil_freeaddrinfo(list);
	if (request->result.count > 0) {
		request->answered = true;
		remember(request->resolver, request->host, &request->result);
	} else {
		fail_request(request, code ? map_error(code) : -ENOENT);
	}
	event_active(&request->timer, EV_TIMEOUT, 0);
}

/* ---- requests ---------------------------------------------------------------- */

static void
cancel_query(struct resolver_request *request)
{
	struct query *query = request->query;

	if (!query)
		return;
	request->query = NULL;
	query->request = NULL; /* its callback frees it */
	evdns_getaddrinfo_cancel(query->evdns);
}

static void
free_request(struct resolver_request *request)
{
	event_del(&request->timer);
	cancel_query(request);
	TAILQ_REMOVE(&request->resolver->requests, request, entry);
	free(request);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct resolver_request *request = arg;
	struct resolver_result result;
	resolver_fn fn = request->fn;
	void *fn_arg = request->arg;

	(void)fd;
	(void)what;
	if (!request->answered)
		fail_request(request, -ETIMEDOUT);
	result = request->result;
	for (size_t i = 0; i < result.count; i++)
		result.addresses[i].port = request->port;
	free_request(request);
	fn(&result, fn_arg);
}

static int
start_query(struct resolver_request *request)
{
	const struct evutil_addrinfo hints = {
	    .ai_family = PF_UNSPEC,
	    .ai_socktype = SOCK_STREAM,
	};
	struct resolver *resolver = request->resolver;
	struct evdns_getaddrinfo_request *evdns;
	struct query *query;
	int r = refresh_evdns(resolver);

	if (r)
		return r;
	query = calloc(1, sizeof(*query));
	if (!query)
		return -ENOMEM;
	query->resolver = resolver;
	query->request = request;
	request->query = query;
	resolver->queries++;
	evdns = evdns_getaddrinfo(
	    resolver->dns, request->host, NULL, &hints, on_evdns, query);
	if (evdns)
		query->evdns = evdns;
	else /* on_evdns() has run */
		assert(!request->query && request->answered);
	return 0;
}

static bool
is_host_name(const char *host)
{
	size_t len = strlen(host);

	if (len == 0 || len > HOST_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)host[i]) && !strchr("-._", host[i]))
			return false;
	}
	return true;
}

static void
arm(struct resolver_request *request, unsigned int ms)
{
	const struct timeval wait = {
	    .tv_sec = ms / 1000,
	    .tv_usec = (suseconds_t)(ms % 1000) * 1000,
	};

	event_add(&request->timer, &wait);
}

/* Answers from what is known; returns whether that was possible. */
static bool
answer_at_once(struct resolver_request *request, const char *host)
{
	struct resolver *resolver = request->resolver;
	struct resolver_result *result = &request->result;
	const struct cached_name *name;

	if (net_address_parse(host, 0, &result->addresses[0]) == 0) {
		result->count = 1;
		request->answered = true;
		return true;
	}
	name = find_cached(resolver, host);
	if (name && clock_now_ms() - name->answered_ms <= resolver->cache_ms) {
		use_cached(request, name);
		request->answered = true;
		return true;
	}
	return false;
}

int
resolver_lookup(struct resolver *resolver, const char *host, uint16_t port,
    unsigned int deadline_ms, resolver_fn fn, void *arg,
    struct resolver_request **request_out)
{
	struct net_address numeric;
	struct resolver_request *request;
	int r;

	if (request_out)
		*request_out = NULL;
	if (net_address_parse(host, 0, &numeric) != 0 && !is_host_name(host))
		return -EINVAL;
	request = calloc(1, sizeof(*request));
	if (!request)
		return -ENOMEM;
	request->resolver = resolver;
	snprintf(request->host, sizeof(request->host), "%s", host);
	request->port = port;
	request->fn = fn;
	request->arg = arg;
	request->result.text = "";
	event_assign(&request->timer, resolver->base, -1, 0, on_timer, request);
	TAILQ_INSERT_TAIL(&resolver->requests, request, entry);
	if (answer_at_once(request, host)) {
		event_active(&request->timer, EV_TIMEOUT, 0);
	} else {
		arm(request, deadline_ms);
		r = start_query(request);
		if (r) {
			free_request(request);
			return r;
		}
	}
	if (request_out)
		*request_out = request;
	return 0;
}

void
resolver_cancel(struct resolver_request **requestp)
{
	struct resolver_request *request = *requestp;

	*requestp = NULL;
	if (request)
		free_request(request);
}

int
resolver_new(struct resolver **resolver_out, struct event_base *base,
    const struct resolver_config *config)
{
	static const struct resolver_config defaults = {0};
	struct resolver *resolver = calloc(1, sizeof(*resolver));
	int r = -ENOMEM;

	*resolver_out = NULL;
	if (!resolver)
		return -ENOMEM;
	if (!config)
		config = &defaults;
	TAILQ_INIT(&resolver->requests);
	TAILQ_INIT(&resolver->cache);
	resolver->base = base;
	resolver->cache_ms = config->cache_ms ? config->cache_ms : CACHE_MS;
	resolver->stale_ms = config->stale_ms ? config->stale_ms : STALE_MS;
	resolver->resolv_conf = strdup(
	    config->resolv_conf ? config->resolv_conf : "/etc/resolv.conf");
	resolver->hosts = strdup(config->hosts ? config->hosts : "/etc/hosts");
	if (!resolver->resolv_conf || !resolver->hosts)
		goto fail;
	r = start_evdns(resolver);
	if (r)
		goto fail;
	*resolver_out = resolver;
	return 0;
fail:
	resolver_free(&resolver);
	return r;
}

void
resolver_free(struct resolver **resolverp)
{
	struct resolver *resolver = *resolverp;

	*resolverp = NULL;
	if (!resolver)
		return;
	while (!TAILQ_EMPTY(&resolver->requests))
		free_request(TAILQ_FIRST(&resolver->requests));
	while (!TAILQ_EMPTY(&resolver->cache))
		forget(resolver, TAILQ_FIRST(&resolver->cache));
	if (resolver->queries > 0)
		resolver->orphaned = true;
	else
		destroy(resolver);
}
