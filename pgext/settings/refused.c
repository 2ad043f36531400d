/*
 * refused.c
 *		Settings that were given at server start and refused.
 *
 * PostgreSQL reads its files before it loads this library: until the library
 * defines its settings, it keeps what was given for them as placeholders.  A
 * value that then turns out to be wrong leaves a WARNING in the server log, and
 * the default in force.  A node must not start with that: it would run without
 * TLS, at another address, or in another directory, where it would miss its
 * data.  So what was given is remembered before the settings are defined, and
 * compared with them afterwards.  A name that no setting has counts too.
 *
 * The list is made once, by the postmaster, and every process inherits it.  The
 * engine worker looks again after each reload, at those that a reload can put
 * right; its statics are its own.
 */
#include "settings/settings.h"

#include <ctype.h>

#include "lib/stringinfo.h"
#include "utils/guc_tables.h"
#include "utils/memutils.h"

#define PGRAFT_PREFIX		"pgraft."

/* Bytes of a value that are shown. */
#define PGRAFT_SHOWN_VALUE	100

typedef struct Given
{
	const char *name;
	const char *value;
	const char *place;			/* where it stands, a sentence; or NULL */
	const char *why;			/* it was refused; NULL: it was not */
	bool		reloadable;		/* a reload can put it right */
} Given;

static Given *given;
static int	ngiven;

static bool
has_prefix(const char *name)
{
	return pg_strncasecmp(name, PGRAFT_PREFIX, strlen(PGRAFT_PREFIX)) == 0;
}

static const char *
place_of(const struct config_generic *variable)
{
	if (variable->sourcefile != NULL)
		return psprintf("It stands in file \"%s\", line %d.",
						variable->sourcefile, variable->sourceline);
	if (variable->source == PGC_S_ARGV)
		return "It was given on the command line.";
	return NULL;
}

/* The context of a setting that there is. */
static GucContext
context_of(const char *name)
{
	int			n;
	struct config_generic **variables = pgraft_guc_variables(&n);

	for (int i = 0; i < n; i++)
		if (pg_strcasecmp(variables[i]->name, name) == 0)
			return variables[i]->context;
	elog(ERROR, "there is no setting \"%s\"", name);
}

/* Before the settings are defined: what was given for them. */
void
pgraft_refused_begin(void)
{
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
	int			n;
	struct config_generic **variables = pgraft_guc_variables(&n);

	ngiven = 0;
	given = palloc0(Max(n, 1) * sizeof(Given));
	for (int i = 0; i < n; i++)
	{
		struct config_generic *variable = variables[i];
		const char *value;
		Given	   *g;

		if ((variable->flags & GUC_CUSTOM_PLACEHOLDER) == 0 || !has_prefix(variable->name))
			continue;
		value = GetConfigOption(variable->name, true, false);
		g = &given[ngiven++];
		g->name = pstrdup(variable->name);
		g->value = pstrdup(value ? value : "");
		g->place = place_of(variable);
		g->reloadable = variable->source <= PGC_S_FILE;
	}
	MemoryContextSwitchTo(caller);
}

/*
 * Why the setting cannot have this value, as ALTER SYSTEM says it: sentences,
 * palloc'd.  NULL if it can.
 */
static char *
why_refused(const char *name, const char *value, GucContext context)
{
	MemoryContext caller = CurrentMemoryContext;
	char	   *volatile why = NULL;

	PG_TRY();
	{
		(void) set_config_option(name, value, context, PGC_S_FILE,
								 GUC_ACTION_SET, false, ERROR, false);
	}
	PG_CATCH();
	{
		ErrorData  *error;
		StringInfoData text;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		initStringInfo(&text);
		if (error->detail != NULL)
			appendStringInfoString(&text, error->detail);
		else
			appendStringInfo(&text, "%c%s.", toupper((unsigned char) error->message[0]),
							 error->message + 1);
		if (error->hint != NULL)
			appendStringInfo(&text, " %s", error->hint);
		FreeErrorData(error);
		why = text.data;
	}
	PG_END_TRY();
	return why;
}

/*
 * After the settings are defined, and before what is left of the placeholders is
 * removed: which of those given were refused.
 */
void
pgraft_refused_end(void)
{
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

	for (int i = 0; i < ngiven; i++)
	{
		Given	   *g = &given[i];

		if ((GetConfigOptionFlags(g->name, true) & GUC_CUSTOM_PLACEHOLDER) != 0)
		{
			g->why = "pgraft has no setting of that name.";
			g->reloadable = false;
		}
		else
		{
			g->why = why_refused(g->name, g->value, PGC_POSTMASTER);
			if (g->why == NULL)
				g->why = pgraft_timing_refuses(g->name);
			if (context_of(g->name) == PGC_POSTMASTER)
				g->reloadable = false;
		}
	}
	MemoryContextSwitchTo(caller);
}

/* Whether this setting was given, and refused. */
bool
pgraft_refused_is(const char *name)
{
	for (int i = 0; i < ngiven; i++)
		if (given[i].why != NULL && pg_strcasecmp(given[i].name, name) == 0)
			return true;
	return false;
}

/* As it would stand in a file, in printable ASCII; palloc'd. */
static char *
show(const Given *g)
{
	StringInfoData text;
	int			shown = 0;

	initStringInfo(&text);
	appendStringInfo(&text, "%s = '", g->name);
	for (const char *c = g->value; *c != '\0'; c++)
	{
		if (++shown > PGRAFT_SHOWN_VALUE)
		{
			appendStringInfoString(&text, "...");
			break;
		}
		appendStringInfoChar(&text, *c >= ' ' && *c < 0x7f ? *c : '?');
	}
	appendStringInfoChar(&text, '\'');
	return text.data;
}

/* In the postmaster: a line in the server log for each. */
void
pgraft_refused_report(void)
{
	for (int i = 0; i < ngiven; i++)
		if (given[i].why != NULL)
			ereport(WARNING,
					(errmsg("pgraft refused the setting %s, so its node does not start", show(&given[i])),
					 errdetail_internal("%s%s%s", given[i].why, given[i].place ? "\n" : "",
										given[i].place ? given[i].place : "")));
}

/*
 * In the engine worker, at its start and after a reload: a setting that the
 * files now have right, or no longer have, is not refused any more.
 */
void
pgraft_refused_look_again(void)
{
	for (int i = 0; i < ngiven; i++)
	{
		Given	   *g = &given[i];
		char	   *value;
		char	   *why;

		if (g->why == NULL || !g->reloadable)
			continue;
		value = pgraft_coming_setting(g->name);
		why = value == NULL ? NULL : why_refused(g->name, value, PGC_SIGHUP);
		if (why == NULL)
			why = pgraft_timing_refuses(g->name);
		if (value != NULL)
			g->value = MemoryContextStrdup(TopMemoryContext, value);
		g->why = why == NULL ? NULL : MemoryContextStrdup(TopMemoryContext, why);
	}
}

/*
 * What keeps the node from starting; empty if nothing does.  The strings are
 * palloc'd.
 */
void
pgraft_refused_read(PgraftConfig *config)
{
	StringInfoData detail;
	int			refused = 0;
	char	   *what = NULL;

	for (int i = 0; i < ngiven; i++)
		if (given[i].why != NULL && refused++ == 0)
			what = show(&given[i]);
	if (refused == 0)
		return;

	initStringInfo(&detail);
	for (int i = 0; i < ngiven; i++)
	{
		if (given[i].why == NULL)
			continue;
		config->refused_until_restart |= !given[i].reloadable;
		if (refused > 1)
			appendStringInfo(&detail, "%s%s: ", detail.len > 0 ? "\n" : "", show(&given[i]));
		appendStringInfoString(&detail, given[i].why);
	}
	what = psprintf("the setting %s was refused", what);
	if (refused > 1)
		what = psprintf("%s (and %d more)", what, refused - 1);
	config->refused.data = what;
	config->refused.len = strlen(what);
	config->refused_detail.data = detail.data;
	config->refused_detail.len = detail.len;
}
