/*
 * http.c
 *		The settings of HTTP: where the engine answers probes and Prometheus.
 *
 * Every process has its own copy of them, as with any setting.
 */
#include "settings/settings.h"

static char *http_listen;
static bool http_ssl = false;

/* Whether it is a number from 1 to PGRAFT_MAX_PORT. */
static bool
is_port(const char *text)
{
	size_t		len = strlen(text);

	return len > 0 && len <= 5 && text[strspn(text, "0123456789")] == '\0' &&
		atoi(text) >= 1 && atoi(text) <= PGRAFT_MAX_PORT;
}

/* Why nobody could listen there, a sentence; NULL if somebody could. */
static const char *
listen_fault(const char *value)
{
	const char *colon = strrchr(value, ':');
	char	   *host;
	size_t		len;

	if (colon == NULL)
		return "It must have a port.";
	if (!is_port(colon + 1))
		return "Its port must be a number from 1 to 65535.";
	len = colon - value;
	if (len >= 2 && value[0] == '[' && value[len - 1] == ']')
	{
		host = pnstrdup(value + 1, len - 2);
		if (strchr(host, ':') == NULL)
			return "Brackets are for an IPv6 address.";
		return pgraft_address_fault(host, true);
	}
	host = pnstrdup(value, len);
	if (strchr(host, ':') != NULL)
		return "An IPv6 address must have brackets.";
	return pgraft_address_fault(host, true);
}

static bool
check_http_listen(char **newval, void **extra pg_attribute_unused(),
				  GucSource source pg_attribute_unused())
{
	const char *fault = **newval == '\0' ? NULL : listen_fault(*newval);

	if (fault != NULL)
	{
		GUC_check_errdetail("%s", fault);
		GUC_check_errhint("It is an address and a port, such as 10.0.0.1:8008, [fd00::1]:8008 or 0.0.0.0:8008.");
	}
	return fault == NULL;
}

void
pgraft_http_define(void)
{
	DefineCustomStringVariable("pgraft.http_listen",
							   "The address and port where this server answers probes of load balancers and Prometheus on HTTP.",
							   "If empty, it answers nowhere.",
							   &http_listen, "", PGC_SIGHUP, 0,
							   check_http_listen, NULL, NULL);
	DefineCustomBoolVariable("pgraft.http_ssl",
							 "Encrypts HTTP with the certificate of this node.",
							 "It needs pgraft.ssl_cert_file and pgraft.ssl_key_file.",
							 &http_ssl, false, PGC_SIGHUP, 0,
							 NULL, NULL, NULL);
}

void
pgraft_http_read(PgraftConfig *config)
{
	config->http_listen.data = http_listen;
	config->http_listen.len = strlen(http_listen);
	config->http_ssl = http_ssl;
}
