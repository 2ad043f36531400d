/*
 * tls.c
 *		The settings of TLS between nodes.
 *
 * Every process has its own copy of them, as with any setting.  Only the engine
 * reads the files (node/transport), at its start and at every reload: it says
 * what is wrong with one, and keeps what it has read before.
 */
#include "settings/settings.h"

#include "miscadmin.h"

static bool ssl_enabled = false;
static char *ssl_cert_file;
static char *ssl_key_file;
static char *ssl_ca_file;

/* A relative path starts at the data directory, as with PostgreSQL's own ssl_*_file. */
static bool
check_file(char **newval, void **extra pg_attribute_unused(),
		   GucSource source pg_attribute_unused())
{
	size_t		len = strlen(*newval);

	if (DataDir != NULL && !is_absolute_path(*newval))
		len += strlen(DataDir) + 1;
	if (len >= MAXPGPATH)
	{
		GUC_check_errdetail("The path has %zu bytes; at most %d are allowed.",
							len, MAXPGPATH - 1);
		return false;
	}
	for (const char *c = *newval; *c != '\0'; c++)
	{
		if ((unsigned char) *c < ' ' || *c == 0x7f)
		{
			GUC_check_errdetail("It must not contain control characters.");
			return false;
		}
	}
	return true;
}

void
pgraft_tls_define(void)
{
	DefineCustomBoolVariable("pgraft.ssl_enabled",
							 "Encrypts traffic between nodes with TLS 1.3, with certificates on both sides.",
							 "All nodes of a cluster need the same value.",
							 &ssl_enabled, false,
							 PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("pgraft.ssl_cert_file",
							   "The file of the certificate that this node shows to other nodes.",
							   "A relative path starts at the server's data directory.",
							   &ssl_cert_file, "", PGC_SIGHUP, 0,
							   check_file, NULL, NULL);
	DefineCustomStringVariable("pgraft.ssl_key_file",
							   "The file of the private key of pgraft.ssl_cert_file.",
							   "A relative path starts at the server's data directory.",
							   &ssl_key_file, "", PGC_SIGHUP, 0,
							   check_file, NULL, NULL);
	DefineCustomStringVariable("pgraft.ssl_ca_file",
							   "The file of the certificate authorities whose certificates other nodes may show.",
							   "A relative path starts at the server's data directory.",
							   &ssl_ca_file, "", PGC_SIGHUP, 0,
							   check_file, NULL, NULL);
}

/* An empty setting stays empty; buf has MAXPGPATH bytes. */
static PgraftBytes
absolute_path(char *buf, const char *file)
{
	PgraftBytes path = {buf, 0};

	buf[0] = '\0';
	if (is_absolute_path(file))
		snprintf(buf, MAXPGPATH, "%s", file);
	else if (file[0] != '\0')
		snprintf(buf, MAXPGPATH, "%s/%s", DataDir, file);
	path.len = strlen(buf);
	return path;
}

/* The strings are good until the next call. */
void
pgraft_tls_read(PgraftConfig *config)
{
	static char cert[MAXPGPATH];
	static char key[MAXPGPATH];
	static char ca[MAXPGPATH];

	config->ssl_enabled = ssl_enabled;
	config->ssl_cert_file = absolute_path(cert, ssl_cert_file);
	config->ssl_key_file = absolute_path(key, ssl_key_file);
	config->ssl_ca_file = absolute_path(ca, ssl_ca_file);
}
