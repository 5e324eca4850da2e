/* SPDX-License-Identifier: ISC */
/* config_listener.c: what a [listener NAME] may say, and which listeners there can be beside each other. */
#include "config.h"
#include "config_values.h"
#include "base/parse.h"
#include "base/util.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

const char *const config_family_words[] = {
	[FAMILY_BOTH] = "both", [FAMILY_IPV4] = "ipv4", [FAMILY_IPV6] = "ipv6", NULL};

static bool is_ipv4(const struct in6_addr *ip)
{
	return IN6_IS_ADDR_V4MAPPED(ip);
}

/* An address as clients could connect to it. IPv4 becomes v4-mapped, as the socket has it. */
static int parse_ip(const char *text, struct in6_addr *ret)
{
	struct in6_addr ip = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

	if (inet_pton(AF_INET, text, &ip.s6_addr[12]) != 1 && inet_pton(AF_INET6, text, &ip) != 1)
		return -EINVAL;
	*ret = ip;
	return 0;
}

static bool is_unspecified(const struct in6_addr *ip)
{
	return IN6_IS_ADDR_UNSPECIFIED(ip) || (is_ipv4(ip) && ip->s6_addr32[3] == 0);
}

static bool is_multicast(const struct in6_addr *ip)
{
	return IN6_IS_ADDR_MULTICAST(ip) || (is_ipv4(ip) && ip->s6_addr[12] >= 224);
}

int value_listener_address(const struct lang_value *v, void *base)
{
	struct config_listener *l = base;
	struct in6_addr ip;
	int r = parse_ip(v->text, &ip);

	l->address_line = v->where.line;
	if (r < 0)
		return r;
	if (is_unspecified(&ip))
		return lang_refuse(v, "'%s' is all addresses: leave it out, and say family = %s if only those", v->text,
			is_ipv4(&ip) ? "ipv4" : "ipv6");
	if (is_multicast(&ip))
		return -EINVAL;
	l->ip = ip;
	l->has_address = true;
	return 0;
}

int value_listener_family(const struct lang_value *v, void *base)
{
	struct config_listener *l = base;

	l->family_line = v->where.line;
	for (unsigned i = 0; config_family_words[i]; i++)
		if (strcmp(config_family_words[i], v->text) == 0) {
			l->family = i;
			return 0;
		}
	return -EINVAL;
}

int value_listener_device(const struct lang_value *v, void *base)
{
	struct config_listener *l = base;
	size_t len = strlen(v->text);
	char *copy;

	if (len >= IFNAMSIZ || strpbrk(v->text, "/: \t") || strcmp(v->text, ".") == 0 || strcmp(v->text, "..") == 0)
		return -EINVAL;
	copy = strdup(v->text);
	if (!copy)
		return -ENOMEM;
	free(l->device);
	l->device = copy;
	return 0;
}

int value_listener_trusted(const struct lang_value *v, void *base)
{
	struct config_listener *l = base;
	struct trp_cidr range, *grown;
	int r;

	if (!v->text) {
		l->n_trusted = 0;
		return 0;
	}
	r = trp_parse_cidr(v->text, &range);
	if (r == -EDOM)
		return lang_refuse(v, "'%s' has bits set that its length leaves out", v->text);
	if (r < 0)
		return r;
	if (l->n_trusted == CONFIG_TRUSTED_MAX)
		return lang_refuse(v, "more than %d of them", CONFIG_TRUSTED_MAX);
	grown = reallocarray(l->trusted, l->n_trusted + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	l->trusted = grown;
	l->trusted[l->n_trusted++] = range;
	return 0;
}

int value_listener_default(const struct lang_value *v, void *base)
{
	struct config_listener *l = base;
	char *copy;

	l->default_line = v->where.line;
	if (!trp_valid_service_name(v->text))
		return -EINVAL;
	copy = strdup(v->text);
	if (!copy)
		return -ENOMEM;
	free(l->default_service);
	l->default_service = copy;
	return 0;
}

const char *const config_missing_words[] = {"cgroup-bpf", NULL};

/* systemd.socket(5): printable ASCII without a colon */
int value_listener_fd(const struct lang_value *v, void *base)
{
	struct config_listener *l = base;
	uint64_t number;
	char *copy;

	l->fd_line = v->where.line;
	if (strlen(v->text) > 255 || (trp_parse_u64(v->text, &number) == 0 && (number < 3 || number > 1000)))
		return -EINVAL;
	for (const char *s = v->text; *s; s++)
		if (*s <= ' ' || *s > '~' || *s == ':')
			return -EINVAL;
	copy = strdup(v->text);
	if (!copy)
		return -ENOMEM;
	free(l->fd_name);
	l->fd_name = copy;
	return 0;
}

int value_listener_redirect(const struct lang_value *v, void *base)
{
	struct config_listener *l = base;

	l->redirect_line = v->where.line;
	return trp_parse_bool(v->text, &l->redirect_https);
}

void config_listener_free(struct config_listener *l)
{
	free(l->name);
	free(l->default_service);
	free(l->fd_name);
	strv_free(&l->allow_missing);
	free(l->device);
	free(l->trusted);
}

void config_listener_text(const struct config_listener *l, char out[CONFIG_LISTENER_TEXT])
{
	char ip[INET6_ADDRSTRLEN] = "";

	if (l->has_address && is_ipv4(&l->ip))
		inet_ntop(AF_INET, &l->ip.s6_addr[12], ip, sizeof(ip));
	else if (l->has_address)
		inet_ntop(AF_INET6, &l->ip, ip, sizeof(ip));
	if (l->fd_name) {
		snprintf(out, CONFIG_LISTENER_TEXT, "port %u inherited as %.64s", l->port, l->fd_name);
		return;
	}
	snprintf(out, CONFIG_LISTENER_TEXT, "%s%sport %u%s%s%s", ip, *ip ? " " : "", l->port,
		!l->has_address && l->family == FAMILY_IPV4	    ? " of IPv4"
			: !l->has_address && l->family == FAMILY_IPV6 ? " of IPv6"
								      : "",
		l->device ? " on " : "", l->device ? l->device : "");
}

/* As the kernel compares bound sockets (inet_bind_conflict): no interface is every interface, no address every address of
 * its families. */
static bool scopes_overlap(const struct config_listener *a, const struct config_listener *b)
{
	if (a->device && b->device && strcmp(a->device, b->device) != 0)
		return false;
	if (a->family != FAMILY_BOTH && b->family != FAMILY_BOTH && a->family != b->family)
		return false;
	return !a->has_address || !b->has_address || IN6_ARE_ADDR_EQUAL(&a->ip, &b->ip);
}

bool config_listeners_overlap(const struct config_listener *a, const struct config_listener *b)
{
	/* what an inherited one is bound to, is seen when it is opened */
	return a->port == b->port && !a->fd_name && !b->fd_name && scopes_overlap(a, b);
}

/* Can each client of a reach b, by the same address? */
static bool scope_covers(const struct config_listener *b, const struct config_listener *a)
{
	return scopes_overlap(a, b) && (!b->device || a->device) && (b->family == FAMILY_BOTH || b->family == a->family) &&
		(!b->has_address || a->has_address);
}

static size_t first_tls(const struct config *c, const struct config_listener *from,
	bool fits(const struct config_listener *to, const struct config_listener *from))
{
	for (size_t j = 0; j < c->n_listeners; j++)
		if (c->listeners[j].protocols & 1u << TRP_PROTO_TLS && (!fits || fits(&c->listeners[j], from)))
			return j;
	return c->n_listeners;
}

/* The first for TLS that the same clients can reach, else that some of them can, else the first for TLS. */
size_t config_redirect_target(const struct config *c, size_t i)
{
	const struct config_listener *l = &c->listeners[i];
	size_t found;

	if (!l->redirect_https)
		return c->n_listeners;
	found = first_tls(c, l, scope_covers);
	if (found == c->n_listeners)
		found = first_tls(c, l, scopes_overlap);
	return found < c->n_listeners ? found : first_tls(c, l, NULL);
}

static void check_redirect(const struct config *c, size_t i, struct profile_errors *e)
{
	const struct config_listener *l = &c->listeners[i];

	if (!l->redirect_https)
		return;
	if (!(l->protocols & 1u << TRP_PROTO_HTTP1))
		profile_error(e, l->where.file, l->redirect_line, "redirect-https", "needs protocols = http in [listener %s]",
			l->name);
	else if (config_redirect_target(c, i) == c->n_listeners)
		profile_error(e, l->where.file, l->redirect_line, "redirect-https",
			"there is no listener with protocols = tls to send clients to");
}

static void check_address(struct config_listener *l, struct profile_errors *e)
{
	unsigned of_address = is_ipv4(&l->ip) ? FAMILY_IPV4 : FAMILY_IPV6;

	if (!l->has_address)
		return;
	if (l->family_line && l->family != of_address)
		profile_error(e, l->where.file, l->family_line, "family", "'%s' contradicts the address in line %u",
			config_family_words[l->family], l->address_line);
	if (IN6_IS_ADDR_LINKLOCAL(&l->ip) && !l->device)
		profile_error(e, l->where.file, l->address_line, "address",
			"a link-local address exists once on each interface: expected device = NAME too");
	l->family = of_address;
}

static void check_inherited(const struct config *c, size_t i, struct profile_errors *e)
{
	const struct config_listener *l = &c->listeners[i];

	if (!l->fd_name) {
		if (l->allow_missing.n > 0)
			profile_error(e, l->where.file, l->where.line, "allow-missing", "has no effect without fd-name in [listener %s]",
				l->name);
		return;
	}
	if (l->has_address || l->family_line || l->device)
		profile_error(e, l->where.file, l->fd_line, "fd-name",
			"address, family and device are those of the socket: expected none of them in [listener %s]", l->name);
	if (!strv_has(&l->allow_missing, "cgroup-bpf"))
		profile_error(e, l->where.file, l->fd_line, "fd-name",
			"a socket made elsewhere is not in a group in which connect and bind are refused: only its filter keeps services "
			"from misusing it; expected allow-missing = cgroup-bpf too");
	for (size_t j = 0; j < i; j++)
		if (c->listeners[j].fd_name && strcmp(c->listeners[j].fd_name, l->fd_name) == 0)
			profile_error(e, l->where.file, l->fd_line, "fd-name", "'%s' is taken already by [listener %s] in line %u",
				l->fd_name, c->listeners[j].name, c->listeners[j].fd_line);
}

static void check_overlap(const struct config_listener *l, const struct config_listener *other, struct profile_errors *e)
{
	char text[CONFIG_LISTENER_TEXT];

	if (!l->port || !config_listeners_overlap(l, other))
		return;
	config_listener_text(other, text);
	if (l->has_address || other->has_address || l->device || other->device || l->family != other->family)
		profile_error(e, l->where.file, l->where.line, "port",
			"%u is taken already by [listener %s] in line %u, which has %s", l->port, other->name, other->where.line,
			text);
	else
		profile_error(e, l->where.file, l->where.line, "port", "%u is taken already by [listener %s] in line %u",
			l->port, other->name, other->where.line);
}

void config_check_listeners(struct config *c, struct profile_errors *e, bool complete)
{
	if (c->n_listeners > CONFIG_LISTENERS_MAX)
		profile_error(e, c->file, c->listeners[CONFIG_LISTENERS_MAX].where.line, NULL, "%zu listeners, expected at most %d",
			c->n_listeners, CONFIG_LISTENERS_MAX);
	for (size_t i = 0; i < c->n_listeners; i++) {
		struct config_listener *l = &c->listeners[i];
		/* a value that was refused is not missing */
		if (!l->port && complete)
			profile_error(e, l->where.file, l->where.line, "port", "missing in [listener %s]", l->name);
		if (!l->protocols && complete)
			profile_error(e, l->where.file, l->where.line, "protocols",
				"missing in [listener %s], expected http, tls or others", l->name);
		check_address(l, e);
		for (size_t j = 0; j < i; j++)
			check_overlap(l, &c->listeners[j], e);
		if (complete) {
			check_redirect(c, i, e);
			check_inherited(c, i, e);
		}
	}
}
