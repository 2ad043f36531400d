/*
 * Prints what the shim reads in each argument as a token, with the slot of its member:
 * fence_test.go builds and runs it.
 */
#include <inttypes.h>
#include <stdio.h>

#include "fence/fence_token.h"

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
	{
		PgraftToken t;
		char		slot[PGRAFT_SLOT_NAME_BYTES];

		if (!pgraft_token_parse(argv[i], &t))
		{
			puts("none");
			continue;
		}
		pgraft_slot_name(slot, t.member);
		printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %s\n", t.epoch, t.boot, t.member, t.follow, slot);
	}
	return 0;
}
