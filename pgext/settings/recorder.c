/*
 * recorder.c
 *		The flight recorder's settings.
 *
 * Every process has its own copy of them, as with any setting.  What the
 * recorder does is the engine's business (node/recorder).
 */
#include "settings/settings.h"

#include <limits.h>

static int	trace = PGRAFT_TRACE_RING;
static int	trace_size = 64;
static bool trace_redact = false;

static const struct config_enum_entry trace_modes[] = {
	{"off", PGRAFT_TRACE_OFF, false},
	{"ring", PGRAFT_TRACE_RING, false},
	{"full", PGRAFT_TRACE_FULL, false},
	{NULL, 0, false}
};

void
pgraft_recorder_define(void)
{
	DefineCustomEnumVariable("pgraft.trace",
							 "What the flight recorder keeps, to replay an incident with.",
							 "\"ring\" keeps the newest part, \"full\" everything: its files are yours to remove.",
							 &trace, PGRAFT_TRACE_RING, trace_modes,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pgraft.trace_size",
							"The size of the flight recorder's ring of files.",
							NULL,
							&trace_size, 64, PGRAFT_MIN_TRACE_BYTES / (1024 * 1024), INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MB, NULL, NULL, NULL);
	DefineCustomBoolVariable("pgraft.trace_redact",
							 "Leaves the data of entries out of the flight recorder's files.",
							 "Bytes made of its hash stand in for it.",
							 &trace_redact, false,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
}

void
pgraft_recorder_read(PgraftConfig *config)
{
	config->trace = trace;
	config->trace_bytes = (uint64) trace_size * 1024 * 1024;
	config->trace_redact = trace_redact;
}
