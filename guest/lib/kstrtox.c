/* Numbers from text. */
#include "kernel.h"
#include "string.h"

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

/* Parses digits and tells where they ended. */
static int parse_digits(const char *s, u64 *value, const char **end)
{
	unsigned int base = 10;
	const char *start;

	if (s[0] == '0' && (s[1] | 0x20) == 'x') {
		base = 16;
		s += 2;
	}
	start = s;
	for (*value = 0; digit_value(*s) < (int)base; s++)
		if (__builtin_mul_overflow(*value, base, value) ||
		    __builtin_add_overflow(*value, digit_value(*s), value))
			return -ERANGE;
	*end = s;
	return s == start ? -EINVAL : 0;
}

int kstrtou64(const char *s, u64 *value)
{
	const char *end;
	int err = parse_digits(s, value, &end);

	return err ? err : *end ? -EINVAL : 0;
}

int parse_size(const char *s, u64 *value, bool *suffixed)
{
	static const char suffixes[] = "KMG";
	const char *end, *suffix;
	int err = parse_digits(s, value, &end);

	if (err)
		return err;
	*suffixed = *end;
	if (!*end)
		return 0;
	suffix = strchr(suffixes, *end);
	if (!suffix || end[1])
		return -EINVAL;
	return __builtin_mul_overflow(*value, 1UL << 10 * (suffix - suffixes + 1), value) ? -ERANGE : 0;
}
