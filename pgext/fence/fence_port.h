/*
 * fence_port.h
 *		PostgreSQL's side of a client's connection, without the headers of GSSAPI
 *		and OpenSSL, which need not be there.  Port keeps its layout without them.
 *		A part of fence.h's room; include it before other headers of PostgreSQL's.
 */
#ifndef PGRAFT_FENCE_PORT_H
#define PGRAFT_FENCE_PORT_H

#include "postgres.h"

#undef ENABLE_GSS
#undef USE_OPENSSL

#include "libpq/auth.h"
#include "libpq/libpq.h"

#endif							/* PGRAFT_FENCE_PORT_H */
