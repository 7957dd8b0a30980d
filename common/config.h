/* SPDX-License-Identifier: MIT */
/*
 * config.h – what the operator set, from a file and the environment.
 *
 * A setting is KEY=value in --config FILE or in the environment (which wins).
 * A secret may also be in a file named by KEY_FILE, or in systemd's
 * credentials directory ($CREDENTIALS_DIRECTORY/KEY). Each process loads the
 * configuration itself and keeps the secrets of its own role only; lines with
 * another role's secret are passed over and their bytes wiped.
 *
 * Every problem is collected, so that `telefonista --check` can show all of
 * them at once; each names the setting and the remedy.
 */
#ifndef COMMON_CONFIG_H
#define COMMON_CONFIG_H

#include "common/proc.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CONFIG_TEXT_MAX = 256, /* bytes of a value, NUL included */
	CONFIG_SECRET_MAX = 512,
	CONFIG_PROBLEMS_MAX = 64,
};

/*
 * The table: X(member, KEY, kind, default, min, max, "what it is").
 * Kinds: TEXT, NUMBER (long; min..max), FRACTION (double; min..max),
 * SWITCH (yes/no/true/false/1/0/on/off), CHOICE (see config.c), and
 * SECRET (of the role in config.c's secret table). Durations carry their
 * unit in the member's name.
 */
#define CONFIG_TABLE(X)                                                        \
	/* Asterisk */                                                         \
	X(asterisk_host, ASTERISK_HOST, TEXT, "127.0.0.1", 1, 253,             \
	    "host name or address of Asterisk's HTTP server")                  \
	X(asterisk_port, ASTERISK_PORT, NUMBER, "8088", 1, 65535,              \
	    "port of Asterisk's HTTP server (http.conf)")                      \
	X(asterisk_tls, ASTERISK_TLS, SWITCH, "no", 0, 0,                      \
	    "whether that port speaks HTTPS")                                  \
	X(asterisk_ca_file, ASTERISK_CA_FILE, TEXT, "", 0, 255,                \
	    "CA certificate of Asterisk's HTTPS; empty: the system's")         \
	X(asterisk_allow_plain_http, ASTERISK_ALLOW_PLAIN_HTTP, SWITCH, "no",  \
	    0, 0, "allow plain HTTP to an Asterisk on another machine")        \
	X(asterisk_username, ASTERISK_USERNAME, TEXT, "", 1, 255,              \
	    "user of ari.conf, not read_only")                                 \
	X(asterisk_password, ASTERISK_PASSWORD, SECRET, "", 1, 511,            \
	    "that user's password")                                            \
	X(ari_app, ARI_APP, TEXT, "openai-app", 1, 64,                         \
	    "name given to Stasis() in the dialplan")                          \
	X(local_ip_address, LOCAL_IP_ADDRESS, TEXT, "", 0, 45,                 \
	    "address at which Asterisk reaches us; empty: found by itself")    \
	X(rtp_port_min, RTP_PORT_MIN, NUMBER, "21000", 1024, 65535,            \
	    "first UDP port for RTP")                                          \
	X(rtp_port_max, RTP_PORT_MAX, NUMBER, "21999", 1024, 65535,            \
	    "last UDP port for RTP")                                           \
	/* OpenAI */                                                           \
	X(openai_api_key, OPENAI_API_KEY, SECRET, "", 1, 511,                  \
	    "key of the OpenAI project")                                       \
	X(openai_realtime_url, OPENAI_REALTIME_URL, TEXT,                      \
	    "wss://api.openai.com/v1/realtime", 1, 255,                        \
	    "Realtime endpoint; ws:// only for a loopback address")            \
	X(openai_ca_file, OPENAI_CA_FILE, TEXT, "", 0, 255,                    \
	    "CA certificate of that endpoint; empty: the system's")            \
	X(openai_realtime_model, OPENAI_REALTIME_MODEL, TEXT,                  \
	    "gpt-realtime-2.1", 1, 128, "Realtime model")                      \
	X(openai_voice, OPENAI_VOICE, TEXT, "marin", 1, 64,                    \
	    "voice, unless the persona names one")                             \
	X(openai_transcription_model, OPENAI_TRANSCRIPTION_MODEL, TEXT,        \
	    "gpt-transcribe", 0, 128,                                          \
	    "model that transcribes the caller; empty: no transcript")         \
	X(openai_reasoning_effort, OPENAI_REASONING_EFFORT, CHOICE, "low", 0,  \
	    0, "minimal, low, medium, high, xhigh, or empty: not sent")        \
	X(turn_detection, TURN_DETECTION, CHOICE, "server_vad", 0, 0,          \
	    "server_vad or semantic_vad")                                      \
	X(vad_threshold, VAD_THRESHOLD, FRACTION, "0.5", 0, 1,                 \
	    "server_vad: how loud speech must be")                             \
	X(vad_prefix_ms, VAD_PREFIX_MS, NUMBER, "300", 0, 5000,                \
	    "server_vad: audio kept from before speech was noticed")           \
	X(vad_silence_ms, VAD_SILENCE_MS, NUMBER, "500", 100, 5000,            \
	    "server_vad: silence that ends a turn")                            \
	X(vad_eagerness, VAD_EAGERNESS, CHOICE, "auto", 0, 0,                  \
	    "semantic_vad: low, medium, high or auto")                         \
	X(noise_reduction, NOISE_REDUCTION, CHOICE, "near_field", 0, 0,        \
	    "near_field, far_field or off")                                    \
	/* Calls */                                                            \
	X(max_calls, MAX_CALLS, NUMBER, "50", 1, 2000,                         \
	    "calls at the same time")                                          \
	X(max_calls_per_number, MAX_CALLS_PER_NUMBER, NUMBER, "3", 1, 2000,    \
	    "calls at the same time from one number; anonymous ones together " \
	    "count as MAX_CALLS")                                              \
	X(max_call_s, MAX_CALL_SECONDS, NUMBER, "1800", 30, 86400,             \
	    "longest call; the voice says goodbye, then it ends")              \
	X(silent_caller_s, SILENT_CALLER_SECONDS, NUMBER, "30", 5, 600,        \
	    "silence after which a caller is asked, once, and then let go")    \
	X(answer_timeout_ms, ANSWER_TIMEOUT_MS, NUMBER, "4000", 500, 30000,    \
	    "longest ringing before the fallback takes a call")                \
	X(warm_workers, WARM_WORKERS, NUMBER, "2", 0, 64,                      \
	    "spare callworkers with a connected session")                      \
	X(audio_priority, AUDIO_PRIORITY, SWITCH, "yes", 0, 0,                 \
	    "run calls at real-time priority where the system allows it")      \
	X(drain_s, DRAIN_SECONDS, NUMBER, "20", 0, 3600,                       \
	    "time that live calls get to end after SIGTERM")                   \
	X(fallback_context, FALLBACK_CONTEXT, TEXT, "", 0, 79,                 \
	    "dialplan context for a call that we cannot take")                 \
	X(fallback_sound, FALLBACK_SOUND, TEXT,                                \
	    "sound:telefonista-sin-servicio", 0, 255,                          \
	    "media URI played when there is no FALLBACK_CONTEXT")              \
	X(person_destination, PERSON_DESTINATION, TEXT, "persona", 1, 64,      \
	    "a transfer's destination for callers who want a person")          \
	X(default_country, DEFAULT_COUNTRY, NUMBER, "57", 1, 999,              \
	    "country code of numbers without one")                             \
	X(timezone, TIMEZONE, TEXT, "America/Bogota", 1, 64,                   \
	    "time zone of what the voice says and of the log")                 \
	X(persona_default, PERSONA, TEXT, "soporte", 1, 64,                    \
	    "persona when neither dialled number nor Stasis() names one")      \
	X(persona_dir, PERSONA_DIR, TEXT, "", 0, 255,                          \
	    "folder of *.md personas; empty: etc/personas, see README")        \
	X(tools_dir, TOOLS_DIR, TEXT, "", 0, 255,                              \
	    "folder of *.json tools; empty: etc/tools.d, see README")          \
	/* Tools */                                                            \
	X(tool_workers, TOOL_WORKERS, NUMBER, "4", 1, 32,                      \
	    "processes that run tools")                                        \
	X(tool_worker_jobs, TOOL_WORKER_JOBS, NUMBER, "1000", 1, 1000000,      \
	    "jobs after which such a process is replaced by a fresh one")      \
	X(tool_sound_after_ms, TOOL_SOUND_AFTER_MS, NUMBER, "2500", 0, 600000, \
	    "wait for a tool after which a soft sound is heard; 0: never")     \
	X(tool_progress_after_ms, TOOL_PROGRESS_AFTER_MS, NUMBER, "8000", 0,   \
	    600000, "wait after which the voice says how it goes; 0: never")   \
	X(tool_progress_every_ms, TOOL_PROGRESS_EVERY_MS, NUMBER, "15000",     \
	    1000, 600000, "time until it says so again")                       \
	X(tool_folders, TOOL_FOLDERS, TEXT, "", 0, 255,                        \
	    "folders that tools may change besides, with ':' between")         \
	X(enable_mikrotik_tools, ENABLE_MIKROTIK_TOOLS, SWITCH, "yes", 0, 0,   \
	    "offer consultar_mikrotik to the voice")                           \
	X(mikrotik_api_url, MIKROTIK_API_URL, TEXT, "", 0, 255,                \
	    "base URL of the MikroTik query service")                          \
	X(routers_file, ROUTERS_FILE, TEXT, "", 0, 255,                        \
	    "inventory of routers; empty: etc/routers.json, see README")       \
	X(staff_pins, STAFF_PINS, SECRET, "", 0, 511,                          \
	    "PINs of the staff: name:pin, name:pin, ...")                      \
	X(customer_lookup, CUSTOMER_LOOKUP, TEXT, "", 0, 64,                   \
	    "tool that looks a caller's number up while it rings")             \
	X(customers_dsn, CUSTOMERS_DSN, TEXT, "", 0, 255,                      \
	    "ODBC connection string of the customers' database, or example")   \
	X(courses_dsn, COURSES_DSN, TEXT, "", 0, 255,                          \
	    "ODBC connection string of the course catalogue, or example")      \
	/* Operation */                                                        \
	X(control_socket, CONTROL_SOCKET, TEXT, "", 0, 107,                    \
	    "socket of telefonistactl; empty: in systemd's runtime directory") \
	X(records_dir, RECORDS_DIR, TEXT, "", 0, 255,                          \
	    "folder of call records; empty: in systemd's state directory")     \
	X(records_days, RECORDS_DAYS, NUMBER, "90", 0, 36500,                  \
	    "days that call records are kept; 0: for ever")                    \
	X(record_transcripts, RECORD_TRANSCRIPTS, SWITCH, "no", 0, 0,          \
	    "write what is said to the call records")                          \
	/* The system */                                                       \
	X(sandbox, SANDBOX, CHOICE, "enforce", 0, 0,                           \
	    "walls around each process: enforce, kill (for tests) or off")     \
	X(run_as_root, RUN_AS_ROOT, SWITCH, "no", 0, 0,                        \
	    "allow the service to run as root")                                \
	/* Log */                                                              \
	X(log_file_path, LOG_FILE_PATH, TEXT, "", 0, 255,                      \
	    "log file; empty: standard error or the journal")                  \
	X(log_level, LOG_LEVEL, CHOICE, "info", 0, 0,                          \
	    "error, warning, info or debug")                                   \
	X(log_transcripts, LOG_TRANSCRIPTS, SWITCH, "no", 0, 0,                \
	    "write what is said to the log")                                   \
	X(show_caller_number, SHOW_CALLER_NUMBER, CHOICE, "last4", 0, 0,       \
	    "caller's number in titles and log: full, last4 or no")

/* One member per row of the table. */
struct config {
#define CONFIG_DECLARE_TEXT(member)                char member[CONFIG_TEXT_MAX];
#define CONFIG_DECLARE_SECRET(member)              char member[CONFIG_SECRET_MAX];
#define CONFIG_DECLARE_CHOICE(member)              char member[CONFIG_TEXT_MAX];
#define CONFIG_DECLARE_NUMBER(member)              long member;
#define CONFIG_DECLARE_FRACTION(member)            double member;
#define CONFIG_DECLARE_SWITCH(member)              bool member;
#define X(member, key, kind, dflt, min, max, what) CONFIG_DECLARE_##kind(member)
	CONFIG_TABLE(X)
#undef X
	/* Of the keeper's environment, by number in the table: a supervisor
	 * knows that another role's secret is there, not what it is. */
	uint64_t secrets_elsewhere;
};

/* What is wrong with the configuration, in the operator's words. */
struct config_problems {
	size_t count; /* may exceed the array: the rest is only counted */
	struct {
		bool fatal; /* false: a warning, the service can run */
		char text[512];
	} list[CONFIG_PROBLEMS_MAX];
};

void config_problem(struct config_problems *problems, bool fatal,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));
size_t config_problems_fatal(const struct config_problems *problems);

/*
 * Loads FILE (NULL: none) and the environment for ROLE into *CONFIG, applies
 * defaults and checks every value. *CONFIG is zeroed, or a copy of an earlier
 * load (SIGHUP): then a secret that is found nowhere any more is kept, since
 * PROC_FD_SECRETS, if it is the keeper's memfd, is read and closed, and the
 * role's own secrets leave the environment. PROBLEMS is appended to. Settings
 * are usable when no fatal problem was added. Sets TZ for the process from
 * TIMEZONE.
 *
 * The supervisor, which starts first and talks to the operator, also says
 * when another role's secret is nowhere, without reading it.
 */
void config_load(struct config *config, const char *file, enum proc_role role,
    struct config_problems *problems);

/* Whether every secret that ROLE needs is in CONFIG. */
bool config_has_secrets(const struct config *config, enum proc_role role);

/* Overwrites the secrets; call before exit and after handing them over. */
void config_wipe(struct config *config);

/*
 * The path of a folder setting, or where its SUBFOLDER ("personas") is: etc/
 * of the source tree for binaries that run from it, else /etc/telefonista,
 * else what came with the program. It need not exist.
 */
void config_dir(
    const char *setting, const char *subfolder, char *path, size_t size);

#endif
