/*
 * Formatted output. Knows %d %i %u %x %X %c %s %p %%, the flags "0" and "-", a width, a precision for %s (both
 * also as *), and the lengths l, ll, z, hh and h. %p is 16 hexadecimal digits.
 */
#include "kernel.h"
#include "string.h"

struct output {
	char *buf;
	size_t size, len; /* len counts what did not fit as well */
};

struct spec {
	bool left, zero;
	int width, precision;
	unsigned int length; /* number of l's; z counts as one */
};

static void emit(struct output *out, char c)
{
	if (out->len + 1 < out->size)
		out->buf[out->len] = c;
	out->len++;
}

static void emit_padded(struct output *out, const struct spec *spec, const char *s, int n, bool negative)
{
	int fill = spec->width - n - negative;

	if (!spec->left && !spec->zero)
		for (; fill > 0; fill--)
			emit(out, ' ');
	if (negative)
		emit(out, '-');
	if (!spec->left)
		for (; fill > 0; fill--)
			emit(out, '0');
	while (n--)
		emit(out, *s++);
	for (; fill > 0; fill--)
		emit(out, ' ');
}

static void emit_number(struct output *out, const struct spec *spec, u64 value, unsigned int base, char ten,
			bool negative)
{
	char digits[20];
	char *p = digits + sizeof(digits);

	do {
		unsigned int digit = value % base;

		*--p = digit < 10 ? '0' + digit : ten + digit - 10;
		value /= base;
	} while (value);
	emit_padded(out, spec, p, digits + sizeof(digits) - p, negative);
}

static int parse_number(const char **fmt, va_list *args)
{
	int n = 0;

	if (**fmt == '*') {
		(*fmt)++;
		return va_arg(*args, int);
	}
	while (**fmt >= '0' && **fmt <= '9')
		n = n * 10 + *(*fmt)++ - '0';
	return n;
}

static struct spec parse_spec(const char **fmt, va_list *args)
{
	struct spec spec = { .precision = -1 };

	for (;; (*fmt)++) {
		if (**fmt == '-')
			spec.left = true;
		else if (**fmt == '0')
			spec.zero = true;
		else
			break;
	}
	spec.zero &= !spec.left;
	spec.width = parse_number(fmt, args);
	if (**fmt == '.') {
		(*fmt)++;
		spec.precision = parse_number(fmt, args);
	}
	for (;; (*fmt)++) {
		if (**fmt == 'l' || **fmt == 'z')
			spec.length++;
		else if (**fmt != 'h')
			break;
	}
	return spec;
}

static void emit_conversion(struct output *out, struct spec *spec, char conversion, va_list *args)
{
	const char *s;
	s64 value;
	char c;

	switch (conversion) {
	case 'd':
	case 'i':
		value = spec->length ? va_arg(*args, long) : va_arg(*args, int);
		emit_number(out, spec, value < 0 ? -(u64)value : (u64)value, 10, 'a', value < 0);
		break;
	case 'u':
	case 'x':
	case 'X':
		value = spec->length ? va_arg(*args, unsigned long) : va_arg(*args, unsigned int);
		emit_number(out, spec, value, conversion == 'u' ? 10 : 16, conversion == 'X' ? 'A' : 'a',
			    false);
		break;
	case 'p':
		spec->zero = true;
		spec->width = 16;
		emit_number(out, spec, (u64)va_arg(*args, void *), 16, 'a', false);
		break;
	case 's':
		s = va_arg(*args, const char *);
		s = s ? s : "(null)";
		spec->zero = false;
		emit_padded(out, spec, s, strnlen(s, spec->precision < 0 ? SIZE_MAX : (size_t)spec->precision),
			    false);
		break;
	case 'c':
		c = va_arg(*args, int);
		spec->zero = false;
		emit_padded(out, spec, &c, 1, false);
		break;
	default:
		emit(out, conversion);
	}
}

int vsnprintf(char *buf, size_t size, const char *fmt, va_list args)
{
	struct output out = { buf, size, 0 };
	struct spec spec;
	va_list ap;

	va_copy(ap, args);
	while (*fmt) {
		if (*fmt != '%') {
			emit(&out, *fmt++);
			continue;
		}
		fmt++;
		spec = parse_spec(&fmt, &ap);
		if (!*fmt)
			break;
		emit_conversion(&out, &spec, *fmt++, &ap);
	}
	va_end(ap);
	if (size)
		buf[min(out.len, size - 1)] = '\0';
	return out.len;
}

int snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(buf, size, fmt, args);
	va_end(args);
	return n;
}
