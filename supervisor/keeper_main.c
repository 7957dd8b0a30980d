/* SPDX-License-Identifier: MIT */
/* keeper_main.c – the command `telefonista`: its options, then the keeper. */
#include "common/log.h"
#include "common/proc.h"
#include "common/secret.h"
#include "common/title.h"
#include "supervisor/keeper.h"
#include "supervisor/keeper_image.h"
#include "supervisor/keeper_wall.h"
#include "supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
	const char *config_file;
	bool check;
	bool resume_check;
	int resume;     /* of an upgrade, see keeper_resume(); -1: none */
	int resume_old; /* … and its binary; or -1 */
};

static const char usage[] =
    "Usage: telefonista [--config FILE] [--check]\n"
    "\n"
    "Answers the calls that Asterisk's dialplan gives to Stasis(openai-app).\n"
    "\n"
    "  --config FILE  settings, KEY=value (see etc/telefonista.env.example);\n"
    "                 the environment wins over the file\n"
    "  --check        check settings, Asterisk and OpenAI; exit 0 or 2\n"
    "  --version      version and build\n"
    "  --help         this text\n"
    "\n"
    "SIGTERM ends it after the calls, SIGHUP reads the settings again,\n"
    "SIGUSR1 logs its state.\n";

/* Exits after --help, --version and what makes no sense. */
static void
parse_args(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
	    {"config", required_argument, NULL, 'c'},
	    {"check", no_argument, NULL, 'k'},
	    {"version", no_argument, NULL, 'v'},
	    {"help", no_argument, NULL, 'h'},
	    /* What one program of the keeper says to the next. */
	    {"resume-check", no_argument, NULL, 't'},
	    {"resume", required_argument, NULL, 'r'},
	    {"resume-old", required_argument, NULL, 'o'},
	    {NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:h", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			options->config_file = optarg;
			break;
		case 'k':
			options->check = true;
			break;
		case 'v':
			printf("telefonista %s\n", proc_build_id());
			exit(PROC_EXIT_OK);
		case 't':
			options->resume_check = true;
			break;
		case 'r':
			options->resume = atoi(optarg);
			break;
		case 'o':
			options->resume_old = atoi(optarg);
			break;
		case 'h':
			fputs(usage, stdout);
			exit(PROC_EXIT_OK);
		default:
			fputs(usage, stderr);
			exit(PROC_EXIT_CONFIG);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "telefonista: unexpected argument \"%s\"\n%s",
		    argv[optind], usage);
		exit(PROC_EXIT_CONFIG);
	}
}

/* So that nothing of ours gets the number 0, 1 or 2. */
static void
open_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* A relative path would mean another file once a child changes directory. */
static const char *
absolute_path(const char *path)
{
	char *absolute;

	if (path == NULL || path[0] == '/')
		return path;
	absolute = realpath(path, NULL);
	return absolute != NULL ? absolute : path;
}

/* So that the children's titles have room (common/title.h). */
static void
make_title_room(void)
{
	char room[TITLE_MAX];

	memset(room, '-', sizeof(room) - 1);
	room[sizeof(room) - 1] = '\0';
	setenv(TITLE_ROOM_VARIABLE, room, 1);
}

/* Whether this program could go on with another one's state. */
static int
resume_check(void)
{
	const char *why = "";
	int ret = keeper_image_check(PROC_FD_CHANNEL, &why);

	if (ret == 0)
		return PROC_EXIT_OK;
	log_err("another keeper's state is not understood version=%s "
		"error=%s %s",
	    proc_build_id(), strerror(-ret), why);
	return PROC_EXIT_INTERNAL;
}

/* Returns as keeper_run(), or not at all: the old program goes on. */
static int
resume(struct keeper_config *config, const struct options *options)
{
	char image[16];
	/* execveat(2) does not write to its arguments. */
	char *argv[] = {(char *)(uintptr_t) "telefonista",
	    (char *)(uintptr_t) "--resume", image,
	    (char *)(uintptr_t) "--config",
	    (char *)(uintptr_t)config->config_file, NULL};
	int ret;

	keeper_wall_hide_memory();
	ret = keeper_resume(config, options->resume, options->resume_old);
	if (ret >= 0)
		return ret;
	if (config->config_file == NULL)
		argv[3] = NULL;
	snprintf(image, sizeof(image), "%d", options->resume);
	if (options->resume_old >= 0)
		execveat(options->resume_old, "", argv, environ, AT_EMPTY_PATH);
	return PROC_EXIT_INTERNAL;
}

int
main(int argc, char **argv)
{
	struct options options = {.resume = -1, .resume_old = -1};
	struct keeper_config config;
	int ret;

	open_standard_descriptors();
	title_init(argc, argv); /* before anything points into argv */
	parse_args(argc, argv, &options);
	log_init("keeper", LOG_LEVEL_INFO);
	ret = spawn_find_binaries();
	if (ret < 0) {
		log_err("telefonista-supervisor is neither beside this program "
			"nor in %s error=%s",
		    TELEFONISTA_LIBEXEC, strerror(-ret));
		return PROC_EXIT_INTERNAL;
	}
	if (options.resume_check)
		return resume_check();
	config.config_file = absolute_path(options.config_file);
	if (options.check) /* the supervisor's own; it needs no keeper */
		return spawn_replace(
		    PROC_ROLE_SUPERVISOR, config.config_file, "--check");
	if (options.resume >= 0) {
		make_title_room();
		title_set("telefonista: keeper");
		return resume(&config, &options);
	}
	ret = secret_take_environment(config.secrets);
	if (ret < 0) {
		log_err("secrets cannot be taken out of the environment "
			"error=%s",
		    strerror(-ret));
		return PROC_EXIT_INTERNAL;
	}
	keeper_wall_hide_memory();
	if (ret > 0)
		log_info("secrets moved out of the environment count=%d", ret);
	if (keeper_wall_enter() < 0)
		return PROC_EXIT_INTERNAL;
	make_title_room();
	title_set("telefonista: keeper");
	log_info("starting version=%s", proc_build_id());
	return keeper_run(&config);
}
