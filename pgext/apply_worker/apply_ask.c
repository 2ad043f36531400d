/*
 * apply_ask.c
 *		How the apply worker asks the engine: through a slot, as any backend
 *		does (client.c), but it gives up when it is disturbed.
 *
 * Nothing here is shared.
 */
#include "apply_worker/apply_worker.h"

#include "utils/resowner.h"

/* Asks the engine; NULL if the worker was disturbed meanwhile. */
char *
pgraft_apply_ask(PgraftCall *call, size_t *len)
{
	call->give_up = pgraft_apply_is_disturbed;
	CurrentResourceOwner = AuxProcessResourceOwner;
	return pgraft_call(call, len);
}

/* Asks for rows; false if the worker was disturbed meanwhile. */
bool
pgraft_apply_ask_rows(PgraftCall *call, PgraftRows *rows)
{
	size_t		len;
	char	   *body = pgraft_apply_ask(call, &len);

	if (body != NULL)
		pgraft_reply_open(rows, body, len);
	return body != NULL;
}
