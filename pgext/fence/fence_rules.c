/*
 * fence_rules.c
 *		F1 and F3, as core/failover/fence.go has them.
 *
 * Nothing here is shared.
 */
#include "fence/fence_rules.h"

PgraftBeginVerdict
pgraft_begin_verdict(const PgraftBeginLook *look)
{
	if (!look->failover)
		return PGRAFT_BEGIN_GO;
	if (!look->joined || look->quarantined)
		return PGRAFT_BEGIN_REFUSE;
	if (look->primary && look->open && look->lease && !look->switchover)
		return PGRAFT_BEGIN_GO;
	if (look->founding || !look->waited)
		return PGRAFT_BEGIN_WAIT;
	return PGRAFT_BEGIN_REFUSE;
}

PgraftAckVerdict
pgraft_ack_verdict(const PgraftAckLook *look)
{
	if (!look->failover)
		return PGRAFT_ACK;
	if (look->over)
		return PGRAFT_ACK_OVER;
	if (!look->open || !look->flushed || look->counted < look->w ||
		(look->pending && look->next < look->next_w) ||
		look->beyond || !look->lease)
		return PGRAFT_ACK_HOLD;
	return look->same ? PGRAFT_ACK : PGRAFT_ACK_RESTART;
}
