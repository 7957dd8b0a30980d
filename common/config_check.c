/* SPDX-License-Identifier: MIT */
/* config_check.c – checks settings against each other and this machine. */
#include "common/config_check.h"

#include "common/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZONEINFO "/usr/share/zoneinfo"

struct check {
	struct config *config;
	struct config_problems *problems;
};

/* Names that end up in a dialplan, a URL or a file name. */
static void
check_name(struct check *check, const char *key, const char *value)
{
	static const char allowed[] = "._-";

	for (const char *c = value; *c != '\0'; c++) {
		if (isalnum((unsigned char)*c) || strchr(allowed, *c) != NULL)
			continue;
		config_problem(check->problems, true,
		    "%s: \"%.40s\" may contain only letters, digits, '.', "
		    "'_' and '-'",
		    key, value);
		return;
	}
}

static void
check_ca_file(struct check *check, const char *key, const char *path)
{
	struct stat st;

	if (path[0] == '\0')
		return;
	if (path[0] != '/')
		config_problem(check->problems, true,
		    "%s: %s must be an absolute path", key, path);
	else if (stat(path, &st) < 0 || access(path, R_OK) < 0)
		config_problem(check->problems, true,
		    "%s: %s cannot be read: %s", key, path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		config_problem(check->problems, true,
		    "%s: %s is not a regular file", key, path);
}

/* Whether TEXT is the numeric address of an interface of this machine. */
static bool
is_address_of(const struct sockaddr *sa, const char *text)
{
	union {
		struct in_addr in;
		struct in6_addr in6;
	} a;

	if (sa->sa_family == AF_INET && inet_pton(AF_INET, text, &a.in) == 1) {
		struct sockaddr_in sin;

		memcpy(&sin, sa, sizeof(sin));
		return sin.sin_addr.s_addr == a.in.s_addr;
	}
	if (sa->sa_family == AF_INET6 &&
	    inet_pton(AF_INET6, text, &a.in6) == 1) {
		struct sockaddr_in6 sin6;

		memcpy(&sin6, sa, sizeof(sin6));
		return IN6_ARE_ADDR_EQUAL(&sin6.sin6_addr, &a.in6);
	}
	return false;
}

static bool
is_own_address(const char *text)
{
	struct ifaddrs *list;
	bool found = false;

	if (getifaddrs(&list) < 0)
		return false;
	for (const struct ifaddrs *i = list; i != NULL && !found;
	     i = i->ifa_next)
		found = i->ifa_addr != NULL && is_address_of(i->ifa_addr, text);
	freeifaddrs(list);
	return found;
}

bool
config_asterisk_is_safe(const struct config *config)
{
	const char *host = config->asterisk_host;

	return config->asterisk_tls || config->asterisk_allow_plain_http ||
	       url_host_is_loopback(host) || is_own_address(host);
}

static void
check_asterisk(struct check *check)
{
	const struct config *config = check->config;
	const char *host = config->asterisk_host;

	if (!url_host_is_valid(host))
		config_problem(check->problems, true,
		    "ASTERISK_HOST: \"%.80s\" is neither a host name nor an "
		    "address; without http:// and port",
		    host);
	else if (!config_asterisk_is_safe(config))
		config_problem(check->problems, true,
		    "ASTERISK_HOST: the password would cross the network to "
		    "%s in the clear: set ASTERISK_TLS=yes (http.conf: "
		    "tlsenable), or ASTERISK_ALLOW_PLAIN_HTTP=yes if that "
		    "network is trusted",
		    host);
	if (strchr(config->asterisk_username, ':') != NULL)
		config_problem(check->problems, true,
		    "ASTERISK_USERNAME: a user name cannot contain ':'");
	check_ca_file(check, "ASTERISK_CA_FILE", config->asterisk_ca_file);
	check_name(check, "ARI_APP", config->ari_app);
	check_name(check, "FALLBACK_CONTEXT", config->fallback_context);
	if (config->fallback_sound[0] != '\0' &&
	    strchr(config->fallback_sound, ':') == NULL)
		config_problem(check->problems, true,
		    "FALLBACK_SOUND: \"%.80s\" is not a media URI, such as "
		    "sound:telefonista-sin-servicio",
		    config->fallback_sound);
}

static void
check_local_address(struct check *check)
{
	const char *text = check->config->local_ip_address;
	struct in6_addr in6 = IN6ADDR_ANY_INIT;
	struct in_addr in = {.s_addr = htonl(INADDR_ANY)};
	bool numeric = inet_pton(AF_INET, text, &in) == 1 ||
		       inet_pton(AF_INET6, text, &in6) == 1;

	if (text[0] == '\0')
		return;
	if (!numeric)
		config_problem(check->problems, true,
		    "LOCAL_IP_ADDRESS: \"%s\" is not a numeric address; "
		    "leave it out and it is found by itself",
		    text);
	else if ((in.s_addr == htonl(INADDR_ANY) &&
		     IN6_IS_ADDR_UNSPECIFIED(&in6)) ||
		 IN_MULTICAST(ntohl(in.s_addr)) || IN6_IS_ADDR_MULTICAST(&in6))
		config_problem(check->problems, true,
		    "LOCAL_IP_ADDRESS: Asterisk cannot send to %s; leave it "
		    "out and it is found by itself",
		    text);
	else if (!is_own_address(text))
		config_problem(check->problems, false,
		    "LOCAL_IP_ADDRESS: no interface of this machine has %s; "
		    "callers will hear nothing unless a NAT forwards the RTP "
		    "ports",
		    text);
}

static void
check_ports(struct check *check)
{
	const struct config *config = check->config;
	long ports = config->rtp_port_max - config->rtp_port_min + 1;

	if (ports < 1)
		config_problem(check->problems, true,
		    "RTP_PORT_MIN: %ld is above RTP_PORT_MAX, %ld",
		    config->rtp_port_min, config->rtp_port_max);
	else if (ports < config->max_calls)
		config_problem(check->problems, true,
		    "RTP_PORT_MIN, RTP_PORT_MAX: %ld ports are too few for "
		    "MAX_CALLS, %ld: one port for each call",
		    ports, config->max_calls);
	else if (ports < 2 * config->max_calls)
		config_problem(check->problems, false,
		    "RTP_PORT_MIN, RTP_PORT_MAX: %ld ports for %ld calls "
		    "leave little choice when others use some: twice as many "
		    "are better",
		    ports, config->max_calls);
}

static void
check_openai(struct check *check)
{
	const struct config *config = check->config;
	const char *why;
	struct url url;

	if (url_parse(config->openai_realtime_url, &url, &why) < 0) {
		config_problem(
		    check->problems, true, "OPENAI_REALTIME_URL: %s", why);
		return;
	}
	if (url.scheme[0] != 'w')
		config_problem(check->problems, true,
		    "OPENAI_REALTIME_URL: it must begin with wss://");
	else if (!url.tls && !url_host_is_loopback(url.host))
		config_problem(check->problems, true,
		    "OPENAI_REALTIME_URL: ws:// is not encrypted and allowed "
		    "only to a loopback address: use wss://");
	if (url.has_query)
		config_problem(check->problems, true,
		    "OPENAI_REALTIME_URL: leave out what follows the '?'; "
		    "the model is OPENAI_REALTIME_MODEL");
	check_ca_file(check, "OPENAI_CA_FILE", config->openai_ca_file);
}

static void
check_mikrotik(struct check *check)
{
	char *text = check->config->mikrotik_api_url;
	const char *why = "it must begin with http:// or https://";
	struct url url;

	if (!check->config->enable_mikrotik_tools)
		return;
	for (size_t len = strlen(text); len > 0 && text[len - 1] == '/'; len--)
		text[len - 1] = '\0';
	if (text[0] == '\0') {
		config_problem(check->problems, false,
		    "MIKROTIK_API_URL is not set: the voice cannot query "
		    "routers; ENABLE_MIKROTIK_TOOLS=no if that is meant");
		return;
	}
	if (url_parse(text, &url, &why) == 0 && url.scheme[0] == 'h' &&
	    !url.has_query)
		return;
	if (*why == '\0')
		why = url.has_query ? "it must not contain a '?'"
				    : "it must begin with http:// or https://";
	config_problem(check->problems, false,
	    "MIKROTIK_API_URL: %s; the voice cannot query routers", why);
	text[0] = '\0';
}

static void
check_timezone(struct check *check)
{
	char *zone = check->config->timezone;
	char path[sizeof(ZONEINFO) + CONFIG_TEXT_MAX];
	struct stat st;

	snprintf(path, sizeof(path), ZONEINFO "/%s", zone);
	if (zone[0] != '/' && zone[0] != ':' && strstr(zone, "..") == NULL &&
	    stat(path, &st) == 0 && S_ISREG(st.st_mode))
		return;
	if (access(ZONEINFO "/UTC", F_OK) != 0)
		config_problem(check->problems, true,
		    "TIMEZONE: this machine knows no time zones: apt install "
		    "tzdata");
	else
		config_problem(check->problems, true,
		    "TIMEZONE: \"%.60s\" is not a time zone; see `timedatectl "
		    "list-timezones`",
		    zone);
	snprintf(zone, CONFIG_TEXT_MAX, "UTC");
}

static void
check_folder(struct check *check, const char *key, const char *path)
{
	struct stat st;

	if (path[0] == '\0')
		return;
	if (stat(path, &st) < 0)
		config_problem(check->problems, true, "%s: %s: %s", key, path,
		    strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		config_problem(
		    check->problems, true, "%s: %s is not a folder", key, path);
}

void
config_check(struct config *config, enum proc_role role,
    struct config_problems *problems)
{
	struct check check = {.config = config, .problems = problems};

	check_timezone(&check);
	if (role == PROC_ROLE_SUPERVISOR) {
		check_asterisk(&check);
		check_local_address(&check);
		check_ports(&check);
		check_name(&check, "PERSONA", config->persona_default);
		check_folder(&check, "PERSONA_DIR", config->persona_dir);
		check_folder(&check, "TOOLS_DIR", config->tools_dir);
	}
	if (role == PROC_ROLE_SUPERVISOR || role == PROC_ROLE_CALLWORKER)
		check_openai(&check);
	if (role == PROC_ROLE_SUPERVISOR || role == PROC_ROLE_TOOLWORKER)
		check_mikrotik(&check);
}
