/*
 * address.c
 *		What can be the address of a node.
 *
 * Whatever no other node could dial is refused when it is set: a cluster that is
 * founded with it can have no second member.  The engine has the same rule
 * (node/address.go), for nodes without PostgreSQL.
 */
#include "settings/settings.h"

#include <arpa/inet.h>
#include <netinet/in.h>

/* Bytes of a label of a host name (RFC 1035). */
#define PGRAFT_MAX_LABEL	63

/* Bytes of an IP address as text, without a zone. */
#define PGRAFT_MAX_IP		INET6_ADDRSTRLEN

#define NOT_A_HOST_NAME		"It is not a host name."
#define NOT_AN_IP_ADDRESS	"It is not an IP address."

/* Letters, digits, hyphens and underscores, as resolvers take them. */
static bool
is_host_name(const char *host)
{
	size_t		len = 0;		/* of the label so far */

	for (const char *c = host; *c != '\0'; c++)
	{
		if (*c == '.')
		{
			if (len == 0 || c[-1] == '-')
				return false;
			len = 0;
			continue;
		}
		if (!((*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z') ||
			  *c == '_' || (*c == '-' && len > 0)) ||
			++len > PGRAFT_MAX_LABEL)
			return false;
	}
	return host[strlen(host) - 1] != '-';
}

static const char *
ipv4_fault(const struct in_addr *ip, bool listen)
{
	uint32		bits = ntohl(ip->s_addr);

	if (IN_MULTICAST(bits) || bits == INADDR_BROADCAST)
		return "It is a multicast or broadcast address.";
	if (bits == INADDR_ANY && !listen)
		return "It stands for every address of the machine: no other node can reach it.";
	return NULL;
}

/* With a zone or without. */
static const char *
ipv6_fault(const char *host, bool listen)
{
	char		bare[PGRAFT_MAX_IP];
	size_t		len = strcspn(host, "%");
	struct in6_addr ip;
	struct in_addr mapped;

	if (len >= sizeof(bare) || (host[len] == '%' && host[len + 1] == '\0'))
		return NOT_AN_IP_ADDRESS;
	memcpy(bare, host, len);
	bare[len] = '\0';
	if (inet_pton(AF_INET6, bare, &ip) != 1)
		return NOT_AN_IP_ADDRESS;
	if (IN6_IS_ADDR_V4MAPPED(&ip) || IN6_IS_ADDR_UNSPECIFIED(&ip))
	{
		memcpy(&mapped, &ip.s6_addr[12], sizeof(mapped));
		return ipv4_fault(&mapped, listen);
	}
	return IN6_IS_ADDR_MULTICAST(&ip) ? "It is a multicast or broadcast address." : NULL;
}

/*
 * Why no other node could dial it, a sentence, or, with listen, why nobody could
 * listen on it; NULL if they could.
 */
const char *
pgraft_address_fault(const char *host, bool listen)
{
	const char *colon = strchr(host, ':');
	struct in_addr ip;

	if (*host == '\0')
		return "It must not be empty.";
	if (strlen(host) > PGRAFT_MAX_ADDRESS_BYTES)
		return psprintf("It has %zu bytes; at most %d are allowed.",
						strlen(host), PGRAFT_MAX_ADDRESS_BYTES);
	for (const char *c = host; *c != '\0'; c++)
		if ((unsigned char) *c <= ' ' || *c == 0x7f)
			return "It must not contain spaces or control characters.";
	if (strstr(host, "://") != NULL)
		return "It must not have a scheme.";
	if (strpbrk(host, "[]") != NULL)
		return "It must not have brackets.";
	if (colon != NULL)
		return strchr(colon + 1, ':') == NULL ? "It must not have a port." :
			ipv6_fault(host, listen);
	if (host[strspn(host, "0123456789.")] != '\0' || strcmp(host, ".") == 0)
		return is_host_name(host) ? NULL : NOT_A_HOST_NAME;
	if (inet_pton(AF_INET, host, &ip) != 1)
		return NOT_AN_IP_ADDRESS;
	return ipv4_fault(&ip, listen);
}

static bool
check(const char *value, bool listen)
{
	const char *fault = pgraft_address_fault(value, listen);

	if (fault != NULL)
	{
		GUC_check_errdetail("%s", fault);
		GUC_check_errhint("%s", PGRAFT_ADDRESS_HINT);
	}
	return fault == NULL;
}

bool
pgraft_check_address(char **newval, void **extra pg_attribute_unused(),
					 GucSource source pg_attribute_unused())
{
	return check(*newval, false);
}

/* If empty, the node listens on pgraft.address. */
bool
pgraft_check_listen_address(char **newval, void **extra pg_attribute_unused(),
							GucSource source pg_attribute_unused())
{
	return **newval == '\0' || check(*newval, true);
}
