/*
 * fence_auth.c
 *		Walsenders as they are let in: by which token, and whether what they send
 *		may be sent.
 *
 * Nothing here is shared.
 */
#include "fence/fence.h"

#include "fence/fence_port.h"

#include "replication/walsender.h"
#include "utils/guc.h"

#include "server/server.h"

#include "server/server.h"

static ClientAuthentication_hook_type prev_ClientAuthentication = NULL;

/*
 * Nobody gets WAL by a token of another epoch or boot: a standby that has not heard yet
 * would write WAL of a timeline that it has not noted.  Nor does anybody by a name that
 * stands in the names for a member without a token.
 */
static void
enter(const char *name)
{
	PgraftToken token;
	PgraftFence fence;
	bool		is_token = pgraft_token_parse(name, &token);

	(void) pgraft_fence_get(&fence);
	if (fence.failover &&
		(!is_token || !fence.primary || token.epoch != fence.epoch || token.boot != fence.boot))
		ereport(FATAL,
				(errcode(ERRCODE_CANNOT_CONNECT_NOW),
				 errmsg("this server sends no WAL to a standby that calls itself \"%s\"", name),
				 fence.primary ?
				 errdetail("It is the primary of epoch " UINT64_FORMAT ", and its boot is " UINT64_FORMAT ".",
						   fence.epoch, fence.boot) :
				 errdetail("It is not the primary.")));
	if (is_token)
		pgraft_senders_enter(&token);
	/* a walreceiver knows what it is told by its text: see host_stream.c */
	SetConfigOption("lc_messages", "C", PGC_SUSET, PGC_S_OVERRIDE);
}

/*
 * A logical walsender runs no statement, and sends what was committed.  A physical one
 * serves standbys, pg_basebackup and the like, which may have all there is.
 */
static void
authenticated(Port *port, int status)
{
	if (prev_ClientAuthentication)
		prev_ClientAuthentication(port, status);
	if (status != STATUS_OK || !am_walsender)
		return;
	pgraft_in_force_inherited();
	if (am_db_walsender)
		pgraft_fence_reads();
	/* the setting itself is not in force yet */
	else if (port->application_name != NULL && pgraft_token_has_prefix(port->application_name))
		enter(port->application_name);
}

void
pgraft_fence_auth_install(void)
{
	prev_ClientAuthentication = ClientAuthentication_hook;
	ClientAuthentication_hook = authenticated;
}
