/*
 * The boot's rules and its notes, asked from a file, a line of answer for each line:
 *		boot_rules verdict TABLE	as fence_rules: prints the rows that differ, and how many there are
 *		boot_rules steps FILE		what each boot does
 *		boot_rules data|store FILE	each note, in hexadecimal, written anew; or its fault
 * boot_test.go builds and runs it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot/boot_rules.c"
#include "boot/notes.c"

#define MAX_HISTORIES	16

static char line[1 << 16];

static int
judge(FILE *table)
{
	int			rows = 0;

	while (fgets(line, sizeof(line), table) != NULL)
	{
		PgraftFound found;
		PgraftBootVerdict v;
		char		flags[sizeof(found) / sizeof(int) + 1];
		int			role,
					joined,
					doubt,
					damage;

		if (line[0] == '#')
			continue;
		if (sscanf(line, "%14s %d %d %d %d", flags, &role, &joined, &doubt, &damage) != 5 || strlen(flags) != sizeof(flags) - 1)
			return 3;
		for (size_t i = 0; i + 1 < sizeof(flags); i++)
			((int *) &found)[i] = flags[i] - '0';
		v = pgraft_boot_verdict(&found);
		rows++;
		if ((int) v.role != role || v.joined != joined || (int) v.doubt != doubt || (int) v.damage != damage)
			printf("differs: %s", line);
	}
	printf("%d rows\n", rows);
	return 0;
}

/* The bytes of a word in hexadecimal, with a 0 behind them. */
static char *
bytes(const char *word, size_t *len)
{
	char	   *b;

	*len = strspn(word, "0123456789abcdef") / 2;
	b = malloc(*len + 1);
	for (size_t i = 0; i < *len; i++)
	{
		unsigned	byte;

		sscanf(word + 2 * i, "%2x", &byte);
		b[i] = (char) byte;
	}
	b[*len] = '\0';
	return b;
}

static void
print_note(const PgraftDataNote *note)
{
	char		text[4096];
	size_t		len = pgraft_data_note_write(note, text, sizeof(text));

	fputs("note ", stdout);
	for (size_t i = 0; i < len; i++)
		printf("%02x", (unsigned char) text[i]);
	putchar(' ');
}

static void
print_step(PgraftNotes *notes, const PgraftAtBoot *at)
{
	PgraftBooting b = pgraft_boot_step(notes, at);

	if (b.note_data)
		print_note(&notes->data);
	for (size_t i = 0; b.remove && i < at->nhistories; i++)
		if (at->histories[i] > at->last)
			printf("remove %u ", at->histories[i]);
	if (b.cut != 0)
		printf("cut %" PRIu64 " ", b.cut);
	if (b.note_cut)
		print_note(&notes->data);
	if (b.as_standby)
		fputs("standby ", stdout);
	if (b.again)
		puts("again");
	else
		printf("role %d joined %d doubt %d damage %d\n", (int) b.verdict.role, b.verdict.joined, (int) b.verdict.doubt, (int) b.verdict.damage);
}

static int
steps(FILE *file)
{
	while (fgets(line, sizeof(line), file) != NULL)
	{
		PgraftNotes notes;
		PgraftAtBoot at;
		uint32_t	histories[MAX_HISTORIES];
		char	   *c = line;
		size_t		len;
		int			used;
		char	   *text = bytes(c, &len);

		if (pgraft_data_note_read(text, len, &notes.data) != PGRAFT_NOTE_READ)
			return 3;
		c = strchr(c, ' ') + 1;
		text = bytes(c, &len);
		if (pgraft_store_note_read(text, len, &notes.store) != PGRAFT_NOTE_READ)
			return 4;
		c = strchr(c, ' ') + 1;
		if (sscanf(c, "%d %d %d %d %d %d %" SCNu32 " %" SCNu32 " %" SCNu64 " %" SCNu64 " %n", &at.marker, &at.lowered, &at.label, &at.hole, &at.store_lost, &at.was_primary,
				   &at.last, &at.end_timeline, &at.end_lsn, &at.min_recovery, &used) != 10)
			return 5;
		at.histories = histories;
		at.nhistories = 0;
		for (c += used; at.nhistories < MAX_HISTORIES && sscanf(c, "%" SCNu32 "%n", &histories[at.nhistories], &used) == 1; c += used)
			at.nhistories++;
		print_step(&notes, &at);
	}
	return 0;
}

static int
notes(FILE *file, int data)
{
	static const char *const faults[] = {NULL, "damaged", "other version", "no memory"};

	while (fgets(line, sizeof(line), file) != NULL)
	{
		size_t		len;
		char	   *text = bytes(line, &len);
		char		written[4096];
		PgraftDataNote d;
		PgraftStoreNote s;
		PgraftNoteFault fault = data ? pgraft_data_note_read(text, len, &d) : pgraft_store_note_read(text, len, &s);

		if (fault != PGRAFT_NOTE_READ)
		{
			puts(faults[fault]);
			continue;
		}
		len = data ? pgraft_data_note_write(&d, written, sizeof(written)) : pgraft_store_note_write(&s, written, sizeof(written));
		for (size_t i = 0; i < len; i++)
			printf("%02x", (unsigned char) written[i]);
		puts("");
	}
	return 0;
}

int
main(int argc, char **argv)
{
	FILE	   *file;

	if (argc != 3 || (file = fopen(argv[2], "r")) == NULL)
		return 2;
	if (strcmp(argv[1], "verdict") == 0)
		return judge(file);
	if (strcmp(argv[1], "steps") == 0)
		return steps(file);
	return notes(file, strcmp(argv[1], "data") == 0);
}
