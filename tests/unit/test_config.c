/* SPDX-License-Identifier: MIT */
/* test_config.c – where settings come from, and what is said about them. */
#include "common/config.h"
#include "common/url.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	char dir[64];
	char file[96];
	struct config config;
	struct config_problems problems;
};

static int
setup(void **state)
{
	static const char *const keys[] = {
#define X(member, key, kind, dflt, min, max, what) #key,
	    CONFIG_TABLE(X)
#undef X
	};
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		unsetenv(keys[i]);
	unsetenv("OPENAI_API_KEY_FILE");
	unsetenv("ASTERISK_PASSWORD_FILE");
	unsetenv("CREDENTIALS_DIRECTORY");
	strcpy(f->dir, "/tmp/test_config.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->file, sizeof(f->file), "%s/env", f->dir);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static void
write_bytes(const char *path, const char *text, size_t len, mode_t mode)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_int_equal(fwrite(text, 1, len, out), len);
	fclose(out);
	assert_int_equal(chmod(path, mode), 0);
}

static void
write_file(const char *path, const char *text, mode_t mode)
{
	write_bytes(path, text, strlen(text), mode);
}

static void
load(struct fixture *f, const char *text, enum proc_role role)
{
	memset(&f->problems, 0, sizeof(f->problems));
	write_file(f->file, text, 0600);
	config_load(&f->config, f->file, role, &f->problems);
}

/* For a supervisor; the key, which it may not read, is known to be there. */
static void
load_all(struct fixture *f, const char *text)
{
	f->config.secrets_elsewhere = UINT64_MAX;
	load(f, text, PROC_ROLE_SUPERVISOR);
}

/* What a supervisor needs at least. */
#define MINIMUM                                                                \
	"ASTERISK_USERNAME=a\nASTERISK_PASSWORD=p\n"                           \
	"MIKROTIK_API_URL=http://10.0.0.5:8000\n"

static void
print_problems(const struct fixture *f)
{
	for (size_t i = 0; i < f->problems.count; i++)
		print_message("problem: %s\n", f->problems.list[i].text);
}

static void
assert_clean(const struct fixture *f)
{
	if (f->problems.count != 0)
		print_problems(f);
	assert_int_equal(f->problems.count, 0);
}

/* One problem's text contains all of the words. */
static void
assert_problem(const struct fixture *f, bool fatal, const char *words)
{
	char copy[256];

	for (size_t i = 0; i < f->problems.count; i++) {
		const char *text = f->problems.list[i].text;
		char *rest = copy;
		const char *word;
		bool all = f->problems.list[i].fatal == fatal;

		snprintf(copy, sizeof(copy), "%s", words);
		while (all && (word = strsep(&rest, " ")) != NULL)
			all = strstr(text, word) != NULL;
		if (all)
			return;
	}
	print_problems(f);
	fail_msg("no %s with: %s", fatal ? "error" : "warning", words);
}

static void
defaults_hold_when_only_the_required_is_set(void **state)
{
	struct fixture *f = *state;

	load_all(f, MINIMUM);
	assert_clean(f);
	assert_string_equal(f->config.asterisk_host, "127.0.0.1");
	assert_int_equal(f->config.asterisk_port, 8088);
	assert_string_equal(f->config.ari_app, "openai-app");
	assert_string_equal(
	    f->config.openai_realtime_model, "gpt-realtime-2.1");
	assert_string_equal(
	    f->config.openai_realtime_url, "wss://api.openai.com/v1/realtime");
	assert_int_equal(f->config.rtp_port_min, 21000);
	assert_int_equal(f->config.default_country, 57);
	assert_true(f->config.vad_threshold == 0.5);
	assert_true(f->config.enable_mikrotik_tools);
	assert_false(f->config.asterisk_tls);
	assert_string_equal(f->config.show_caller_number, "last4");
	assert_string_equal(f->config.asterisk_password, "p");
	assert_string_equal(f->config.openai_api_key, "");
}

static void
grammar_of_the_file(void **state)
{
	struct fixture *f = *state;

	load_all(f, "\xef\xbb\xbf# comment\r\n"
		    "\r\n"
		    "  export ASTERISK_USERNAME = user # said aloud\r\n"
		    "ASTERISK_PASSWORD='a b#c\"$\\'\r\n"
		    "OPENAI_VOICE=\"ce\\\"d\\\\a\\$r\" # x\r\n"
		    "ARI_APP=a#b\r\n" /* no white space before it: no comment */
		    "MIKROTIK_API_URL=http://10.0.0.5:8000/api/\r\n"
		    "TIMEZONE=Europe/Madrid");
	assert_string_equal(f->config.asterisk_username, "user");
	assert_string_equal(f->config.asterisk_password, "a b#c\"$\\");
	assert_string_equal(f->config.openai_voice, "ce\"d\\a$r");
	assert_string_equal(f->config.timezone, "Europe/Madrid");
	assert_string_equal(
	    f->config.mikrotik_api_url, "http://10.0.0.5:8000/api");
	assert_problem(f, true, "ARI_APP a#b letters");
	assert_int_equal(f->problems.count, 1);
}

static void
broken_lines_are_named_all_at_once(void **state)
{
	struct fixture *f = *state;

	load_all(f, MINIMUM "nonsense\n"
			    "2KEY=x\n"
			    "OPENAI_VOICE=\"open\n"
			    "ARI_APP='x' y\n"
			    "MAX_CALLS=many\n"
			    "VAD_THRESHOLD=0,5\n"
			    "ASTERISK_TLS=perhaps\n"
			    "TURN_DETECTION=magic\n"
			    "RTP_PORT_MIN=80\n");
	assert_problem(f, true, "line 4: no =");
	assert_problem(f, true, "line 5: name");
	assert_problem(f, true, "line 6: closing quote missing");
	assert_problem(f, true, "line 7: follows closing quote");
	assert_problem(f, true, "line 8: MAX_CALLS \"many\" 1 2000");
	assert_problem(f, true, "line 9: VAD_THRESHOLD 0,5 0.5");
	assert_problem(f, true, "line 10: ASTERISK_TLS perhaps yes no");
	assert_problem(f, true, "line 11: magic server_vad semantic_vad");
	assert_problem(f, true, "line 12: RTP_PORT_MIN 1024");
	assert_int_equal(f->problems.count, 9);
	assert_int_equal(config_problems_fatal(&f->problems), 9);
	/* The defaults stand in, so that checking can go on. */
	assert_int_equal(f->config.max_calls, 50);
	assert_string_equal(f->config.turn_detection, "server_vad");
}

static void
nul_bytes_and_control_characters_are_refused(void **state)
{
	static const char text[] = MINIMUM "ARI_APP=a\0b\nOPENAI_VOICE=a\tb\n"
					   "PERSONA=\xff\n";
	struct fixture *f = *state;

	write_bytes(f->file, text, sizeof(text) - 1, 0600);
	f->config.secrets_elsewhere = UINT64_MAX;
	config_load(&f->config, f->file, PROC_ROLE_SUPERVISOR, &f->problems);
	assert_problem(f, true, "line 4: NUL");
	assert_problem(f, true, "line 5: OPENAI_VOICE control");
	assert_problem(f, true, "line 6: PERSONA UTF-8");
}

static void
unknown_and_repeated_keys_are_warnings(void **state)
{
	struct fixture *f = *state;

	load_all(f, MINIMUM "OPENAI_REALTIME_MODLE=x\n"
			    "DB_PASSWORD=x\n"
			    "max_calls=2\n"
			    "MAX_CALLS=3\n"
			    "MAX_CALLS=4\n");
	assert_problem(f, false, "line 4: MODLE OPENAI_REALTIME_MODEL meant?");
	assert_problem(f, false, "line 5: DB_PASSWORD no effect");
	assert_problem(f, false, "line 6: max_calls MAX_CALLS meant?");
	assert_problem(f, false, "line 8: MAX_CALLS line 7");
	assert_int_equal(f->problems.count, 4);
	assert_int_equal(f->config.max_calls, 4);
}

static void
environment_wins_and_foreign_variables_are_no_problem(void **state)
{
	struct fixture *f = *state;

	setenv("MAX_CALLS", "7", 1);
	setenv("MAX_CALS", "8", 1);
	load_all(f, MINIMUM "MAX_CALLS=6\n");
	assert_clean(f);
	assert_int_equal(f->config.max_calls, 7);
	setenv("MAX_CALLS", "x", 1);
	load_all(f, MINIMUM);
	assert_problem(f, true, "environment: MAX_CALLS");
	unsetenv("MAX_CALS");
}

static void
empty_means_unset_unless_empty_has_a_meaning(void **state)
{
	struct fixture *f = *state;

	load_all(f,
	    MINIMUM "OPENAI_VOICE=\nMAX_CALLS=\nTIMEZONE=''\n"
		    "OPENAI_REASONING_EFFORT=\nOPENAI_TRANSCRIPTION_MODEL=\n");
	assert_clean(f);
	assert_string_equal(f->config.openai_voice, "marin");
	assert_int_equal(f->config.max_calls, 50);
	assert_string_equal(f->config.timezone, "America/Bogota");
	assert_string_equal(f->config.openai_reasoning_effort, "");
	assert_string_equal(f->config.openai_transcription_model, "");
}

static void
what_is_missing_is_named_to_the_role_that_needs_it(void **state)
{
	struct fixture *f = *state;

	load(f, "MIKROTIK_API_URL=http://h\n", PROC_ROLE_SUPERVISOR);
	assert_problem(f, true, "ASTERISK_USERNAME not set");
	assert_problem(f, true, "ASTERISK_PASSWORD not set _FILE");
	assert_problem(f, true, "OPENAI_API_KEY not set _FILE");
	assert_int_equal(f->problems.count, 3);
	load(f, "", PROC_ROLE_CALLWORKER);
	assert_problem(f, true, "OPENAI_API_KEY not set");
	assert_int_equal(f->problems.count, 1);
	load(f, "MIKROTIK_API_URL=http://h\n", PROC_ROLE_TOOLWORKER);
	assert_clean(f);
}

static void
a_role_gets_its_own_secrets_only(void **state)
{
	static const char text[] = MINIMUM "OPENAI_API_KEY=sk-1\n";
	struct fixture *f = *state;

	load_all(f, text);
	assert_string_equal(f->config.asterisk_password, "p");
	assert_string_equal(f->config.openai_api_key, "");
	memset(&f->config, 0, sizeof(f->config));
	load(f, text, PROC_ROLE_CALLWORKER);
	assert_string_equal(f->config.asterisk_password, "");
	assert_string_equal(f->config.openai_api_key, "sk-1");
	memset(&f->config, 0, sizeof(f->config));
	load(f, text, PROC_ROLE_TOOLWORKER);
	assert_string_equal(f->config.asterisk_password, "");
	assert_string_equal(f->config.openai_api_key, "");
}

static void
secret_leaves_the_environment(void **state)
{
	struct fixture *f = *state;

	setenv("ASTERISK_PASSWORD", "from-env", 1);
	setenv("OPENAI_API_KEY", "sk-env", 1);
	load_all(f, MINIMUM);
	assert_string_equal(f->config.asterisk_password, "from-env");
	assert_null(getenv("ASTERISK_PASSWORD"));
	assert_non_null(getenv("OPENAI_API_KEY"));
}

static void
secret_comes_from_a_named_file(void **state)
{
	struct fixture *f = *state;
	char path[128];
	char text[512];

	snprintf(path, sizeof(path), "%s/key", f->dir);
	write_file(path, "sk-file\n", 0600);
	snprintf(text, sizeof(text), "OPENAI_API_KEY_FILE=%s\n", path);
	load(f, text, PROC_ROLE_CALLWORKER);
	assert_clean(f);
	assert_string_equal(f->config.openai_api_key, "sk-file");
	/* Another role does not even open it. */
	assert_int_equal(unlink(path), 0);
	load(f, text, PROC_ROLE_TOOLWORKER);
	assert_int_equal(config_problems_fatal(&f->problems), 0);
	memset(&f->config, 0, sizeof(f->config));
	load(f, text, PROC_ROLE_CALLWORKER);
	assert_problem(f, true, "OPENAI_API_KEY: key No such file");
	assert_int_equal(f->problems.count, 1);
}

static void
secret_files_are_checked(void **state)
{
	struct fixture *f = *state;
	char path[128];
	char text[512];

	snprintf(path, sizeof(path), "%s/key", f->dir);
	snprintf(text, sizeof(text), "OPENAI_API_KEY_FILE=%s\n", path);
	write_file(path, "sk-1\n", 0644);
	load(f, text, PROC_ROLE_CALLWORKER);
	assert_problem(f, false, "OPENAI_API_KEY others chmod 600");
	assert_string_equal(f->config.openai_api_key, "sk-1");
	write_file(path, "one\ntwo\n", 0600);
	load(f, text, PROC_ROLE_CALLWORKER);
	assert_problem(f, true, "OPENAI_API_KEY more than one line");
	write_file(path, "\n", 0600);
	load(f, text, PROC_ROLE_CALLWORKER);
	assert_problem(f, true, "OPENAI_API_KEY empty");
	snprintf(text, sizeof(text),
	    "OPENAI_API_KEY=sk-2\nOPENAI_API_KEY_FILE=%s\n", path);
	load(f, text, PROC_ROLE_CALLWORKER);
	assert_problem(f, false, "OPENAI_API_KEY both set");
	assert_string_equal(f->config.openai_api_key, "sk-2");
	snprintf(text, sizeof(text), "OPENAI_API_KEY_FILE=%s\n", f->dir);
	load(f, text, PROC_ROLE_CALLWORKER);
	assert_problem(f, true, "OPENAI_API_KEY directory");
}

static void
secret_comes_from_the_credentials_directory(void **state)
{
	struct fixture *f = *state;
	char path[128];

	snprintf(path, sizeof(path), "%s/OPENAI_API_KEY", f->dir);
	write_file(path, "sk-cred", 0444); /* systemd guards the folder */
	setenv("CREDENTIALS_DIRECTORY", f->dir, 1);
	load(f, "", PROC_ROLE_CALLWORKER);
	assert_clean(f);
	assert_string_equal(f->config.openai_api_key, "sk-cred");
}

static void
exposed_configuration_with_secrets_is_a_warning(void **state)
{
	struct fixture *f = *state;

	load_all(f, MINIMUM);
	assert_int_equal(chmod(f->file, 0644), 0);
	f->config.secrets_elsewhere = UINT64_MAX;
	config_load(&f->config, f->file, PROC_ROLE_SUPERVISOR, &f->problems);
	assert_problem(f, false, "secrets chmod 600");
	memset(&f->problems, 0, sizeof(f->problems));
	write_file(f->file, "MAX_CALLS=3\n", 0644);
	config_load(&f->config, f->file, PROC_ROLE_TOOLWORKER, &f->problems);
	assert_int_equal(config_problems_fatal(&f->problems), 0);
	for (size_t i = 0; i < f->problems.count; i++)
		assert_null(strstr(f->problems.list[i].text, "chmod"));
}

/* Puts FD at number PROC_FD_SECRETS; returns what was there, or -1. */
static int
place(int fd)
{
	int before = fcntl(PROC_FD_SECRETS, F_DUPFD_CLOEXEC, 20);

	assert_int_equal(dup2(fd, PROC_FD_SECRETS), PROC_FD_SECRETS);
	if (fd != PROC_FD_SECRETS)
		close(fd);
	return before;
}

static void
put_back(int before)
{
	close(PROC_FD_SECRETS);
	if (before < 0)
		return;
	dup2(before, PROC_FD_SECRETS);
	close(before);
}

static void
secret_comes_from_the_keepers_memfd(void **state)
{
	static const char text[] = "OPENAI_API_KEY= 'sk\"#fd \n";
	struct fixture *f = *state;
	int fd = memfd_create("secrets", 0);
	int before;

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	before = place(fd);
	load(f, "OPENAI_API_KEY=sk-file\n", PROC_ROLE_CALLWORKER);
	assert_clean(f);
	/* Raw, though the keeper left the offset at the end. */
	assert_string_equal(f->config.openai_api_key, " 'sk\"#fd ");
	assert_int_equal(fcntl(PROC_FD_SECRETS, F_GETFD), -1);
	put_back(before);
}

static void
the_supervisor_knows_whether_the_key_is_there_but_not_what_it_is(void **state)
{
	struct fixture *f = *state;
	char key[128], text[512];
	int before, fd;

	/* In the file, empty, in a file that is gone, empty, of its own. */
	load(f, MINIMUM "OPENAI_API_KEY=sk-1\n", PROC_ROLE_SUPERVISOR);
	assert_clean(f);
	load(f, MINIMUM "OPENAI_API_KEY=\n", PROC_ROLE_SUPERVISOR);
	assert_problem(f, true, "OPENAI_API_KEY not set");
	snprintf(key, sizeof(key), "%s/OPENAI_API_KEY", f->dir);
	snprintf(text, sizeof(text), MINIMUM "OPENAI_API_KEY_FILE=%s\n", key);
	load(f, text, PROC_ROLE_SUPERVISOR);
	assert_problem(f, true, "OPENAI_API_KEY: cannot be read: No such");
	assert_int_equal(f->problems.count, 1);
	write_file(key, "\n", 0600);
	load(f, text, PROC_ROLE_SUPERVISOR);
	assert_problem(f, true, "OPENAI_API_KEY: is empty");
	write_file(key, "sk-2", 0600);
	load(f, text, PROC_ROLE_SUPERVISOR);
	assert_clean(f);
	setenv("CREDENTIALS_DIRECTORY", f->dir, 1);
	load(f, MINIMUM, PROC_ROLE_SUPERVISOR);
	assert_clean(f);
	unsetenv("CREDENTIALS_DIRECTORY");
	/* In the keeper's environment, of which only the name is passed on:
	 * once, and that counts at a reload, too. */
	fd = memfd_create("secrets", 0);
	assert_int_equal(write(fd, "OPENAI_API_KEY\n", 15), 15);
	before = place(fd);
	for (int i = 0; i < 2; i++) {
		load(f, MINIMUM, PROC_ROLE_SUPERVISOR);
		assert_clean(f);
	}
	put_back(before);
	assert_string_equal(f->config.openai_api_key, "");
	assert_true(config_has_secrets(&f->config, PROC_ROLE_SUPERVISOR));
	assert_false(config_has_secrets(&f->config, PROC_ROLE_CALLWORKER));
}

static void
foreign_descriptor_is_left_alone(void **state)
{
	struct fixture *f = *state;
	int before;

	load(f, "OPENAI_API_KEY=sk-file\n", PROC_ROLE_CALLWORKER);
	before = place(open(f->file, O_RDONLY));
	load(f, "OPENAI_API_KEY=sk-file\n", PROC_ROLE_CALLWORKER);
	assert_string_equal(f->config.openai_api_key, "sk-file");
	assert_true(fcntl(PROC_FD_SECRETS, F_GETFD) >= 0);
	put_back(before);
}

static void
reload_keeps_a_secret_that_came_only_once(void **state)
{
	struct fixture *f = *state;

	setenv("ASTERISK_PASSWORD", "once", 1);
	load_all(f, "ASTERISK_USERNAME=a\n");
	load_all(f, "ASTERISK_USERNAME=b\nMIKROTIK_API_URL=http://h\n");
	assert_clean(f);
	assert_string_equal(f->config.asterisk_username, "b");
	assert_string_equal(f->config.asterisk_password, "once");
	config_wipe(&f->config);
	assert_string_equal(f->config.asterisk_password, "");
}

static void
no_problem_quotes_a_secret(void **state)
{
	struct fixture *f = *state;
	char text[1024];

	snprintf(text, sizeof(text),
	    "ASTERISK_PASSWORD=verysecret\001\nASTERISK_PASSWORD=\"verysecret\n"
	    "ASTERISK_PASSWORD='verysecret' x\nOPENAI_API_KEY verysecret\n"
	    "ASTERISK_PASSWORD=verysecret%0600d\n",
	    7);
	load_all(f, text);
	assert_true(config_problems_fatal(&f->problems) >= 5);
	for (size_t i = 0; i < f->problems.count; i++)
		assert_null(strstr(f->problems.list[i].text, "verysecret"));
}

static void
values_must_make_sense_together(void **state)
{
	struct fixture *f = *state;

	load_all(f,
	    MINIMUM "ASTERISK_HOST=pbx.example.net\n"
		    "RTP_PORT_MIN=22000\nRTP_PORT_MAX=21000\n"
		    "OPENAI_REALTIME_URL=ws://api.example.net/v1/realtime\n"
		    "LOCAL_IP_ADDRESS=localhost\n"
		    "TIMEZONE=America/Macondo\n"
		    "ASTERISK_CA_FILE=/nonexistent/ca.pem\n"
		    "PERSONA_DIR=/nonexistent\n"
		    "FALLBACK_CONTEXT=a,b\nFALLBACK_SOUND=beep\n");
	assert_problem(f, true, "ASTERISK_HOST clear ASTERISK_TLS");
	assert_problem(f, true, "RTP_PORT_MIN 22000 above 21000");
	assert_problem(f, true, "OPENAI_REALTIME_URL wss://");
	assert_problem(f, true, "LOCAL_IP_ADDRESS localhost numeric");
	assert_problem(f, true, "TIMEZONE America/Macondo");
	assert_problem(f, true, "ASTERISK_CA_FILE No such file");
	assert_problem(f, true, "PERSONA_DIR No such file");
	assert_problem(f, true, "FALLBACK_CONTEXT a,b");
	assert_problem(f, true, "FALLBACK_SOUND beep sound:");
	assert_int_equal(f->problems.count, 9);
	/* A worker is not bothered with what it does not use. */
	load(f,
	    "OPENAI_API_KEY=x\nASTERISK_HOST=pbx.example.net\n"
	    "RTP_PORT_MIN=22000\nRTP_PORT_MAX=21000\n",
	    PROC_ROLE_CALLWORKER);
	assert_clean(f);
}

static void
plain_connections_are_allowed_where_they_are_safe(void **state)
{
	static const char *const good[] = {
	    "ASTERISK_HOST=localhost\n",
	    "ASTERISK_HOST=::1\n",
	    "ASTERISK_HOST=pbx.example.net\nASTERISK_TLS=on\n",
	    "ASTERISK_HOST=10.9.8.7\nASTERISK_ALLOW_PLAIN_HTTP=1\n",
	    "OPENAI_REALTIME_URL=ws://127.0.0.1:8765/v1/realtime\n",
	    "OPENAI_REALTIME_URL=ws://[::1]:8765/v1/realtime\n",
	};
	struct fixture *f = *state;
	char text[512];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(text, sizeof(text), MINIMUM "%s", good[i]);
		load_all(f, text);
		assert_clean(f);
	}
}

static void
few_ports_are_a_warning_and_too_few_an_error(void **state)
{
	struct fixture *f = *state;

	load_all(
	    f, MINIMUM "RTP_PORT_MIN=21000\nRTP_PORT_MAX=21009\nMAX_CALLS=8\n");
	assert_problem(f, false, "10 ports 8");
	load_all(f,
	    MINIMUM "RTP_PORT_MIN=21000\nRTP_PORT_MAX=21009\nMAX_CALLS=11\n");
	assert_problem(f, true, "10 ports 11");
}

static void
local_address_must_be_reachable(void **state)
{
	struct fixture *f = *state;

	load_all(f, MINIMUM "LOCAL_IP_ADDRESS=127.0.0.1\n");
	assert_clean(f);
	load_all(f, MINIMUM "LOCAL_IP_ADDRESS=0.0.0.0\n");
	assert_problem(f, true, "LOCAL_IP_ADDRESS cannot");
	load_all(f, MINIMUM "LOCAL_IP_ADDRESS=192.0.2.77\n");
	assert_problem(f, false, "LOCAL_IP_ADDRESS no interface NAT");
}

static void
unusable_mikrotik_service_is_a_warning(void **state)
{
	static const char *const bad[] = {"", "10.0.0.5:8000", "ftp://h",
	    "ws://h", "http://u:p@h/", "http://h:99999", "http://h/a b",
	    "http://h/?x"};
	struct fixture *f = *state;
	char text[512];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text),
		    "ASTERISK_USERNAME=a\nASTERISK_PASSWORD=p\n"
		    "MIKROTIK_API_URL='%s'\n",
		    bad[i]);
		load_all(f, text);
		assert_problem(f, false, "MIKROTIK_API_URL cannot query");
		assert_int_equal(f->problems.count, 1);
		assert_string_equal(f->config.mikrotik_api_url, "");
	}
	load_all(f, "ASTERISK_USERNAME=a\nASTERISK_PASSWORD=p\n"
		    "ENABLE_MIKROTIK_TOOLS=false\n");
	assert_clean(f);
}

static void
time_zone_is_set_for_the_process(void **state)
{
	struct fixture *f = *state;
	time_t noon = 1795262400; /* 2026-11-21 12:00:00 UTC */
	struct tm tm;

	load_all(f, MINIMUM);
	localtime_r(&noon, &tm);
	assert_int_equal(tm.tm_hour, 7);
}

static void
missing_and_odd_files_are_named(void **state)
{
	struct fixture *f = *state;

	config_load(&f->config, "/nonexistent/x.env", PROC_ROLE_TOOLWORKER,
	    &f->problems);
	assert_problem(f, true, "/nonexistent/x.env No such file");
	memset(&f->problems, 0, sizeof(f->problems));
	assert_int_equal(mkfifo(f->file, 0600), 0);
	config_load(&f->config, f->file, PROC_ROLE_TOOLWORKER, &f->problems);
	assert_problem(f, true, "env not a regular file");
	assert_int_equal(unlink(f->file), 0);
}

static void
full_list_of_problems_still_says_fatal(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < CONFIG_PROBLEMS_MAX + 10; i++)
		config_problem(&f->problems, false, "warning %d", i);
	assert_int_equal(config_problems_fatal(&f->problems), 0);
	config_problem(&f->problems, true, "error");
	assert_int_equal(config_problems_fatal(&f->problems), 1);
	assert_int_equal(f->problems.count, CONFIG_PROBLEMS_MAX + 11);
}

static void
named_folder_wins(void **state)
{
	char path[256];

	(void)state;
	config_dir("/srv/personas", "personas", path, sizeof(path));
	assert_string_equal(path, "/srv/personas");
	config_dir("", "personas", path, sizeof(path));
	assert_non_null(strstr(path, "/personas"));
}

static void
urls_are_taken_apart(void **state)
{
	const char *why;
	struct url url;

	(void)state;
	assert_int_equal(
	    url_parse("WSS://api.openai.com/v1/realtime", &url, &why), 0);
	assert_string_equal(url.scheme, "wss");
	assert_string_equal(url.host, "api.openai.com");
	assert_int_equal(url.port, 443);
	assert_string_equal(url.path, "/v1/realtime");
	assert_true(url.tls);
	assert_int_equal(url_parse("http://[2001:db8::1]:8080", &url, &why), 0);
	assert_string_equal(url.host, "2001:db8::1");
	assert_int_equal(url.port, 8080);
	assert_string_equal(url.path, "/");
	assert_false(url.has_query);
	assert_int_equal(url_parse("https://h?a=b", &url, &why), 0);
	assert_string_equal(url.path, "/?a=b");
	assert_true(url.has_query);
}

static void
odd_urls_are_refused(void **state)
{
	static const char *const bad[] = {"", "h", "//h", "http:/h", "http://",
	    "http:///x", "http://:80", "http://h:", "http://h:0",
	    "http://h:65536", "http://h:8 0", "http://h:+80", "http://[::1",
	    "http://[::1]x", "http://[x]", "http://a b/", "http://h/\x01",
	    "http://h/#f", "http://-h", "http://h\xc3\xb1", "http://u@h",
	    "gopher://h", "http://::1"};
	const char *why;
	struct url url;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (url_parse(bad[i], &url, &why) == 0)
			fail_msg("accepted %s", bad[i]);
		assert_true(why[0] != '\0');
	}
}

static void
loopback_is_recognised(void **state)
{
	(void)state;
	assert_true(url_host_is_loopback("localhost"));
	assert_true(url_host_is_loopback("127.3.2.1"));
	assert_true(url_host_is_loopback("::1"));
	assert_true(url_host_is_loopback("::ffff:127.0.0.1"));
	assert_false(url_host_is_loopback("127.0.0.1.example.net"));
	assert_false(url_host_is_loopback("128.0.0.1"));
	assert_false(url_host_is_loopback("localhost.example.net"));
	assert_false(url_host_is_loopback("::ffff:10.0.0.1"));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(defaults_hold_when_only_the_required_is_set),
	    TEST(grammar_of_the_file),
	    TEST(broken_lines_are_named_all_at_once),
	    TEST(nul_bytes_and_control_characters_are_refused),
	    TEST(unknown_and_repeated_keys_are_warnings),
	    TEST(environment_wins_and_foreign_variables_are_no_problem),
	    TEST(empty_means_unset_unless_empty_has_a_meaning),
	    TEST(what_is_missing_is_named_to_the_role_that_needs_it),
	    TEST(a_role_gets_its_own_secrets_only),
	    TEST(secret_leaves_the_environment),
	    TEST(secret_comes_from_a_named_file),
	    TEST(secret_files_are_checked),
	    TEST(secret_comes_from_the_credentials_directory),
	    TEST(exposed_configuration_with_secrets_is_a_warning),
	    TEST(secret_comes_from_the_keepers_memfd),
	    TEST(
		the_supervisor_knows_whether_the_key_is_there_but_not_what_it_is),
	    TEST(foreign_descriptor_is_left_alone),
	    TEST(reload_keeps_a_secret_that_came_only_once),
	    TEST(no_problem_quotes_a_secret),
	    TEST(values_must_make_sense_together),
	    TEST(plain_connections_are_allowed_where_they_are_safe),
	    TEST(few_ports_are_a_warning_and_too_few_an_error),
	    TEST(local_address_must_be_reachable),
	    TEST(unusable_mikrotik_service_is_a_warning),
	    TEST(time_zone_is_set_for_the_process),
	    TEST(missing_and_odd_files_are_named),
	    TEST(full_list_of_problems_still_says_fatal),
	    TEST(named_folder_wins),
	    TEST(urls_are_taken_apart),
	    TEST(odd_urls_are_refused),
	    TEST(loopback_is_recognised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
