/* The library: text, numbers, bits, checksums. */
#include "bitmap.h"
#include "crc32.h"
#include "selftest.h"
#include "string.h"

static __printf(2, 3) bool formats(const char *expected, const char *fmt, ...)
{
	char buf[64];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(buf, sizeof(buf), fmt, args);
	va_end(args);
	return !strcmp(buf, expected) && n == (int)strlen(expected);
}

SELFTEST(printf_formats)
{
	char small[4];

	EXPECT(formats("-42|  42|42  |0042", "%d|%4d|%-4d|%04d", -42, 42, 42, 42));
	EXPECT(formats("-9223372036854775808", "%lld", -9223372036854775807LL - 1));
	EXPECT(formats("18446744073709551615", "%llu", ~0ULL));
	EXPECT(formats("ff|FF|-001", "%x|%X|%04d", 255, 255, -1));
	EXPECT(formats("ab|  abc|abc  |%", "%.2s|%5s|%-5s|%%", "abc", "abc", "abc"));
	EXPECT(formats("0000000000001234|x", "%p|%c", (void *)0x1234, 'x'));
	EXPECT(snprintf(small, sizeof(small), "%s", "truncated") == 9 && !strcmp(small, "tru"));
	return 0;
}

SELFTEST(strings_and_memory)
{
	char a[40] = "0123456789abcdefghijklmnopqrstuvwxyz";
	char b[40];

	memcpy(b, a, sizeof(a));
	EXPECT(!memcmp(a, b, sizeof(a)));
	memmove(b + 3, b, 20);
	EXPECT(!memcmp(b + 3, a, 20));
	memmove(b, b + 3, 20);
	EXPECT(!memcmp(b, a, 20));
	b[17] ^= 1;
	EXPECT(memcmp(a, b, sizeof(a)) && !memcmp(a, b, 17));
	memset(b + 1, 0xee, 30);
	EXPECT(b[0] == '0' && (u8)b[1] == 0xee && (u8)b[30] == 0xee && b[31] == a[31]);
	EXPECT(strcmp("abc", "abd") < 0 && !strncmp("abc", "abd", 2) && strcmp("a", "ab") < 0);
	EXPECT(strscpy(b, "long enough", 5) == -E2BIG && !strcmp(b, "long"));
	EXPECT(strchr(a, 'f') == a + 15 && !strchr(a, '!') && memchr(a, 'z', 36) == a + 35);
	return 0;
}

SELFTEST(numbers_from_text)
{
	bool suffixed;
	u64 value;

	EXPECT(!kstrtou64("18446744073709551615", &value) && value == ~0ULL);
	EXPECT(kstrtou64("18446744073709551616", &value) == -ERANGE);
	EXPECT(!kstrtou64("0xDeadBeef", &value) && value == 0xdeadbeef);
	EXPECT(kstrtou64("", &value) == -EINVAL && kstrtou64("12x", &value) == -EINVAL);
	EXPECT(!parse_size("12", &value, &suffixed) && value == 12 && !suffixed);
	EXPECT(!parse_size("3M", &value, &suffixed) && value == 3 << 20 && suffixed);
	EXPECT(parse_size("3MB", &value, &suffixed) == -EINVAL);
	EXPECT(parse_size("99999999999G", &value, &suffixed) == -ERANGE);
	return 0;
}

/* Each bitmap operation against the same one bit by bit, over ranges that cross words. */
SELFTEST(bitmap_ranges)
{
	DECLARE_BITMAP(map, 200) = { 0 };

	for (unsigned long start = 0; start < 130; start += 13) {
		for (unsigned long nr = 0; nr < 70; nr += 23) {
			bitmap_set(map, start, nr);
			for (unsigned long i = 0; i < 200; i++)
				EXPECT(test_bit(i, map) == (i >= start && i < start + nr));
			EXPECT(bitmap_weight(map, 200) == nr);
			EXPECT(find_next_bit(map, 200, 0) == (nr ? start : 200));
			EXPECT(find_next_zero_bit(map, 200, start) == start + nr);
			bitmap_clear(map, start, nr);
			EXPECT(find_next_bit(map, 200, 0) == 200);
		}
	}
	return 0;
}

SELFTEST(crc32_known_answers)
{
	const char *text = "The quick brown fox jumps over the lazy dog";

	EXPECT(crc32(0, "123456789", 9) == 0xcbf43926);
	EXPECT(crc32(0, text, 43) == 0x414fa339);
	for (size_t cut = 0; cut < 43; cut++)
		EXPECT(crc32(crc32(0, text, cut), text + cut, 43 - cut) == 0x414fa339);
	return 0;
}
