/*
 * Judges the rows of a table of core/failover by the fence's rules:
 *		fence_rules f1|f3 TABLE
 * prints each row on which they say something else than its last column, and how many
 * rows there are.  fence_test.go builds and runs it.
 */
#include <stdio.h>
#include <string.h>

#include "fence/fence_rules.c"

#define MAX_COLUMNS	16

static int
judge_begin(const int *c)
{
	PgraftBeginLook look = {
		.failover = c[0],.joined = c[1],.quarantined = c[2],.primary = c[3],.open = c[4],
		.lease = c[5],.switchover = c[6],.founding = c[7],.waited = c[8]
	};

	return pgraft_begin_verdict(&look);
}

static int
judge_ack(const int *c)
{
	PgraftAckLook look = {
		.failover = c[0],.over = c[1],.open = c[2],.flushed = c[3],.w = c[4],.counted = c[5],
		.pending = c[6],.next_w = c[7],.next = c[8],.beyond = c[9],.lease = c[10],.same = c[11]
	};

	return pgraft_ack_verdict(&look);
}

int
main(int argc, char **argv)
{
	char		line[256];
	FILE	   *table;
	int			rows = 0;
	int			begin;

	if (argc != 3 || (table = fopen(argv[2], "r")) == NULL)
		return 2;
	begin = strcmp(argv[1], "f1") == 0;
	while (fgets(line, sizeof(line), table) != NULL)
	{
		int			columns[MAX_COLUMNS];
		int			n = 0;
		int			used;

		if (line[0] == '#')
			continue;
		for (char *c = line; n < MAX_COLUMNS && sscanf(c, "%d%n", &columns[n], &used) == 1; n++)
			c += used;
		if (n != (begin ? 10 : 13))
			return 3;
		rows++;
		if ((begin ? judge_begin(columns) : judge_ack(columns)) != columns[n - 1])
			printf("differs: %s", line);
	}
	fclose(table);
	printf("%d rows\n", rows);
	return 0;
}
