/* SPDX-License-Identifier: MIT */
/*
 * keeper_reload.c – what SIGHUP does: settings are read again, and who is of
 * an old binary makes way for the new one.
 *
 * Invariant: between RELOADING=1 and READY=1 there is a time at which it ends
 * whatever the supervisors do.
 */
#include "supervisor/keeper_impl.h"

#include "common/clock.h"
#include "common/log.h"
#include "supervisor/keeper_image.h"
#include "supervisor/keeper_notify.h"
#include "supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	RELOAD_MS = 60000,
	TRIAL_MS = 10000, /* for a new keeper to read the state */
};

/* -- binaries --------------------------------------------------------------- */

int
keeper_binary_open(struct keeper_binary *binary, const char *path)
{
	struct stat st;
	int ret;

	binary->fd = open(path, O_PATH | O_CLOEXEC);
	if (binary->fd < 0)
		return -errno;
	if (fstat(binary->fd, &st) < 0) {
		ret = -errno;
		keeper_binary_close(binary);
		return ret;
	}
	binary->device = st.st_dev;
	binary->inode = st.st_ino;
	binary->changed = st.st_mtim;
	return 0;
}

void
keeper_binary_close(struct keeper_binary *binary)
{
	if (binary->fd >= 0)
		close(binary->fd);
	binary->fd = -1;
}

bool
keeper_binary_same(const struct keeper_binary *a, const struct keeper_binary *b)
{
	return a->device == b->device && a->inode == b->inode &&
	       a->changed.tv_sec == b->changed.tv_sec &&
	       a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Whether the supervisor that works is of another binary than the one there. */
static bool
is_outdated(const struct keeper_supervisor *supervisor)
{
	struct keeper_binary binary = {.fd = -1};
	char path[SPAWN_PATH_SIZE];
	bool same;
	int ret;

	spawn_path(path, PROC_ROLE_SUPERVISOR);
	ret = keeper_binary_open(&binary, path);
	if (ret < 0) {
		log_err("alarm=upgrade the supervisor's binary cannot be "
			"found, the one that runs stays path=%s error=%s",
		    path, strerror(-ret));
		return false;
	}
	same = keeper_binary_same(&binary, &supervisor->binary);
	keeper_binary_close(&binary);
	return !same;
}

/* -- the keeper itself -------------------------------------------------------- */

void
keeper_reload_init(void)
{
	spawn_path(keeper.own_path, PROC_ROLE_KEEPER);
	if (keeper_binary_open(&keeper.own, "/proc/self/exe") < 0)
		keeper.own_path[0] = '\0';
	keeper_binary_close(&keeper.own); /* what it is was all */
}

/* Lets the new program try what it would have to do. 0 or -errno. */
static int
start_trial(void)
{
	struct spawn_descriptors descriptors = {.secrets = -1, .memory = -1};
	pid_t pid;

	descriptors.channel = keeper_image_write();
	if (descriptors.channel < 0)
		return descriptors.channel;
	pid = spawn_binary(
	    PROC_ROLE_KEEPER, -1, &descriptors, NULL, "--resume-check");
	close(descriptors.channel);
	if (pid < 0)
		return pid;
	keeper.trial = pid;
	keeper.trial_by_ms = clock_now_ms() + TRIAL_MS;
	return 0;
}

static void
stay(const char *why)
{
	log_err("alarm=upgrade the new keeper is not used, the old one goes "
		"on path=%s why=\"%s\"",
	    keeper.own_path, why);
}

/* Whether a new keeper is being tried: the reload goes on after that. */
static bool
try_new_keeper(void)
{
	struct keeper_binary binary = {.fd = -1};
	int ret;

	if (keeper.own_path[0] == '\0' || keeper.stop_signal != 0)
		return false;
	ret = keeper_binary_open(&binary, keeper.own_path);
	keeper_binary_close(&binary);
	if (ret == 0 && keeper_binary_same(&binary, &keeper.own))
		return false;
	if (ret == 0)
		ret = start_trial();
	if (ret < 0)
		stay(strerror(-ret));
	return ret == 0;
}

void
keeper_trial_exited(const char *how, int status)
{
	keeper.trial = 0;
	keeper.becoming = keeper_exited_with(status, PROC_EXIT_OK);
	if (keeper.becoming)
		return;
	stay(how);
	keeper_reload_resume();
}

static void
set_number(char *text, size_t size, int number)
{
	snprintf(text, size, "%d", number);
}

/* Returns only when it failed: -errno. */
static int
become_new(void)
{
	char image_text[16], old_text[16];
	int image = keeper_image_write();
	int old = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	/* execv(3) does not write to its arguments. */
	char *argv[] = {keeper.own_path, (char *)(uintptr_t) "--resume",
	    image_text, (char *)(uintptr_t) "--resume-old", old_text,
	    (char *)(uintptr_t) "--config",
	    (char *)(uintptr_t)keeper.config.config_file, NULL};
	int ret;

	if (keeper.config.config_file == NULL)
		argv[5] = NULL;
	if (image < 0 || old < 0) {
		ret = image < 0 ? image : -errno;
		goto out;
	}
	set_number(image_text, sizeof(image_text), image);
	set_number(old_text, sizeof(old_text), old);
	log_info("becoming the new keeper path=%s", keeper.own_path);
	fcntl(image, F_SETFD, 0);
	fcntl(old, F_SETFD, 0);
	keeper_image_inherit(true);
	execv(keeper.own_path, argv);
	ret = -errno;
	keeper_image_inherit(false);
out:
	if (image >= 0)
		close(image);
	if (old >= 0)
		close(old);
	return ret;
}

static void
become_turn(uint64_t now_ms)
{
	int ret;

	if (keeper.trial != 0 && now_ms >= keeper.trial_by_ms)
		kill(keeper.trial, SIGKILL);
	if (!keeper.becoming)
		return;
	if (keeper.stop_signal != 0) {
		keeper.becoming = false;
		return;
	}
	/* What waits for the supervisor, or that it is dying, is not in it. */
	if (keeper.supervisor->queue.count > 0 || keeper.standby->pid != 0 ||
	    (keeper.supervisor->pid != 0 && keeper.supervisor->channel < 0))
		return;
	keeper.becoming = false;
	ret = become_new();
	stay(strerror(-ret));
	keeper_reload_resume();
}

/* -- the steps ---------------------------------------------------------------- */

static void
notify_reloading(void)
{
	char text[64];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
	    (unsigned long long)(clock_now_ns() / 1000));
	keeper_notify(text);
}

void
keeper_reload_begin(void)
{
	if (keeper.standby_step != KEEPER_STANDBY_NONE || keeper.trial != 0 ||
	    keeper.becoming) {
		keeper.reload_again = true;
		return;
	}
	if (keeper.reload_by_ms == 0)
		notify_reloading();
	/* First the keeper: it knows what an older supervisor wants. */
	keeper.reload_by_ms = clock_now_ms() + RELOAD_MS;
	if (!try_new_keeper())
		keeper_reload_resume();
}

void
keeper_reload_resume(void)
{
	const struct keeper_message message = {
	    .op = KEEPER_SIGNAL, .value = SIGHUP};

	keeper.reload_by_ms = clock_now_ms() + RELOAD_MS;
	/* One that is being started reads them anyway, and says READY. */
	keeper_tell(keeper.supervisor, &message, -1);
}

void
keeper_reload_settings(int32_t result)
{
	bool outdated;

	if (keeper.standby_step != KEEPER_STANDBY_NONE)
		return;
	outdated = keeper.stop_signal == 0 && is_outdated(keeper.supervisor);
	if ((outdated && result == KEEPER_RELOADED_ALL) ||
	    (keeper.stop_signal == 0 && result == KEEPER_RELOADED_OUTSIDE)) {
		keeper_standby_start();
		return;
	}
	if (outdated)
		log_err("alarm=upgrade the supervisor is not replaced by the "
			"new one because of its settings, see above");
	keeper_reload_end();
}

void
keeper_reload_end(void)
{
	/* Else the supervisor itself wanted a successor. */
	if (keeper.reload_by_ms != 0 && keeper.stop_signal == 0)
		keeper_notify("READY=1");
	keeper.reload_by_ms = 0;
	if (!keeper.reload_again)
		return;
	keeper.reload_again = false;
	keeper_reload_begin();
}

void
keeper_reload_turn(uint64_t now_ms)
{
	become_turn(now_ms);
	if (keeper.reload_by_ms == 0 || now_ms < keeper.reload_by_ms)
		return;
	log_warn("reload takes too long, not waiting for it any longer");
	keeper_reload_end();
}
