/*
 * error_reply.c
 *		The body of an error reply that the engine worker gives by itself, in
 *		place of the engine; engine.h describes it.
 *
 * Nothing here is shared.
 */
#include "engine_worker/engine_worker.h"

static char *
put_string(char *to, const char *string)
{
	uint32		len = string ? strlen(string) : PGRAFT_NULL_LENGTH;

	memcpy(to, &len, sizeof(len));
	to += sizeof(len);
	if (string != NULL)
	{
		memcpy(to, string, len);
		to += len;
	}
	return to;
}

/* palloc'd; hint may be NULL. */
char *
pgraft_error_reply(size_t *len, const char *sqlstate, const char *message,
				   const char *hint)
{
	char	   *body = palloc(PGRAFT_SQLSTATE_BYTES + 3 * sizeof(uint32) + strlen(message) +
							  (hint ? strlen(hint) : 0));
	char	   *to = body;

	memcpy(to, sqlstate, PGRAFT_SQLSTATE_BYTES);
	to = put_string(to + PGRAFT_SQLSTATE_BYTES, message);
	to = put_string(to, NULL);
	to = put_string(to, hint);
	*len = to - body;
	return body;
}
