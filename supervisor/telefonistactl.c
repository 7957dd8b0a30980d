/* SPDX-License-Identifier: MIT */
/*
 * telefonistactl.c – the operator's command line: asks a running service over
 * its control socket (supervisor/control.h) and prints what it says.
 *
 * Invariant: what came from a caller reaches the terminal without control
 * characters.
 */
#include "common/json.h"
#include "common/message.h"
#include "common/proc.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define DEFAULT_SOCKET "/run/telefonista/control"

enum {
	ANSWER_S = 10, /* a service that hangs is restarted by then */
	EXIT_REFUSED = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_RUNNING = 3,
};

static struct {
	const char *socket;
	bool json;
	bool now;
	bool titled; /* the head of the table was printed */
} options = {.socket = DEFAULT_SOCKET};

static void
usage(FILE *out)
{
	fputs("usage: telefonistactl [--socket PATH] [--json] COMMAND\n"
	      "  status            how the service is\n"
	      "  calls             every call, a line each\n"
	      "  end CALL [--now]  the voice says goodbye and hangs up; with\n"
	      "                    --now without a word\n"
	      "The socket is " DEFAULT_SOCKET " unless --socket or\n"
	      "CONTROL_SOCKET in the environment says otherwise.\n",
	    out);
}

/* -- the wire ------------------------------------------------------------------ */

static void
fail_to_connect(int err)
{
	fprintf(
	    stderr, "telefonistactl: %s: %s\n", options.socket, strerror(err));
	if (err == EACCES)
		fprintf(stderr, "Be root, or in the group of that socket.\n");
	else if (err == ENOENT || err == ECONNREFUSED)
		fprintf(stderr, "The service does not run, or has another "
				"CONTROL_SOCKET: name it with --socket.\n");
	exit(EXIT_NOT_RUNNING);
}

static int
connect_service(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct timeval limit = {.tv_sec = ANSWER_S};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail_to_connect(errno);
	if (strlen(options.socket) >= sizeof(address.sun_path))
		fail_to_connect(ENAMETOOLONG);
	memcpy(address.sun_path, options.socket, strlen(options.socket) + 1);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		fail_to_connect(errno);
	return fd;
}

static void
ask(int fd, const char *request, const char *call)
{
	cJSON *body = cJSON_CreateObject();
	char *text;

	json_add_string(body, "type", message_name(MESSAGE_CONTROL_REQUEST));
	json_add_int(body, "id", 1);
	json_add_string(body, "request", request);
	json_add_string(body, "call", call);
	json_add_bool(body, "now", options.now);
	text = cJSON_PrintUnformatted(body);
	if (text == NULL || send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		fail_to_connect(text == NULL ? ENOMEM : errno);
	free(text);
	cJSON_Delete(body);
}

/* The next reply; the caller owns it. */
static cJSON *
receive(int fd)
{
	static char text[MESSAGE_SIZE_MAX];
	ssize_t n = recv(fd, text, sizeof(text), 0);
	cJSON *reply;

	if (n <= 0)
		fail_to_connect(n == 0 ? ECONNRESET : errno);
	reply = cJSON_ParseWithLength(text, (size_t)n);
	if (!cJSON_IsObject(reply))
		fail_to_connect(EPROTO);
	return reply;
}

/* -- what is printed ------------------------------------------------------------- */

/* DEL and, in UTF-8, C1: what cJSON leaves, too. */
static bool
is_late_control(const char *text)
{
	unsigned char c = (unsigned char)text[0];
	unsigned char next = (unsigned char)text[1];

	return c == 0x7f || (c == 0xc2 && next >= 0x80 && next < 0xa0);
}

/* TEXT in WIDTH columns, or as long as it is; nothing a terminal obeys. */
static void
print_text(const char *text, int width)
{
	char safe[256];
	size_t n = 0;

	for (; *text != '\0' && n + 1 < sizeof(safe); text++) {
		bool is_late = is_late_control(text);

		if (is_late && text[0] != 0x7f)
			text++; /* both bytes are one character */
		safe[n++] =
		    is_late || (unsigned char)*text < 0x20 ? '?' : *text;
	}
	safe[n] = '\0';
	printf("%-*s ", width, safe[0] != '\0' ? safe : "-");
}

static void
print_call(const cJSON *call)
{
	int64_t s = json_int(call, "talking_s", 0);

	if (!options.titled)
		printf("%-26s %-11s %-8s %6s %7s %-14s %-8s %s\n", "CALL",
		    "STATE", "CLASS", "TALKS", "PID", "CALLER", "CALLED",
		    "PERSONA");
	options.titled = true;
	print_text(json_string(call, "call"), 26);
	print_text(json_string(call, "state"), 11);
	print_text(json_string(call, "class"), 8);
	printf("%3lld:%02lld %7lld ", (long long)s / 60, (long long)s % 60,
	    (long long)json_int(call, "pid", 0));
	print_text(json_string(call, "caller"), 14);
	print_text(json_string(call, "called"), 8);
	print_text(json_string(call, "persona"), 0);
	putchar('\n');
}

static void
print_members(const cJSON *object)
{
	const cJSON *member;

	cJSON_ArrayForEach(member, object) {
		printf("%-14s", member->string);
		if (cJSON_IsString(member))
			print_text(member->valuestring, 0);
		else if (cJSON_IsBool(member))
			printf("%s", cJSON_IsTrue(member) ? "yes" : "no");
		else
			printf("%.0f", member->valuedouble);
		putchar('\n');
	}
}

static void
print_json(const cJSON *value)
{
	char *text = cJSON_PrintUnformatted(value);

	for (const char *at = text; at != NULL && *at != '\0'; at++) {
		if (!is_late_control(at))
			putchar(*at);
		else if (*at == 0x7f)
			fputs("\\u007f", stdout);
		else
			printf("\\u%04x", (unsigned)(unsigned char)*++at);
	}
	if (text != NULL)
		putchar('\n');
	free(text);
}

static void
print_reply(const cJSON *reply)
{
	const cJSON *calls = cJSON_GetObjectItem(reply, "calls");
	const cJSON *status = cJSON_GetObjectItem(reply, "status");
	const cJSON *call;

	cJSON_ArrayForEach(call, calls) {
		if (options.json)
			print_json(call);
		else
			print_call(call);
	}
	if (status != NULL && options.json)
		print_json(status);
	else if (status != NULL)
		print_members(status);
}

static int
run(const char *request, const char *call)
{
	int fd = connect_service();
	bool more = true;
	int status = 0;

	ask(fd, request, call);
	while (more) {
		cJSON *reply = receive(fd);
		const char *error = json_string(reply, "error");

		more = json_bool(reply, "more", false);
		print_reply(reply);
		if (error[0] != '\0') {
			fprintf(stderr, "telefonistactl: %s\n", error);
			status = EXIT_REFUSED;
		}
		cJSON_Delete(reply);
	}
	close(fd);
	return status;
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {
	    {"socket", required_argument, NULL, 's'},
	    {"json", no_argument, NULL, 'j'},
	    {"now", no_argument, NULL, 'n'},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'v'},
	    {NULL, 0, NULL, 0},
	};
	const char *set = getenv("CONTROL_SOCKET");
	bool is_end;
	int c;

	if (set != NULL && set[0] != '\0')
		options.socket = set;
	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			options.socket = optarg;
			break;
		case 'j':
			options.json = true;
			break;
		case 'n':
			options.now = true;
			break;
		case 'v':
			printf("telefonistactl %s (%s)\n", TELEFONISTA_VERSION,
			    proc_build_id());
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	is_end = optind < argc && strcmp(argv[optind], "end") == 0;
	if (optind + (is_end ? 2 : 1) != argc) {
		usage(stderr);
		return EXIT_USAGE;
	}
	return run(argv[optind], is_end ? argv[optind + 1] : "");
}
