/*
 * suspend.c - HSM, SUSP and the platform's hibernation: calls that stop the hart and come back somewhere else.
 */
#include "board.h"
#include "payload.h"

#define MS		(BOARD_MTIME_HZ / 1000)
#define OPAQUE		0x0123456789abcdefUL
#define NON_RETENTIVE	0x80000000UL
#define HIBERNATE	0x80000001UL

struct suspend {
	unsigned long extension, function, type;
};

/* For catch(): a suspension that is expected to end at resume_entry. */
static void suspend(unsigned long argument)
{
	struct suspend *s = (struct suspend *)argument;

	sbi_call(s->extension, s->function, s->type, (unsigned long)resume_entry, OPAQUE);
}

static struct sbiret try(struct suspend s, unsigned long resume_addr)
{
	return sbi_call(s.extension, s.function, s.type, resume_addr, OPAQUE);
}

static bool returns(struct suspend s)
{
	return try(s, 0).error == SBI_SUCCESS;
}

/* Only a whole suspension fills `resumed` with this: a trap does not. */
static bool resumes(struct suspend s)
{
	resumed = (struct resumed){ .hartid = ~0UL };
	return catch(suspend, (unsigned long)&s) && resumed.hartid == 0 && resumed.opaque == OPAQUE &&
	       resumed.satp == 0 && !(resumed.sstatus & SSTATUS_SIE);
}

/* A timer that S-mode enabled, with sstatus.SIE off, ends the wait, and is still pending for the caller. */
static bool woken_by_timer(bool (*comes_back)(struct suspend s), struct suspend s)
{
	unsigned long start = mtime();
	bool held;

	csr_write(sie, SIE_STIE);
	set_timer_in(MS);
	held = comes_back(s) && mtime() - start >= MS && csr_read(sip) & SIE_STIE;
	sbi_call(SBI_EXT_TIME, 0, ~0UL);
	return held;
}

static bool refuses_addresses(struct suspend s)
{
	return try(s, BOARD_FIRMWARE_BASE).error == SBI_ERR_INVALID_ADDRESS &&
	       try(s, BOARD_UART_BASE).error == SBI_ERR_INVALID_ADDRESS &&
	       try(s, ~1UL).error == SBI_ERR_INVALID_ADDRESS &&
	       try(s, (unsigned long)resume_entry | 1).error == SBI_ERR_INVALID_ADDRESS;
}

void check_hsm(void)
{
	struct suspend retentive = { SBI_EXT_HSM, 3, 0 }, anew = { SBI_EXT_HSM, 3, NON_RETENTIVE };
	struct suspend reserved = { SBI_EXT_HSM, 3, 1 };
	struct sbiret status = sbi_call(SBI_EXT_HSM, 2, 0);

	check("hsm.status", status.error == SBI_SUCCESS && status.value == 0);
	check("hsm.status_invalid_hart", sbi_call(SBI_EXT_HSM, 2, 64).error == SBI_ERR_INVALID_PARAM);
	check("hsm.start_started",
	      sbi_call(SBI_EXT_HSM, 0, 0, (unsigned long)resume_entry).error == SBI_ERR_ALREADY_AVAILABLE);
	check("hsm.start_invalid_hart",
	      sbi_call(SBI_EXT_HSM, 0, 64, (unsigned long)resume_entry).error == SBI_ERR_INVALID_PARAM);
	check("hsm.suspend_retentive", woken_by_timer(returns, retentive));
	check("hsm.suspend_non_retentive", woken_by_timer(resumes, anew));
	check("hsm.suspend_reserved", try(reserved, (unsigned long)resume_entry).error == SBI_ERR_INVALID_PARAM);
	check("hsm.unknown_function", sbi_call(SBI_EXT_HSM, 4).error == SBI_ERR_NOT_SUPPORTED);
}

void check_susp(void)
{
	struct suspend to_ram = { SBI_EXT_SUSP, 0, 0 }, reserved = { SBI_EXT_SUSP, 0, 1 };
	struct suspend foreign = { SBI_EXT_SUSP, 0, 0x80000000 };

	if (!have("susp", SBI_EXT_SUSP))
		return;
	check("susp.to_ram", woken_by_timer(resumes, to_ram));
	check("susp.reserved", try(reserved, (unsigned long)resume_entry).error == SBI_ERR_INVALID_PARAM);
	check("susp.foreign_type", try(foreign, (unsigned long)resume_entry).error == SBI_ERR_INVALID_PARAM);
	check("susp.addresses", refuses_addresses(to_ram));
	check("susp.unknown_function", sbi_call(SBI_EXT_SUSP, 1).error == SBI_ERR_NOT_SUPPORTED);
}

/* OpenSBI 1.1 stops its only hart, and suspends to any address. */
void check_own_hsm(void)
{
	struct suspend anew = { SBI_EXT_HSM, 3, NON_RETENTIVE };

	check("hsm.stop_last_hart", sbi_call(SBI_EXT_HSM, 1).error == SBI_ERR_FAILED);
	check("hsm.suspend_addresses", refuses_addresses(anew));
}

/* Where the platform has no sleep register, the firmware must say so instead of waiting for ever. */
void check_no_hibernation(void)
{
	struct suspend hibernate = { SBI_EXT_SUSP, 0, HIBERNATE };

	check("susp.no_hibernation", try(hibernate, (unsigned long)resume_entry).error == SBI_ERR_NOT_SUPPORTED);
}

/* Two hibernations in a row, each into a machine of its own; then every extension must work as after a boot. */
void check_hibernation(void)
{
	struct suspend hibernate = { SBI_EXT_SUSP, 0, HIBERNATE };

	check("hibernation.addresses", refuses_addresses(hibernate));
	csr_write(sie, SIE_STIE);
	set_timer_in(MS);	/* lost with the machine: it must not end the wait, nor come in the next life */
	check("hibernation.first", resumes(hibernate));
	check("hibernation.timer_is_off", !(csr_read(sip) & SIE_STIE));
	check("hibernation.second", resumes(hibernate));
}
